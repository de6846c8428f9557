"""A module keeps a tensor or layers where its own move does not reach them.

## Why it breaks on MPS
`model.to(device)` moves what a module has registered: parameters, buffers and submodules. A tensor that is a plain
attribute (`self.pe = torch.zeros(512, d)`) and layers in a plain list (`self.blocks = [nn.Linear(8, 8), ...]`) are not
among them, and stay on the CPU while the inputs are on the device:

    RuntimeError: Expected all tensors to be on the same device, but found at least two devices, mps:0 and cpu!

is the text for arithmetic. Layers left behind say `Tensor for argument weight is on cpu but expected on mps` (linear) or
`Input type (MPSFloatType) and weight type (torch.FloatTensor) should be the same` (convolution).

As long as the module runs on the CPU nothing fails. An attribute that is moved only `if x.is_cuda` works on CUDA and
fails on MPS alone. What a plain list hides is missing elsewhere too: an optimizer made from `model.parameters()` never
trains it and `state_dict()` does not save it, on every device.

Not reported: an attribute that some method moves, registers or replaces; layers that are handed on to `nn.Sequential`,
`nn.ModuleList` or `add_module`.

## Use instead
Register them, and `.to(device)` takes them along:

    self.register_buffer("pe", torch.zeros(512, d), persistent=False)
    self.blocks = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])

or `nn.Parameter(...)` for a tensor that is to be learned. All of these run on CUDA, on MPS and on the CPU.

## Fix safety
The tensor becomes a buffer with `persistent=False`, which leaves it out of `state_dict()`, so that older checkpoints fit;
the list becomes an `nn.ModuleList`. Unsafe: that adds parameters to the checkpoint and to the optimizer. It is what was
meant, but it changes both.

## Sources
- `Module._apply`, which every move goes through, in `torch/nn/modules/module.py`; `register_buffer` and `ModuleList`:
  https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html.
- Texts of torch 2.13: `TensorIterator.cpp`, `Linear.mm`, `Convolution.cpp`. The one for convolution was seen on a Mac in
  pytorch/ignite#2977.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

_WEIGHT = Raises(RuntimeError, "Tensor for argument weight is on cpu but expected on mps")
_CONV_WEIGHT = Raises(RuntimeError, "Input type (MPSFloatType) and weight type (torch.FloatTensor) should be the same")

_MESSAGES = {
    "kept-on-cpu": "this tensor stays on the CPU when the module moves; keep it with self.register_buffer(...)",
    "layers-in-list": "the layers in this list stay on the CPU when the module moves; keep them in nn.ModuleList",
}


class TensorKeptByModule(Rule):
    code = "MPS402"
    name = "tensor-kept-by-module"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = conflicts(*_MESSAGES)
    expect = Raises(RuntimeError, "Expected all tensors to be on the same device")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            yield self.finding(facts.source.token(event.node), _MESSAGES[event.kind], trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.registered(facts, event)

    bad = [
        Example("""
            import torch

            class Normalize(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.mean = torch.tensor([0.4, 0.5, 0.6])
                    ^^^^^^^^^ MPS402

                def forward(self, x):
                    return x - self.mean  # raises

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Normalize().to(device)(torch.zeros(2, 3, device=device))
            """),
        Example("""
            import torch as th
            import torch.nn as nn

            class PositionalEncoding(nn.Module):
                def __init__(self, length, width):
                    super().__init__()
                    pe = th.zeros(length, width)
                    pe[:, 0::2] = th.arange(length)[:, None].float().sin()
                    self.pe = pe.unsqueeze(0)
                    ^^^^^^^ MPS402
                    self.dropout = nn.Dropout(0.1)

                def forward(self, x):
                    return self.dropout(x + self.pe[:, : x.size(1)])  # raises

            device = th.accelerator.current_accelerator() or th.device("cpu")
            PositionalEncoding(8, 4).to(device)(th.zeros(2, 3, 4, device=device))
            """),
        Example("""
            from torch import accelerator, zeros
            from torch.nn import Linear, Module

            class Tower(Module):
                def __init__(self):
                    super().__init__()
                    self.blocks = [Linear(3, 3) for _ in range(4)]
                    ^^^^^^^^^^^ MPS402

                def forward(self, x):
                    for block in self.blocks:
                        x = block(x).relu()  # raises
                    return x

            device = accelerator.current_accelerator() or "cpu"
            Tower().to(device)(zeros(2, 3, device=device))
            """, expect=_WEIGHT),
    ]
    good = [
        Example("""
            import torch
            from torch import nn

            class Normalize(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]))
                    self.scale = nn.Parameter(torch.ones(3))
                    self.blocks = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])

                def forward(self, x):
                    x = (x - self.mean) * self.scale
                    for block in self.blocks:
                        x = block(x)
                    return x

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Normalize().to(device)(torch.zeros(2, 3, device=device))
            """),
        Example("""
            import torch
            from torch import nn

            class Stack(nn.Module):
                def __init__(self, depth):
                    super().__init__()
                    self.parts = [nn.Dropout(rate.item()) for rate in torch.linspace(0, 0.1, depth)]
                    self.parts.append(nn.Sequential())
                    self.layers = [nn.Linear(3, 3), nn.ReLU()]
                    self.all = nn.Sequential(*self.layers)

                def forward(self, x):
                    return self.parts[0](self.layers[1](self.layers[0](x)))

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Stack(2).to(device)(torch.zeros(2, 3, device=device))
            """),
        Example("""
            import torch

            class Temperature(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.temperature = torch.tensor(0.07)
                    self.weight = torch.ones(3)

                def forward(self, x):
                    self.weight = self.weight.to(x.device)
                    return x * self.weight / self.temperature

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Temperature().to(device)(torch.zeros(2, 3, device=device))
            """),
    ]

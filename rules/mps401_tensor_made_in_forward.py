"""A tensor made in a module's method stays on the CPU and meets the module's input.

## Why it breaks on MPS
`torch.arange(n)`, `torch.ones(n, n)`, `torch.tensor([...])` make their tensor on the CPU unless told otherwise. The
module's weights and its inputs are on the device, and an operator wants all its tensors on one:

    RuntimeError: Expected all tensors to be on the same device, but found at least two devices, mps:0 and cpu!

is the text for arithmetic; linear says `Tensor for argument input is on cpu but expected on mps`, `a @ b` says `Tensor
for argument #2 'mat2' is on CPU, but expected it to be on GPU`, others `Placeholder storage has not been allocated on
MPS device!` or `Passed CPU tensor to MPS op`.

Masks, positions and noise are where this happens. As long as the module runs on the CPU nothing fails; a tensor that is
moved only `if x.is_cuda` works on CUDA and fails on MPS alone.

Not reported: a tensor without dimensions (`torch.tensor(0.5) * x` works), an index (`x[torch.arange(n)]` works too), and
one that is moved to the input's device before they meet.

## Use instead
Make it where the input is:

    positions = torch.arange(x.size(1), device=x.device)
    mask = torch.ones_like(scores).tril()
    state = x.new_zeros(x.size(0), self.width)

`torch.from_numpy` and `torch.Tensor` take no device: `torch.from_numpy(table).to(x.device)`. All of these run on CUDA,
on MPS and on the CPU. What never changes is better made once, in `__init__`, and kept with `self.register_buffer`.

## Fix safety
In `forward`, it is made with the device of an input of the module. Unsafe: which input gives the device is a guess, and for
random numbers `device=` also chooses another generator, so that a seed gives other numbers than it gave on the CPU.

## Sources
- Texts of torch 2.13: `TensorIterator.cpp`, and `Linear.mm`, `OperationUtils.mm` in ATen's `native/mps`.
- `torch.nn.Module.to` moves parameters and buffers, https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html;
  factories and their `device=`: https://docs.pytorch.org/docs/stable/torch.html#creation-ops.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

_NO_DEVICE = frozenset({"from_numpy", "frombuffer"})  # and the types: torch.Tensor, torch.FloatTensor


class TensorMadeInForward(Rule):
    code = "MPS401"
    name = "tensor-made-in-forward"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = conflicts("made-on-cpu")
    expect = Raises(RuntimeError, "Expected all tensors to be on the same device")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event):
            return
        instead = "move it: .to(x.device)" if _takes_none(event, facts) else "write device=x.device"
        message = f"made on the CPU, it meets the module's input on the device; {instead}"
        yield self.finding(facts.source.token(event.node), message, trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.made_at_input(facts, event, _takes_none(event, facts))

    bad = [
        Example("""
            import torch

            class Shift(torch.nn.Module):
                def forward(self, x):
                    steps = torch.arange(x.size(1))
                            ^^^^^^^^^^^^ MPS401
                    return x + steps  # raises

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Shift()(torch.zeros(2, 3, device=device))
            """),
        Example("""
            import torch as th
            from torch import nn

            class CausalAttention(nn.Module):
                def __init__(self, width):
                    super().__init__()
                    self.key = nn.Linear(width, width)

                def forward(self, x):
                    scores = x @ self.key(x).transpose(1, 2)
                    mask = th.ones(x.size(1), x.size(1)).triu(1)
                           ^^^^^^^ MPS401
                    scores = scores - 1e9 * mask  # raises
                    return scores.softmax(dim=-1) @ x

            device = th.accelerator.current_accelerator() or th.device("cpu")
            CausalAttention(4).to(device)(th.zeros(2, 3, 4, device=device))
            """),
        Example("""
            import numpy as np
            import torch
            import torch.nn as nn

            class Window(nn.Module):
                def forward(self, frames):
                    window = torch.from_numpy(np.hanning(frames.shape[-1]).astype(np.float32))
                             ^^^^^^^^^^^^^^^^ MPS401
                    return frames * window  # raises

            gpu = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
            Window()(torch.zeros(2, 8).to(gpu))
            """),
    ]
    good = [
        Example("""
            import torch
            import torch.nn.functional as F

            class Attention(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.q = self.k = self.v = self.out = torch.nn.Linear(4, 4)

                def forward(self, x):
                    bias = torch.cat((self.q.bias, self.k.bias, self.v.bias))
                    steps = torch.arange(x.shape[0]).view(-1, 1, 1)
                    kept = x > 0
                    return F.multi_head_attention_forward(
                        x, x, x, 4, 2, torch.empty([0]), bias, None, None, False, 0.0, self.out.weight, self.out.bias,
                        use_separate_proj_weight=True, q_proj_weight=self.q.weight, k_proj_weight=self.k.weight,
                        v_proj_weight=self.v.weight,
                    )[0] + x * steps.to(kept.device)

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Attention().to(device)(torch.zeros(3, 1, 4, device=device))
            """),
        Example("""
            import torch

            class Stop(torch.nn.Module):
                def forward(self, labels):
                    masks = (labels != -100.0)[:, 0]
                    return torch.cat([~masks * 1.0, torch.ones(masks.size(0)).to(masks.device)])

            Stop()(torch.ones(2, 2, device=torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"))
            """),
        Example("""
            import torch

            class Shift(torch.nn.Module):
                def forward(self, x):
                    steps = torch.arange(x.size(1), device=x.device)
                    return x + steps + x.new_ones(x.size(1)) + torch.zeros_like(x)

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Shift()(torch.zeros(2, 3, device=device))
            """),
        Example("""
            import torch

            class Scaled(torch.nn.Module):
                def forward(self, x):
                    order = torch.arange(x.size(0) - 1, -1, -1)
                    return x[order] * torch.tensor(0.5)

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Scaled()(torch.zeros(2, 3, device=device))
            """),
    ]


def _takes_none(event: Event, facts: Facts) -> bool:
    """Whether what makes the tensor takes no device=."""
    factory = (facts.name(event.node) or "").rpartition(".")[2]
    return factory in _NO_DEVICE or factory.endswith("Tensor")

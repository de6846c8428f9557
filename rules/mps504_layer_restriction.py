"""A layer that MPS has, but not with these settings.

## Why it breaks on MPS
Three layers work on MPS in part. What is left out raises a RuntimeError when the layer is called:

- `nn.LSTM(..., proj_size=k)`: `LSTM with projections is not currently supported with MPS.`
- `nn.ConvTranspose3d` in float16 or bfloat16: `ConvTranspose 3D with BF16 or FP16 types is not supported on MPS`
- adaptive average pooling to a size that does not divide the input's: `Adaptive pool MPS: input sizes must be divisible
  by output sizes. Non-divisible input sizes are not implemented on MPS device yet.`

CUDA and the CPU do all three. `PYTORCH_ENABLE_MPS_FALLBACK=1` does not help: there is a kernel, and it refuses.

Of adaptive pooling, only what one expression shows is reported: a literal size, and a tensor made right there. A size of
1 divides every input, and 7 by 7 after the strides of a ResNet at 224 pixels is the size of its input: both are silent.

## Use instead
A linear layer behind the LSTM gives the same size of output (though not the same function: it does not feed back); a
ConvTranspose3d stays float32, with its input cast around it; an input is resized to a multiple before it is pooled:

    self.rnn, self.projection = nn.LSTM(64, 128), nn.Linear(128, 32)
    volume = grow(latents.float()).half()
    pooled = F.adaptive_avg_pool2d(F.interpolate(x, size=(9, 9), mode="bilinear"), 3)

Or leave that one step on the CPU: `F.adaptive_avg_pool2d(x.cpu(), 3).to(x.device)`. All of these run on CUDA, on MPS and
on the CPU.

## Fix safety
There is no automatic fix. Weights of an LSTM with projections fit no other layer, and what resizing changes is for the
author to judge.

## Sources
- Texts read from the library of torch 2.13: `aten/src/ATen/native/mps/operations/RnnOps.mm`, `Convolution.mm`,
  `AdaptivePooling.mm`; the same since 2.0, but ConvTranspose3d, which was refused for every dtype up to 2.7.
- pytorch/pytorch#96056: adaptive pooling, open.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_LSTM = "torch.nn.LSTM"
_TRANSPOSED = "torch.nn.ConvTranspose3d"
_LAYERS = {f"torch.nn.AdaptiveAvgPool{n}d": n for n in (1, 2)}
_FUNCTIONS = {f"torch.nn.functional.adaptive_avg_pool{n}d": n for n in (1, 2)} | {"torch.adaptive_avg_pool1d": 1}

_HALVES = frozenset({"float16", "half", "bfloat16"})
_FILLED = frozenset({"rand", "randn", "zeros", "ones", "empty"})  # factories whose arguments are the shape

_MESSAGES = {
    _LSTM: "MPS has no LSTM with proj_size; project with a Linear layer behind it",
    _TRANSPOSED: "MPS has no ConvTranspose3d in half precision; keep this layer float32",
}
_POOLED = "MPS pools only to sizes that divide the input's; resize the input, or pool it on the CPU"


class LayerRestriction(Rule):
    code = "MPS504"
    name = "layer-restriction"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = calls(_LSTM, _TRANSPOSED, *_LAYERS, *_FUNCTIONS)
    expect = Raises(RuntimeError, "LSTM with projections is not currently supported with MPS.")

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if facts.out_of_reach_once_ported(call):
            return
        if name == _LSTM and _projects(facts.argument(call, "proj_size"), facts):
            yield self.finding(facts.source.token(call.func), _MESSAGES[name])
        elif name == _TRANSPOSED and _is_half(call, facts):
            yield self.finding(facts.source.token(call.func), _MESSAGES[name])
        elif _does_not_divide(call, name, facts):
            yield self.finding(facts.source.token(call.func), _POOLED)

    bad = [
        Example("""
            import torch

            SIZE = 4
            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            rnn = torch.nn.LSTM(8, 8, proj_size=SIZE).to(device)
                  ^^^^^^^^^^^^^ MPS504
            states, _ = rnn(torch.zeros(5, 1, 8, device=device))  # raises
            """),
        Example("""
            from torch import accelerator, bfloat16, nn, zeros

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
            "Größe"; grow = nn.ConvTranspose3d(4, 1, 2, dtype=bfloat16, device=gpu)
                            ^^^^^^^^^^^^^^^^^^ MPS504
            volume = grow(zeros(1, 4, 2, 2, 2, dtype=bfloat16, device=gpu))  # raises
            """, expect=Raises(RuntimeError, "ConvTranspose 3D with BF16 or FP16 types is not supported on MPS")),
        Example("""
            import torch
            import torch.nn.functional as F

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            pooled = F.adaptive_avg_pool2d(torch.rand(1, 1, 8, 8).to(device), (4, 3))
                     ^^^^^^^^^^^^^^^^^^^^^ MPS504
            """, expect=Raises(RuntimeError, "Adaptive pool MPS: input sizes must be divisible by output sizes.")),
        Example("""
            import torch as th

            device = th.accelerator.current_accelerator() or th.device("cpu")
            pooled = th.nn.AdaptiveAvgPool2d(
                     ^^^^^^^^^^^^^^^^^^^^^^^ MPS504
                output_size=3,
            )(th.rand(1, 1, 8, 8, device=device))
            """, expect=Raises(RuntimeError, "Adaptive pool MPS: input sizes must be divisible by output sizes.")),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            rnn = torch.nn.LSTM(8, 8, proj_size=0).to(device)

            def build(size, projected=0):
                return torch.nn.LSTM(8, 8, proj_size=size if size < 8 else 0), torch.nn.LSTM(8, 8, proj_size=projected)

            states, _ = rnn(torch.zeros(5, 1, 8, device=device))
            grow = torch.nn.ConvTranspose3d(4, 1, 2, stride=2).to(device)
            """),
        Example("""
            import torch
            import torch.nn.functional as F

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            x = torch.rand(1, 1, 8, 8, device=device)
            pooled = F.adaptive_avg_pool2d(x, 1) + torch.nn.AdaptiveAvgPool2d((1, 1))(torch.rand(1, 1, 7, 7, device=device))
            pooled = torch.nn.AdaptiveAvgPool2d((4, None))(torch.rand(1, 1, 8, 7, device=device))
            """),
        Example("""
            import torch

            pooled = torch.nn.AdaptiveAvgPool2d(3)(torch.rand(1, 1, 8, 8))
            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            scores = torch.nn.Linear(3, 1).to(device)(pooled.to(device))
            """),
    ]


def _projects(size: ast.expr | None, facts: Facts) -> bool:
    """True for a size that is written there, or under a name that the file never gives 0; any other expression may be 0."""
    if isinstance(size, ast.Name):
        return all(not isinstance(given, ast.Constant) or given.value for given in facts.bindings(size.id))
    return bool(facts.literal(size))


def _is_half(call: ast.Call, facts: Facts) -> bool:
    around = facts.parent(call)
    cast = around.attr if isinstance(around, ast.Attribute) else ""
    given = facts.argument(call, "dtype")
    return cast in ("half", "bfloat16") or given is not None and (facts.name(given) or "").rpartition(".")[2] in _HALVES


def _does_not_divide(call: ast.Call, name: str, facts: Facts) -> bool:
    """Whether a tensor that is made right here, on the device, is pooled to sizes that do not divide its own."""
    dimensions, pooled, wanted = _FUNCTIONS.get(name), facts.argument(call, "input", 0), facts.argument(call, "output_size", 1)
    if name in _LAYERS:
        around = facts.parent(call)
        if not isinstance(around, ast.Call) or around.func is not call or len(around.args) != 1:
            return False
        dimensions, pooled, wanted = _LAYERS[name], around.args[0], facts.argument(call, "output_size", 0)
    if dimensions is None or pooled is None or wanted is None or not facts.may_be_on_mps(pooled):
        return False
    sizes = _shape(pooled, facts)[-dimensions:]
    targets = _integers(wanted.elts) if isinstance(wanted, ast.Tuple) else _integers([wanted]) * dimensions
    return any(size and target and size > target and size % target for size, target in zip(sizes, targets))


def _shape(node: ast.expr, facts: Facts) -> list[int | None]:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda"):
        node = node.func.value
    if not isinstance(node, ast.Call) or (facts.name(node.func) or "").rpartition(".")[2] not in _FILLED:
        return []
    first = node.args[0] if node.args else None
    return _integers(first.elts if isinstance(first, (ast.Tuple, ast.List)) else node.args)


def _integers(nodes: list[ast.expr]) -> list[int | None]:
    return [node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None for node in nodes]

"""The result of a tensor's move or cast is dropped.

## Why it breaks on MPS
`.to()`, `.cuda()`, `.cpu()`, `.float()` and their like change a module in place but give a new tensor for a tensor. A
statement `images.to(device)` computes that tensor and throws it away; `images` stays on the CPU. Once the model is on
MPS the two meet, and the error stands where they do, not where the move was dropped. What it says depends on the
operator:

- linear: `RuntimeError: Tensor for argument input is on cpu but expected on mps`
- convolution: `RuntimeError: slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0') must be on the same
  device`
- arithmetic: `RuntimeError: Expected all tensors to be on the same device, but found at least two devices, ...`
- older releases and MPSGraph operators: `RuntimeError: Placeholder storage has not been allocated on MPS device!`

On the CPU both stay where they are and nothing fails: the mistake waits for the port. A dropped cast is as vain:
after `mask.float()` a float64 mask still is one, and `mask.to(device)` fails. Of any other tensor it is a hint (info),
for it goes wrong on every machine alike.

Modules, and what a tokenizer of transformers returns, move in place and are not reported.

## Use instead
Keep what the call returns:

    images = images.to(device)

or `for images, masks in loader: images, masks = images.to(device), masks.to(device)`. Runs on CUDA, MPS and the CPU.

## Fix safety
The result is assigned. Unsafe: it is nearly always what was meant, but another name that still refers to the old tensor
keeps the old one.

## Sources
- torch 2.13: `Module.to` and `Module._apply` in `torch/nn/modules/module.py` write to `param.data`; `Tensor.to` is
  documented to return a tensor. All releases.
- The texts: `Linear.mm`, `MPSFallback.mm`, `OperationUtils.mm` (ATen, `mps`) and `TensorIterator.cpp` of torch 2.13.
- Seen: huggingface/accelerate#2251 (`t.to(batch.device)`), pytorch/pytorch#130790 (what the error means).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

_CONVOLUTION = Raises(RuntimeError, "slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0')")
_ARITHMETIC = Raises(RuntimeError, "Expected all tensors to be on the same device")
_FLOAT64 = Raises(TypeError, "MPS framework doesn't support float64")


class DroppedTensorMove(Rule):
    code = "MPS403"
    name = "dropped-tensor-move"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("dropped-move")
    expect = Raises(RuntimeError, "Tensor for argument input is on cpu but expected on mps")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event) or not _is_missed(event.node, facts):
            return
        name = event.how
        message = f".{name}() gives a new tensor, and nobody keeps it; assign it: x = x.{name}(...)"
        severity = Severity.INFO if event.detail == "cast" else None  # in vain anywhere, not on a Mac alone
        yield self.finding(facts.source.attribute(event.node.func), message, severity=severity, trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.kept(facts, event.node)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Linear(3, 1).to(device)
            features = torch.zeros(2, 3)
            features.to(device)
                     ^^ MPS403
            print(model(features))  # raises
            """),
        Example("""
            import torch as th
            from torch.utils.data import DataLoader

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            model = th.nn.Conv2d(1, 1, 3)
            model.to(device)
            for images in DataLoader(th.zeros(2, 1, 8, 8), batch_size=2):
                "Größe"; images.to(device, non_blocking=True)
                                ^^ MPS403
                model(images)  # raises
            """, expect=_CONVOLUTION),
        Example("""
            import torch

            def loss_of(scores, labels):
                labels.to(scores.device)
                       ^^ MPS403
                return (scores - labels).abs().mean()  # raises

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            loss_of(torch.rand(4, device=device), torch.ones(4))
            """, expect=_ARITHMETIC),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Sequential(torch.nn.Linear(3, 1))
            model.to(device)
            model.float()
            images = torch.zeros(2, 3)
            images = images.to(device)
            print(model(images))
            """),
        Example("""
            import torch

            class Encoder(torch.nn.Module):
                def __init__(self, device):
                    super().__init__()
                    self.head = torch.nn.Linear(3, 1)
                    self.to(device)
                    self.head.half()

            Encoder(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
        Example("""
            import torch

            class Encoding(dict):
                def to(self, device):
                    self.update({name: value.to(device) for name, value in self.items()})

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            tokens = Encoding(ids=torch.ones(2))
            tokens.to(device)
            print(tokens["ids"] + torch.ones(2, device=device))
            """),
        Example("""
            import torch

            def warm_up(device):
                return [torch.zeros(1).to(device) for _ in range(2)]

            warm_up(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
        Example("""
            import time
            import torch

            def bandwidth(device, megabytes=4):
                block = torch.zeros(megabytes << 18)
                block.to(device)
                start = time.perf_counter()
                for _ in range(3):
                    block.to(device)
                return 3 * megabytes / (time.perf_counter() - start)

            bandwidth(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
    ]


def _is_missed(call: ast.Call, facts: Facts) -> bool:
    """Whether anything but such moves reads the tensor afterwards: else it is a warm-up, or the move is what is timed."""
    moved = call.func.value  # type: ignore[attr-defined]
    if not isinstance(moved, ast.Name):
        return True
    around = facts.around(call)
    function = next((node for node in around if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))), facts.source.tree)
    moves = {part.value.func.value for part in ast.walk(function) if _is_move(part)}
    first = min([call.lineno, *(node.lineno for node in around if isinstance(node, (ast.For, ast.While)))])
    reads = (node for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return any(node.id == moved.id and node.lineno >= first and node not in moves for node in reads)


def _is_move(statement: ast.AST) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("to", "cuda", "cpu")

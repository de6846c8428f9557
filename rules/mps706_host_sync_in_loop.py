"""A number is read from the GPU in every step of a training loop.

## Why it breaks on MPS
Nothing breaks; it is slow. The CPU hands work to the GPU and goes on. `.item()` and `.tolist()` need the number itself, so
the CPU waits until all that has been handed over is done, and the GPU is idle until the CPU hands over the next step.
On a Mac a step is short and the wait is dear: one user measured 6 of the 10 ms of a step (M3).

Reported in loops that call `.backward()`, where it happens at every step: not under an `if`, and not in a loop over
epochs around it. Off by default: `--level info` shows it.

## Use instead
Add up on the device, and read once an epoch or every so many steps:

    total = torch.zeros((), device=device)
    for images, masks in loader:
        loss = criterion(model(images), masks)
        loss.backward()
        total += loss.detach()
        if step % 100 == 0:
            print(loss.item())
    mean = total.item() / len(loader)

## Fix safety
There is no automatic fix. Sums are then made in float32 on the device and not in Python's float64; over many steps the
last digits differ.

## Sources
- CodefyUI#435: the measurement.
- `item` in the documentation of `torch.Tensor`; every copy to the CPU commits and waits for the command buffer
  (`aten/src/ATen/native/mps/operations/Copy.mm`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts.values import Array
from ..finding import Finding
from ..rule import Example, Rule, Runs, Severity, World, methods

if TYPE_CHECKING:
    from ..facts import Facts


class HostSyncInLoop(Rule):
    code = "MPS706"
    name = "host-sync-in-loop"
    severity = Severity.INFO
    world = World.AS_WRITTEN
    where = methods("item", "tolist")
    expect = Runs("the CPU waits for the GPU at every step")

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        if call.args or call.keywords or not isinstance(call.func, ast.Attribute) or facts.guarded(call):
            return
        if _in_every_step(call, facts) and not isinstance(facts.value(call.func.value), Array):
            message = f".{call.func.attr}() waits for the GPU at every step; add up on the device, read it once"
            yield self.finding(facts.source.attribute(call.func), message)

    bad = [
        Example("""
            import torch

            model, total = torch.nn.Linear(3, 1), 0.0
            for images in torch.zeros(4, 2, 3):
                loss = model(images).mean()
                loss.backward()
                total += loss.item()
                              ^^^^ MPS706
            """),
        Example("""
            import torch

            def train(model, loader, epochs):
                for epoch in range(epochs):
                    losses = []
                    for step, images in enumerate(loader):
                        loss = model(images).pow(2).mean()
                        loss.backward()
                        losses.append(loss.detach().item())
                                                    ^^^^ MPS706
                return losses

            train(torch.nn.Linear(3, 1), torch.zeros(4, 2, 3), 1)
            """),
        Example("""
            import torch

            model, left = torch.nn.Linear(3, 1), 4
            while left:
                scores = model(torch.zeros(2, 3))
                scores.sum().backward()
                print(scores.flatten().tolist())
                                       ^^^^^^ MPS706
                left -= 1
            """),
    ]
    good = [
        Example("""
            import torch

            model, total = torch.nn.Linear(3, 1), torch.zeros(())
            for images in torch.zeros(4, 2, 3):
                loss = model(images).mean()
                loss.backward()
                total += loss.detach()
            print(total.item())
            """),
        Example("""
            import torch

            model = torch.nn.Linear(3, 1)
            for step, images in enumerate(torch.zeros(4, 2, 3)):
                loss = model(images).mean()
                loss.backward()
                if step % 2 == 0:
                    print(loss.item())
            """),
        Example("""
            import torch

            model = torch.nn.Linear(3, 1)
            for epoch in range(2):
                total = torch.zeros(())
                for images in torch.zeros(4, 2, 3):
                    loss = model(images).mean()
                    loss.backward()
                    total += loss.detach()
                print(epoch, total.item())
            """),
        Example("""
            import torch

            model = torch.nn.Linear(3, 1).eval()
            with torch.no_grad():
                for images in torch.zeros(4, 2, 3):
                    print(model(images).mean().item())
            """),
    ]


def _in_every_step(call: ast.Call, facts: Facts) -> bool:
    """Whether the innermost loop around a call trains, and comes to the call at every step."""
    for node in facts.around(call):
        if isinstance(node, (ast.For, ast.While)):
            return _trains(node)
        if isinstance(node, (ast.If, ast.IfExp, ast.FunctionDef, ast.Lambda, ast.ExceptHandler)):
            return False
    return False


def _trains(node: ast.AST) -> bool:
    """Whether a loop calls ``.backward()`` itself, not only in a loop inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Attribute) and child.attr == "backward":
            return True
        if not isinstance(child, (ast.For, ast.While)) and _trains(child):
            return True
    return False

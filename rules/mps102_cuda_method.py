"""A tensor or a module is moved by .cuda().

## Why it breaks on MPS
`.cuda()` means a CUDA device and nothing else; a build without CUDA, as every build for Macs is, refuses:

    AssertionError: Torch not compiled with CUDA enabled

So do `.cuda(non_blocking=True)`, `.cuda("cuda:0")` and a module's `.cuda()`, at its first parameter or buffer, and
`.cuda(0)`. An integer has meant "the accelerator number 0" since about torch 2.5, so there a Mac is expected to say
`RuntimeError: Invalid device, must be cuda device` (read from the library, not yet seen on a Mac).

A module that holds no tensors, such as `nn.CrossEntropyLoss()` without weights, has nothing to move and raises nothing;
it is not reported. Nor is a call that asks for CUDA first: that one is silent, and MPS103 has it.

Where an option decides (`if args.gpu:`), only those who ask for it see the error: a warning.

## Use instead
Move to a device that was chosen at run time (torch 2.6 or newer):

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    model.to(device)                                    # was model.cuda()
    images = images.to(device)                          # was images.cuda()

A module moves in place. A tensor does not: keep what `.to(device)` returns.

## Fix safety
`.cuda()` becomes `.to(device)`, with the device variable in scope, or one that is added below the imports. It does what
`.cuda()` did where the device is CUDA's; `non_blocking=True` is kept for CUDA. Unsafe where the device at hand is a
parameter, an attribute or that of a module's input: it may be another.

## Sources
- torch 2.13, executed on the CPU build: `_lazy_init` in `torch/cuda/__init__.py`, the same file as in the wheel for
  Macs; `Module.cuda` in `torch/nn/modules/module.py` calls `.cuda()` of each parameter and buffer. All releases.
- Seen on Macs: pharmapsychotic/clip-interrogator#9, bytedance/InfiniteYou#16 (both replaced `.cuda()`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import devices
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class CudaMethod(Rule):
    code = "MPS102"
    name = "cuda-method"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("cuda-method")
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if facts.only_if_asked(event) else None
        message = ".cuda() raises without CUDA; write .to(device), with a device chosen at run time"
        yield self.finding(facts.source.attribute(event.node.func), message, severity=severity)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        near = devices.of_input(facts, event.node)
        return edits.safe(*edits.moved_to_device(facts.source, event.node), near=near)

    bad = [
        Example("""
            import torch

            def embed(model, wave):
                try:
                    return model(wave.cuda())
                                      ^^^^ MPS102
                except RuntimeError:  # out of memory; no CUDA is an AssertionError
                    return None

            embed(torch.nn.Linear(2, 2), torch.zeros(1, 2))
            """),
        Example("""
            import torch

            model = torch.nn.Linear(2, 2)
            model.cuda()
                  ^^^^ MPS102
            """),
        Example("""
            import torch as th

            def prepare(batch):
                return {name: value.cuda(non_blocking=True) for name, value in batch.items()}
                                    ^^^^ MPS102

            prepare({"image": th.zeros(1, 3), "mask": th.ones(1)})
            """),
        Example("""
            from torch import nn

            encoder = (
                nn.Sequential(nn.Linear(4, 4), nn.ReLU())
                .half()
                .cuda("cuda:0")
                 ^^^^ MPS102
                .eval()
            )
            """),
        Example("""
            import torch

            class Clip(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.scale = torch.nn.Parameter(torch.ones(1).cuda())
                                                                  ^^^^ MPS102

            Clip()
            """),
        Example("""
            import torch

            mask = torch.zeros(2, 2)
            print("Maske «½» →", mask.bool().cuda(device=None).sum())
                                             ^^^^ MPS102
            """),
        Example("""
            import torch

            images, labels = [torch.zeros(2, 3), torch.zeros(2)]
            images, labels = images.cuda(), labels.cuda()
                                    ^^^^ MPS102
                                                   ^^^^ MPS102
            """),
        Example("""
            import argparse
            import torch

            parser = argparse.ArgumentParser()
            parser.add_argument("--gpu", action="store_true")
            args = parser.parse_args(["--gpu"])
            x = torch.zeros(2)
            if args.gpu:
                x = x.cuda()
                      ^^^^ MPS102
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Linear(2, 2).to(device)
            batch = torch.zeros(1, 2).to(device, non_blocking=device.type == "cuda")
            """),
        Example("""
            import torch

            model = torch.nn.Linear(2, 2)
            if torch.cuda.is_available():
                model.cuda()
            elif torch.backends.mps.is_available():
                model.to("mps")
            """),
        Example("""
            import torch

            criterion = torch.nn.CrossEntropyLoss().cuda()
            loss = criterion(torch.zeros(2, 3), torch.tensor([0, 1]))
            """),
        Example("""
            import torch

            class Window:
                def cuda(self):
                    return torch.version.cuda or "none"

            print(Window().cuda())
            """),
        Example("""
            import torch

            def on_gpu(x):
                try:
                    return x.cuda()
                except (AssertionError, RuntimeError):
                    return x.to(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")

            print(on_gpu(torch.ones(2)).is_cuda)
            """),
    ]

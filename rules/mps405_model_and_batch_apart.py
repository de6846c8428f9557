"""A model and its input, or two operands, are on different devices.

## Why it breaks on MPS
An operator wants all its tensors on one device; only one without dimensions may come from the CPU. Which error it is
depends on the operator and on who is where:

- linear: `Tensor for argument input is on cpu but expected on mps`, or `argument weight`
- convolution, input on the CPU: `slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0') must be on the
  same device`; weight on the CPU: `Input type (MPSFloatType) and weight type (torch.FloatTensor) should be the same`
- arithmetic: `Expected all tensors to be on the same device, but found at least two devices, mps:0 and cpu!`
- `a @ b`: `Tensor for argument #2 'mat2' is on CPU, but expected it to be on GPU (while checking arguments for mm)`
- `table[steps]`, the table on the CPU: `indices should be either on cpu or on the same device as the indexed tensor
  (cpu)`; indices from the CPU are fine everywhere
- MPSGraph operators: `Placeholder storage has not been allocated on MPS device!`; Metal kernels, since 2.6: `Passed CPU
  tensor to MPS op`

Each is a RuntimeError. As long as the program runs on the CPU nothing fails: it is the port that brings it out. A batch
that is moved only `if device == "cuda"` fails on MPS alone.

Reported only where one side may have been moved and the other certainly stands on the CPU. A tensor whose move was
dropped is reported there, as MPS403.

## Use instead
Put the model and all that it is given in one place:

    model.to(device)
    for images, masks in loader:
        loss = criterion(model(images.to(device)), masks.to(device))

and `device=x.device` for tensors made on the way. Runs on CUDA, MPS and the CPU.

## Fix safety
An input or an operand that stands on the CPU is moved to the device at hand, or to that of what it meets. Unsafe: only the
author knows on which of the two devices the work belongs. A model on the CPU and a table that is indexed are left alone.

## Sources
- Texts of torch 2.13, from `Linear.mm`, `MPSFallback.mm`, `OperationUtils.mm` (ATen, `native/mps`), `Convolution.cpp`,
  `TensorIterator.cpp`; for indices `TensorAdvancedIndexingUtils.h`. The text for linear exists since 2.4, before it was the Placeholder one.
- pytorch/pytorch#130790 and #123995: closed, a mistake of the program; pytorch/ignite#2977 (weights on the CPU).
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

_MESSAGES = {
    "input": "the model is on the device, this input on the CPU; move it: x = x.to(device)",
    "module": "the input is on the device, the model on the CPU; move it: model.to(device)",
    "operands": "one operand is on the device, the other on the CPU; move both to the same device",
    "index": "the indices are on the device, what they index on the CPU; move both to the same device",
}

_CONV_INPUT = Raises(RuntimeError, "slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0')")
_WEIGHT = Raises(RuntimeError, "Tensor for argument weight is on cpu but expected on mps")
_INDICES = Raises(RuntimeError, "indices should be either on cpu or on the same device as the indexed tensor (cpu)")
_OPERANDS = Raises(RuntimeError, "Expected all tensors to be on the same device")


class ModelAndBatchApart(Rule):
    code = "MPS405"
    name = "model-and-batch-apart"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("devices-meet")
    expect = Raises(RuntimeError, "Tensor for argument input is on cpu but expected on mps")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            place = event.node.func if isinstance(event.node, ast.Call) else event.node
            yield self.finding(facts.source.token(place), _MESSAGES[event.how], trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.together(facts, event)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Linear(3, 1).to(device)
            scores = model(torch.zeros(2, 3))
                     ^^^^^ MPS405
            """),
        Example("""
            import torch as th
            from torch.utils.data import DataLoader, TensorDataset

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            unet = th.nn.Conv2d(1, 1, 3, padding=1).to(device)
            loader = DataLoader(TensorDataset(th.zeros(2, 1, 8, 8), th.ones(2, 1, 8, 8)))
            for images, masks in loader:
                masks = masks.to(device)
                "Größe"; predicted = unet(images)
                                     ^^^^ MPS405
            """, expect=_CONV_INPUT),
        Example("""
            import torch

            def evaluate(model, features, device):
                features = features.to(device)
                with torch.no_grad():
                    return model(features)
                           ^^^^^ MPS405

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            evaluate(torch.nn.Linear(3, 1), torch.zeros(2, 3), device)
            """, expect=_WEIGHT),
        Example("""
            from torch import accelerator, arange, rand

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
            positions = arange(0, 8, 2)
            encoded = rand(4, device=gpu) + positions
                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS405
            """, expect=_OPERANDS),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            class Trainer:
                def __init__(self, device):
                    self.device = device
                    self.model = torch.nn.Linear(3, 1).to(self.device)
                    self.criterion = torch.nn.BCEWithLogitsLoss()
                    self.loader = DataLoader(TensorDataset(torch.zeros(2, 3), torch.ones(2, 1)))

                def fit(self):
                    for features, masks in self.loader:
                        logits = self.model(features.to(self.device))
                        self.criterion(logits, masks).backward()
                        ^^^^^^^^^^^^^^ MPS405

            Trainer(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu").fit()
            """, expect=_OPERANDS),
        Example("""
            import torch

            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            model, features = torch.nn.Linear(3, 1).to(device), torch.zeros(2, 3)
            if device == "cuda":
                features = features.cuda(non_blocking=True)
            scores = model(features)
                     ^^^^^ MPS405
            """),
    ]
    good = [
        Example("""
            import torch

            Base = vars(torch.nn)["Module"]  # a base that the file does not show

            class Head(Base):
                def __init__(self):
                    super().__init__()
                    self.scale = torch.nn.Buffer(torch.ones(3))
                    self.fc = torch.nn.Linear(3, 1)

                def score(self, x):
                    return self.fc(x.to(self.fc.weight.device) * self.scale)

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            Head().to(device).score(torch.zeros(2, 3))
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Linear(3, 1).to(device)
            criterion = torch.nn.BCEWithLogitsLoss()
            for features, masks in DataLoader(TensorDataset(torch.zeros(2, 3), torch.ones(2, 1))):
                features, masks = features.to(device), masks.to(device)
                criterion(model(features), masks).backward()
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Linear(3, 1).to(device)
            scores = model(torch.zeros(2, 3, device=device)).cpu()
            error = (scores - torch.ones(2, 1)).abs().mean()
            model.cpu()(torch.zeros(2, 3))
            """),
    ]

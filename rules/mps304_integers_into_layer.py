"""Integers are given to a layer whose weights are floating.

## Why it breaks on MPS
The pixels of an image, masks and counts are integers; `torch.from_numpy(image)` keeps uint8. A linear layer, a
convolution or a recurrent layer wants what its weights are, and MPS says so in words of its own:

    RuntimeError: Input type (MPSByteType) and weight type (MPSFloatType) should be the same
    RuntimeError: MPS device does not support linear for non-float inputs

The first is for convolutions without a bias; with one, PyTorch compares that first, on any device: `Input type (unsigned
char) and bias type (float) should be the same`. CUDA and the CPU fail on this too (`mat1 and mat2 must have the same dtype, but got Long
and Float`): it is no difference between devices, and wrong wherever it runs. It is reported because a port brings it
out: a cast that stood in a branch for CUDA, or in the type of a tensor (`torch.cuda.FloatTensor(image)`), is easily lost
on the way, and guides to porting name the cast as a standard step.

Under autocast the layer casts floats but not integers. `nn.Embedding` wants integers and is not meant.

## Use instead
Cast before the layer, on either device:

    features = model(torch.from_numpy(image).float().to(device))
    features = model(images.to(device, torch.float32) / 255)

Runs on CUDA, on MPS and on the CPU. Moving bytes and casting on the device, `images.to(device).float()`, copies a quarter
of the data.

## Fix safety
There is no automatic fix: integers often want a scale too (`/ 255`), which only the author knows.

## Sources
- pytorch/pytorch#88978 (convolution, seen on a Mac); `Linear.mm` in `aten/src/ATen/native/mps/operations`, text read from
  the library of torch 2.13. The text for the CPU: executed, torch 2.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

_LINEAR = Raises(RuntimeError, "MPS device does not support linear for non-float inputs")


class IntegersIntoLayer(Rule):
    code = "MPS304"
    name = "integers-into-layer"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = conflicts("integers-into-layer")
    expect = Raises(RuntimeError, "Input type (MPSByteType) and weight type (MPSFloatType) should be the same")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            message = f"the layer's weights are floats and its input is {event.how}, on any device; cast: x.float()"
            yield self.finding(facts.source.token(event.node.func), message, trail=event.trail)

    bad = [
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            conv = torch.nn.Conv2d(1, 4, 3).to(device)
            image = torch.from_numpy(np.zeros((1, 1, 8, 8), dtype=np.uint8))
            features = conv(image.to(device))
                       ^^^^ MPS304
            """, expect=Raises(RuntimeError, "Input type (unsigned char) and bias type (float) should be the same")),
        Example("""
            import torch as th

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            head = th.nn.Linear(4, 2).to(device)
            counts = th.randint(0, 9, (2, 4), device=device)
            "Größe"; scores = head(counts)
                              ^^^^ MPS304
            """, expect=_LINEAR),
        Example("""
            import torch
            import torch.nn.functional as F

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8, device=device)
            blurred = F.conv2d(
                      ^^^^^^^^ MPS304
                image,
                torch.ones(1, 1, 3, 3, device=device),
            )
            """),
        Example("""
            from torch import accelerator, arange, nn

            class Clock(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inner = nn.Linear(4, 8)

                def forward(self, x):
                    steps = arange(4, device=x.device).long()
                    return self.inner(steps) + x
                           ^^^^^^^^^^ MPS304

            device = accelerator.current_accelerator() or "cpu"
            Clock().to(device)(nn.Parameter(arange(8.0)).to(device))
            """, expect=_LINEAR),
    ]
    good = [
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            conv = torch.nn.Conv2d(1, 4, 3).to(device)
            image = torch.from_numpy(np.zeros((1, 1, 8, 8), dtype=np.uint8)).to(device)
            features = conv(image.float()) + conv(image / 255)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            embedding = torch.nn.Embedding(9, 4).to(device)
            tokens = torch.randint(0, 9, (2, 4), device=device)
            vectors = torch.nn.Linear(4, 2).to(device)(embedding(tokens))
            """),
        Example("""
            import torch
            import torch.nn.functional as F

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            labels = torch.randint(0, 3, (2, 8, 8), device=device)
            truth = F.one_hot(labels, 3).permute(0, 3, 1, 2).float()
            pooled = torch.nn.Conv2d(3, 1, 3).to(device)(truth)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            images = torch.zeros(2, 4, dtype=torch.uint8)
            if images.dtype == torch.uint8:
                images = images.float() / 255
            scores = torch.nn.Linear(4, 2).to(device)(images.to(device))
            """),
    ]

"""float64 that NumPy chose is moved to the device.

## Why it breaks on MPS
NumPy makes float64 unless told otherwise: `np.linspace`, `np.zeros`, `np.random.rand`, `np.loadtxt`, an 8-bit image
divided by 255, the mean of integers. `torch.from_numpy`, `torch.tensor` and `torch.as_tensor` keep that dtype, in
silence, and MPS has no float64:

    TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use
    float32 instead.

Nobody wrote float64, and on CUDA nobody noticed. The order of the calls decides: `.to(device).float()` fails,
`.float().to(device)` and `.to(device, torch.float32)` work.

Python's own floats are float32 in torch (`torch.tensor([1.0])`), but the floats that a dataset returns come out of the
DataLoader as float64.

## Use instead
Cast before the move, as early as you like:

    x = torch.from_numpy(image.astype(np.float32)).to(device)
    x = torch.from_numpy(image).float().to(device)
    x = torch.tensor(image, dtype=torch.float32, device=device)

All of these run on CUDA, on MPS and on the CPU.

## Fix safety
A cast to float32 goes before the move. Unsafe: where the tensor meets float32 weights it had to be cast anyway, and this
changes nothing but halves what is copied; where it stayed float64 on CUDA, results lose digits there too.

## Sources
- `aten/src/ATen/mps/EmptyTensor.cpp`, read from the library of torch 2.13; all releases, and pytorch/pytorch#122602
  calls it expected. Dtypes of `torch.tensor` and `default_collate`: executed, torch 2.13.
- Seen on Macs: Maratyszcza/PeachPy#122 (`np.loadtxt`, then `.to('mps')`, then `.float()`), thu-ml/tianshou#1237 (torch
  2.1 and 2.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class Float64FromNumpyMoved(Rule):
    code = "MPS302"
    name = "float64-from-numpy-moved"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("float64-moved")
    expect = Raises(TypeError, "MPS framework doesn't support float64")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event):
            return
        source = facts.source
        span = source.token(event.node) if event.how == "factory" else source.attribute(event.node)
        message = "NumPy made this float64, and MPS has none; cast to float32 before the move"
        yield self.finding(span, message, trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.cast_first(facts, event)

    bad = [
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            grid = torch.from_numpy(np.linspace(0, 1, 9)).to(device)
                                                          ^^ MPS302
            """),
        Example("""
            import numpy
            import torch as th

            device = th.device("cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu")
            print("Größe →", th.tensor(numpy.random.rand(4), device=device).numel())
                             ^^^^^^^^^ MPS302
            """),
        Example("""
            import numpy as np
            import torch

            def to_tensor(image, device):
                scaled = image / 255.0
                return torch.as_tensor(scaled).permute(2, 0, 1).unsqueeze(0).to(device=device).float()
                                                                             ^^ MPS302

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            to_tensor(np.zeros((8, 8, 3), dtype=np.uint8), device)
            """),
        Example("""
            from io import StringIO

            from numpy import loadtxt
            from torch import accelerator, from_numpy

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
            table = loadtxt(StringIO("0.5 1.5"))
            columns = (
                from_numpy(table)
                .reshape(2, 1)
                .to(gpu)
                 ^^ MPS302
                .float()
            )
            """),
        Example("""
            import numpy as np
            import torch

            class Noise:
                def __init__(self, device):
                    self.device = device
                    self.rng = np.random.default_rng(0)

                def sample(self, size):
                    values = self.rng.normal(size=size)
                    return torch.from_numpy(values).to(self.device)
                                                    ^^ MPS302

            Noise(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu").sample(3)
            """),
        Example("""
            import numpy as np
            import torch

            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            masks = [np.zeros((4, 4)), np.ones((4, 4))]
            for mask in masks:
                mask = torch.tensor(np.asarray(mask, dtype=float))
                mask = mask.to(device, non_blocking=True)
                            ^^ MPS302
            """),
    ]
    good = [
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            grid = torch.from_numpy(np.linspace(0, 1, 9).astype(np.float32)).to(device)
            """),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            image = np.zeros((8, 8), dtype=np.uint8) / 255.0
            x = torch.tensor(image).float().to(device)
            y = torch.from_numpy(image).to(device, torch.float32)
            z = torch.tensor(image, dtype=torch.float32, device=device)
            """),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            labels = torch.from_numpy(np.arange(4)).to(device)
            weights = torch.FloatTensor(np.random.rand(4)).to(device)
            scale = torch.tensor([1.0, 2.0]).to(device) * np.float64(0.5)
            """),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            truth = torch.from_numpy(np.random.rand(4))
            scores = torch.rand(4, device=device)
            error = (scores.cpu().double() - truth).abs().mean()
            """),
        Example("""
            import numpy as np
            import torch

            def load(values, device):
                x = torch.as_tensor(np.asarray(values, dtype=float))
                if x.dtype == torch.float64:
                    x = x.float()
                return x.to(device)

            load([0.5, 1.5], torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
    ]

"""float64 is asked for on the device.

## Why it breaks on MPS
Metal has no 64-bit floating point type, and so MPS has no float64. A tensor of that dtype cannot be made there, moved
there or be the result of an operation there:

    TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use
    float32 instead.

`dtype=torch.float64` beside `device=`, `.double()` on a tensor or a module on the device, `.to(device, torch.double)`,
`sum(dtype=torch.float64)`, and a tensor made float64 on the CPU and moved as it is: all end in that error. Where a copy
meets it the text begins `Cannot convert a float64 Tensor to MPS`.

float64 on the CPU is fine and not reported; nor is a cast that only other devices reach, as under
`if device.type != "mps":`.

## Use instead
float32, which is what deep learning needs nearly always:

    betas = torch.linspace(1e-4, 0.02, 1000, device=device)

Or do the step that needs the precision on the CPU, and move its result:

    alphas = torch.cumprod(1 - betas.cpu().double(), dim=0).float().to(device)

Both run on CUDA, on MPS and on the CPU.

## Fix safety
float32 takes the place of float64, where that is written. Unsafe: it has 7 decimal digits where float64 has 16, on CUDA too
once the code is changed. Sums over millions of values, cumulative products and rotary frequencies are where that shows.

## Sources
- pytorch/pytorch#122602: closed as expected behaviour, in all releases. The texts were read from the library of torch
  2.13: `aten/src/ATen/mps/EmptyTensor.cpp`, and `aten/src/ATen/native/mps/OperationUtils.mm` for copies.
- PyTorch's own tests expect `double` and `to` float64 to fail on MPS: `torch/testing/_internal/common_mps.py`.
- Seen on Macs: svc-develop-team/so-vits-svc#257 (`.double()`), bghira/SimpleTuner#1523 (position embeddings).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class Float64OnDevice(Rule):
    code = "MPS301"
    name = "float64-on-device"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("float64-requested", "float64-kept")
    expect = Raises(TypeError, "MPS framework doesn't support float64")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event):
            return
        is_method = event.node is getattr(facts.parent(event.node), "func", None)
        span = facts.source.attribute(event.node) if is_method else facts.source.token(event.node)
        yield self.finding(span, "MPS has no float64; use float32, or do this step on the CPU", trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.narrower(facts, event.node)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            overlap = torch.zeros(3, dtype=torch.float64, device=device)
                                           ^^^^^^^^^^^^^ MPS301
            """),
        Example("""
            import torch as th

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            print("Größe →", th.ones(2).to(device).double().sum())
                                                   ^^^^^^ MPS301
            """),
        Example("""
            from torch import accelerator, device, double, linspace

            def schedule(steps, place):
                return linspace(  # raises
                    1e-4,
                    0.02,
                    steps,
                    device=place,
                    dtype=double,
                          ^^^^^^ MPS301
                )

            schedule(10, accelerator.current_accelerator() or device("cpu"))
            """),
        Example("""
            import torch

            def mean_intensity(image, device):
                image = image.to(device)
                return image.mean(dtype=torch.float64)
                                        ^^^^^^^^^^^^^ MPS301

            mean_intensity(torch.rand(8, 8), torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
        Example("""
            import torch

            class Trainer:
                def __init__(self, device):
                    self.device = device
                    self.model = torch.nn.Linear(2, 2).to(device=self.device, dtype=torch.double)
                                                                                    ^^^^^^^^^^^^ MPS301

            Trainer(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
        Example("""
            import torch

            if torch.cuda.is_available():
                device = torch.device("cuda")
            else:
                device = torch.device("mps" if torch.backends.mps.is_available() else "cpu")
            weights = torch.tensor([0.1, 0.9], dtype=torch.float64)
            criterion = torch.nn.CrossEntropyLoss(weights.to(device))
                                                          ^^ MPS301
            """),
    ]
    good = [
        Example("""
            import torch

            class Evaluator:
                def __init__(self, device):
                    self.device = device
                    self.outputs = []

                def update(self, output):
                    self.outputs.append(output.to(self.device).cpu())

                def compute(self):
                    return _precision(torch.cat(self.outputs))

            def _share(output: torch.Tensor):
                return torch.zeros(len(output), dtype=torch.float64, device=output.device)

            def _precision(output: torch.Tensor):
                return _share(output).mean()

            evaluator = Evaluator(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            evaluator.update(torch.zeros(3))
            print(evaluator.compute())
            """),
        Example("""
            import torch
            import torch.distributed as dist

            def total(device, *counts):
                if not (dist.is_available() and dist.is_initialized()):
                    return sum(counts)
                summed = torch.tensor(counts, dtype=torch.float64, device=device)
                dist.all_reduce(summed)
                return summed.sum().item()

            print(total("cpu", 1, 2))
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            overlap = torch.zeros(3, dtype=torch.float64)
            scores = torch.rand(3, device=device)
            overlap += scores.cpu().double()
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            betas = torch.linspace(1e-4, 0.02, 10, dtype=torch.float64)
            alphas = torch.cumprod(1 - betas, dim=0).float().to(device)
            betas = betas.to(device, torch.float32)
            """),
    ]

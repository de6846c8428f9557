"""A dtype that MPS does not have.

## Why it breaks on MPS
Metal computes in 32 bits at most, and knows no 8-bit floats. Besides float64, complex128 and the float8 dtypes cannot be
made on MPS nor moved there:

    TypeError: Trying to convert ComplexDouble to the MPS backend but it does not have support for that dtype.

`torch.set_default_dtype(torch.float64)` makes float64 of every tensor and every layer that is made from then on without
a dtype of its own; the first of them that is made on the device, or moved there, fails:

    TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use
    float32 instead.

It is reported where the default is set, in files that put something on a device. complex64, float16 and bfloat16 work
(complex64 since torch 2.3 on macOS 14, bfloat16 since 2.3 on macOS 14). On the CPU all of these dtypes are fine, and
`torch.empty` is not reported: it is what fills the memory that fails.

## Use instead
complex64 for complex128, float16 or bfloat16 for float8, and float32 for the default. Where the precision is needed, take
that step to the CPU:

    spectrum = torch.fft.rfft2(image.cpu().double()).to(torch.complex64).to(device)

All of these run on CUDA, on MPS and on the CPU.

## Fix safety
complex64 takes the place of complex128, and float32 that of a default of float64. Unsafe: complex64 has 7 decimal digits
where complex128 has 16, on CUDA too once the code is changed. float8 is left to the author: weights stored as float16 take
twice its memory.

## Sources
- `getMPSDataType` in `aten/src/ATen/native/mps/OperationUtils.mm` and `aten/src/ATen/mps/EmptyTensor.cpp`; texts read from
  the library of torch 2.13. In all releases; float64 is the expected limitation of pytorch/pytorch#122602.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

_INSTEAD = {"complex128": "use complex64, or do this step on the CPU", "float8": "use float16 or bfloat16"}

_COMPLEX = Raises(TypeError, "Trying to convert ComplexDouble to the MPS backend but it does not have support for that dtype")
_FLOAT8 = Raises(TypeError, "to the MPS backend but it does not have support for that dtype")
_FLOAT64 = Raises(TypeError, "MPS framework doesn't support float64")


class UnsupportedDtype(Rule):
    code = "MPS303"
    name = "unsupported-dtype"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("unsupported-dtype", "float64-default")
    expect = _COMPLEX

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event):
            return
        source = facts.source
        if event.kind == "float64-default":
            message = "float64 becomes the default dtype, and MPS has none; leave the default float32"
            yield self.finding(source.token(event.node.func), message)
            return
        is_method = event.node is getattr(facts.parent(event.node), "func", None)
        span = source.attribute(event.node) if is_method else source.token(event.node)
        yield self.finding(span, f"MPS has no {event.how}; {_INSTEAD[event.how]}", trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        if event.kind == "float64-default":
            return tensors.default_dtype(facts, event.node)
        if event.how != "complex128":
            raise edits.NoFix("which dtype of 16 bits is wanted is the author's to say")
        return tensors.narrower(facts, event.node, "complex64")

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            kernel = torch.zeros(3, 2, dtype=torch.complex128, device=device)
                                             ^^^^^^^^^^^^^^^^ MPS303
            """),
        Example("""
            import torch as th

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            signal = th.ones(4, device=device)
            "Größe"; spectrum = signal.to(th.cdouble)
                                          ^^^^^^^^^^ MPS303
            """),
        Example("""
            import torch

            torch.set_default_dtype(torch.float64)
            ^^^^^^^^^^^^^^^^^^^^^^^ MPS303
            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            grid = torch.linspace(0, 1, 9, device=device)  # raises
            """, expect=_FLOAT64),
        Example("""
            from torch import accelerator, float8_e4m3fn, nn

            class Quantizer:
                def __init__(self, device):
                    self.device = device

                def weight(self, layer):
                    small = layer.weight.detach().to(
                        device=self.device,
                        dtype=float8_e4m3fn,
                              ^^^^^^^^^^^^^ MPS303
                    )
                    return small

            Quantizer(accelerator.current_accelerator() or "cpu").weight(nn.Linear(2, 2))
            """, expect=_FLOAT8),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            phases = torch.ones(4, dtype=torch.complex128)
            phases = phases.to(device)
                            ^^ MPS303
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            kernel = torch.zeros(3, 2, dtype=torch.complex64, device=device)
            phases = torch.ones(4, dtype=torch.complex128).abs().float().to(device)
            """),
        Example("""
            import torch

            torch.set_default_dtype(torch.float32)
            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            spectrum = torch.fft.rfft(torch.rand(8, device=device).cpu().double()).to(torch.complex64).to(device)
            """),
        Example("""
            import torch

            torch.set_default_dtype(torch.float64)
            grid = torch.linspace(0, 1, 9)
            print(torch.linalg.inv(torch.eye(3)) @ torch.ones(3, 2), grid.numel())
            """),
        Example("""
            import torch

            def kernel(size, device):
                dtype = torch.complex64 if device.type == "mps" else torch.complex128
                return torch.zeros(size, dtype=dtype, device=device)

            kernel(3, torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
    ]

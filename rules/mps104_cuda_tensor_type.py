"""A tensor type of CUDA is made, cast to, or set as the default.

## Why it breaks on MPS
`torch.cuda.FloatTensor` and its kin exist as names in every build, but only a CUDA build can make such tensors. They
are older than `device=` and have no counterpart for MPS: there is no `torch.mps.FloatTensor`.

- `torch.cuda.FloatTensor(2)`, `torch.cuda.LongTensor([1])`:
  `TypeError: type torch.cuda.FloatTensor not available. Torch not compiled with CUDA enabled.`
- `torch.set_default_tensor_type("torch.cuda.FloatTensor")`: the same, after a warning that it is deprecated.
- `x.type(torch.cuda.FloatTensor)`, `x.type("torch.cuda.FloatTensor")`:
  `RuntimeError: Cannot initialize CUDA without ATen_cuda library. ...`

Naming such a type does no harm. `isinstance(x, torch.cuda.FloatTensor)` and `x.type() == "torch.cuda.FloatTensor"` are
False on a Mac, without an error.

## Use instead
Say dtype and device, each by its own name:

    x = torch.tensor([1.0, 2.0], device=device)             # was torch.cuda.FloatTensor([1.0, 2.0])
    x = torch.empty(2, 3, device=device)                    # was torch.cuda.FloatTensor(2, 3)
    x = x.to(device, torch.float32)                         # was x.type(torch.cuda.FloatTensor)
    torch.set_default_device(device)                        # was torch.set_default_tensor_type(...)

For `torch.cuda.DoubleTensor` take `torch.float32` as well: MPS has no float64.

## Fix safety
`FloatTensor(3)` makes three uninitialised numbers and `FloatTensor([3])` makes the number 3, so there is a fix only where
the argument shows which is meant, and for casts. Unsafe: the device at hand may be another, DoubleTensor becomes float32,
and a default device moves more than a default tensor type does.

## Sources
- torch 2.13, executed on the CPU build; no release is known to differ. Type calls and the default type are refused in
  `torch/csrc/tensor/python_tensor.cpp`, casts in `aten/src/ATen/detail/CUDAHooksInterface.h`.
- `torch.set_default_tensor_type` is deprecated since 2.1, `torch.set_default_device` exists since 2.0.
- Seen: yenchenlin/nerf-pytorch#48, visual-openllm/visual-openllm#42 (a Mac).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

# The dtype to write instead; float64 is no dtype of MPS.
_DTYPES = {
    "BFloat16Tensor": "bfloat16", "BoolTensor": "bool", "ByteTensor": "uint8", "CharTensor": "int8",
    "DoubleTensor": "float32", "FloatTensor": "float32", "HalfTensor": "float16", "IntTensor": "int32",
    "LongTensor": "int64", "ShortTensor": "int16",
}
_TYPES = {f"torch.cuda.{name}": f"torch.{dtype}" for name, dtype in _DTYPES.items()}
_INSTEAD = {
    "called": "torch.tensor(..., dtype={}, device=device)", "cast": ".to(device, {})",
    "default": "torch.set_default_device(device)",
}
_CAST = Raises(RuntimeError, "Cannot initialize CUDA without ATen_cuda library.", same_on_linux=True)


class CudaTensorType(Rule):
    code = "MPS104"
    name = "cuda-tensor-type"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("cuda-type")
    expect = Raises(TypeError, "Tensor not available. Torch not compiled with CUDA enabled.", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if (dtype := _TYPES.get(event.detail)) is not None:
            message = f"{event.detail} needs CUDA; write {_INSTEAD[event.how].format(dtype)}"
            yield self.finding(facts.source.token(event.node), message)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.of_cuda_type(facts, event)

    bad = [
        Example("""
            import torch

            noise = torch.cuda.FloatTensor(2, 3).normal_()
                    ^^^^^^^^^^^^^^^^^^^^^^ MPS104
            """),
        Example("""
            from torch import cuda

            labels = cuda.LongTensor([0, 1])
                     ^^^^^^^^^^^^^^^ MPS104
            """),
        Example("""
            import torch

            torch.set_default_tensor_type("torch.cuda.FloatTensor")
                                          ^^^^^^^^^^^^^^^^^^^^^^^^ MPS104
            """),
        Example("""
            import torch

            torch.set_default_tensor_type(torch.cuda.HalfTensor)
                                          ^^^^^^^^^^^^^^^^^^^^^ MPS104
            """),
        Example("""
            import torch

            image = torch.zeros(1, 3, 8, 8)
            image = image.type(torch.cuda.FloatTensor)
                               ^^^^^^^^^^^^^^^^^^^^^^ MPS104
            """, expect=_CAST),
        Example("""
            import torch

            def to_mask(scores):
                return (scores > 0).type(dtype='torch.cuda.ByteTensor')
                                               ^^^^^^^^^^^^^^^^^^^^^^^ MPS104

            to_mask(torch.zeros(4))
            """, expect=_CAST),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            noise = torch.randn(2, 3, device=device)
            labels = torch.tensor([0, 1], dtype=torch.int64, device=device)
            """),
        Example("""
            import torch

            def describe(x):
                if isinstance(x, torch.cuda.FloatTensor) or x.type() == "torch.cuda.HalfTensor":
                    return "a CUDA tensor"
                return x.type()

            print(describe(torch.zeros(2)))
            """),
        Example("""
            import torch

            def mean(x: torch.cuda.FloatTensor) -> "torch.cuda.FloatTensor":
                return x.mean()

            print(mean(torch.zeros(2)))
            """),
        Example("""
            import torch

            image = torch.FloatTensor([0.5, 1.0])
            image = image.type("torch.IntTensor").type(torch.float16)
            """),
        Example("""
            import torch

            def can_make_cuda_tensors():
                try:
                    torch.cuda.FloatTensor(1)
                except TypeError:
                    return False
                return True

            print(can_make_cuda_tensors())
            """),
    ]

"""Moving tensors between host and GPU: ``.to`` in every form, ``.cpu``, ``.cuda``, and what leaves for NumPy."""

from __future__ import annotations

from typing import Any

import torch

from . import dtypes, tags
from .machines import active
from .refusals import NUMPY, NotEmulated
from .tags import BASE


class ToCopy(torch.autograd.Function):
    """A copy to the GPU (``name``) or to the host (None). The gradient is copied back to where the original was."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, name, dtype, memory_format):
        with tags.unseen():
            copy = BASE.to(x.detach(), dtype=dtype or x.dtype, copy=True, memory_format=memory_format)
        tags.put(copy, name)
        return copy

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, *_ = inputs
        ctx.origin = tags.name_of(x), x.dtype

    @staticmethod
    def backward(ctx, gradient):
        return copied(gradient, *ctx.origin), None, None, None


def copied(
    x: torch.Tensor, name: str | None, dtype: torch.dtype | None = None, memory_format: Any = None
) -> torch.Tensor:
    """A copy that lives on the device of that name."""
    if name:
        dtypes.check_move(dtype or x.dtype)
    return ToCopy.apply(x, name, dtype, memory_format or torch.preserve_format)


def to(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """``Tensor.to``, with the arguments that torch takes."""
    machine = active()
    device, dtype, memory_format, copy = _parsed(args, kwargs)
    here = tags.name_of(self)
    if device is not None and device.type not in ("cpu", machine.kind):
        return BASE.to(self, device)
    there = here if device is None else machine.name if device.type == machine.kind else None
    if there != here:
        return copied(self, there, dtype, memory_format)
    if there and dtype not in (None, self.dtype):
        dtypes.check_cast(dtype)
    return BASE.to(self, dtype=dtype or self.dtype, copy=copy, memory_format=memory_format or torch.preserve_format)


def _parsed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.device | None, torch.dtype | None, Any, bool]:
    """Device, dtype, memory format and copy of ``to(device, dtype)``, ``to(dtype)`` and ``to(other)``."""
    machine, kwargs, args = active(), dict(kwargs), list(args)
    copy = kwargs.pop("copy", False)
    other = kwargs.pop("other", None)
    if args and isinstance(args[0], torch.Tensor):
        other = args.pop(0)
    if len([value for value in args if isinstance(value, bool)]) == 2:
        copy = args.pop()
    if other is not None:
        return other.device, other.dtype, kwargs.get("memory_format"), bool(copy)
    if "device" in kwargs:
        kwargs["device"] = machine.resolved(kwargs["device"])
    elif args and isinstance(args[0], str | torch.device | int):
        args[0] = machine.resolved(args[0])
    device, dtype, _, memory_format = torch._C._nn._parse_to(*args, **kwargs)
    return device, dtype, memory_format, bool(copy)


def cpu(self: torch.Tensor, memory_format: Any = torch.preserve_format) -> torch.Tensor:
    return to(self, "cpu", memory_format=memory_format)


def cuda(self: torch.Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> torch.Tensor:
    target = active().device_of_cuda_method(device)
    if not active().means_gpu(target):
        return BASE.cuda(self, target)
    return to(self, target, memory_format=memory_format) if memory_format else to(self, target)


def to_numpy(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """``Tensor.numpy``; with ``force=True`` torch copies to the host itself."""
    if (name := tags.name_of(self)) is None:
        return BASE.numpy(self, *args, **kwargs)
    if kwargs.get("force") or (args and args[0]):
        return BASE.numpy(cpu(self.detach()), force=True)
    if self.requires_grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    raise NUMPY.error(device=name)


def to_type(self: torch.Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """``Tensor.type``: the name of the type, or a cast; a legacy type such as ``torch.FloatTensor`` names the host."""
    here = tags.name_of(self)
    if dtype is None:
        with tags.unseen():
            name = BASE.type(self)
        return name.replace("torch.", f"torch.{here.split(':')[0]}.", 1) if here else name
    if isinstance(dtype, torch.dtype):
        return to(self, dtype)
    name = dtype if isinstance(dtype, str) else f"{dtype.__module__}.{dtype.__name__}"
    machine = active()
    kind = name.split(".")[1] if name.count(".") == 2 else "cpu"
    if kind not in ("cpu", machine.kind, "cuda") or (kind == "cuda" and not machine.means_gpu(kind)):
        return BASE.type(self, dtype)
    with tags.unseen():
        wanted = BASE.type(torch.empty(0), "torch." + name.split(".")[-1]).dtype
    return to(self, "cpu" if kind == "cpu" else machine.device, wanted)


def to_dlpack_capsule(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """``Tensor.__dlpack__``: a capsule of the GPU's memory cannot be made here, for nobody could read it."""
    if tags.name_of(self):
        raise NotEmulated("DLPack of a tensor on the GPU, other than torch.from_dlpack(tensor)")
    return _DLPACK(self, *args, **kwargs)


_DLPACK = torch.Tensor.__dlpack__


def from_dlpack(exporter: Any, /, **kwargs: Any) -> torch.Tensor:
    """``torch.from_dlpack``: a tensor that shares the memory of another one, on any device."""
    if isinstance(exporter, torch.Tensor) and tags.name_of(exporter):
        with tags.unseen():
            return exporter.detach()
    return _FROM_DLPACK(exporter, **kwargs)


_FROM_DLPACK = torch.from_dlpack

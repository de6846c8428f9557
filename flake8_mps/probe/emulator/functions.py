"""What the Python side of torch is called with, seen before C++ refuses a device that it was not built for.

A call of a user's is told apart from what C++ calls inside it: a tensor that C++ makes out of nothing belongs to the
GPU if the call around it had a tensor there and no ``device=``.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device

from . import autocast, checks, generators, moves, tags
from .machines import IN_CPLUSPLUS, Machine
from .refusals import PINNED, NotEmulated
from .tags import BASE

FROM_DATA = (torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor, BASE.new_tensor, BASE.new)
"""These make a tensor of what Python holds, in one step that no dispatch mode sees."""
HOST_RESULTS = {torch._pad_packed_sequence: 1}
"""Results, by number, that C++ makes on the host whatever the arguments are."""
ON_GPU, ON_HOST, OUT_OF_NOTHING = "gpu", "host", "nothing"


class Functions(TorchFunctionMode):
    """One a thread. Functions with a Python body are entered again, so that their own calls are seen too."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def __torch_function__(self, func: Callable, types_: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if isinstance(func, types.FunctionType):
            return self._python(func, types_, args, kwargs)
        _default_device(func, kwargs)
        on_gpu = _resolve_device(self.machine, kwargs)
        found = tags.tensors(args, kwargs)
        gpu = any(tags.name_of(tensor) for tensor in found)
        checks.before_call(self.machine, func, args, kwargs, gpu)
        if "generator" in kwargs and not found:
            generators.check(self.machine, kwargs["generator"], on_gpu, func.__name__)
        _pinned(self.machine, kwargs)
        if on_gpu and func is torch._C._nested.nested_tensor:
            raise NotEmulated("nested tensors")
        if func in FROM_DATA and (made := self._from_data(func, args, kwargs, gpu, on_gpu)) is not None:
            return made
        return self._native(func, args, kwargs, gpu, bool(found))

    def _python(self, func: Callable, types_: Any, args: tuple, kwargs: dict) -> Any:
        entered = self.machine.calls.__dict__.setdefault("entered", [])
        if entered and entered[-1] is func:
            return func(*args, **kwargs)  # the hop was used up by a decorator around the body
        entered.append(func)
        outer, self.machine.calls.kind = getattr(self.machine.calls, "kind", None), None
        try:
            with self:
                return torch._C._skip_one_hop_torch_function(func, types_, args, kwargs)
        finally:
            self.machine.calls.kind = outer
            entered.pop()

    def _native(self, func: Callable, args: tuple, kwargs: dict, gpu: bool, any_tensor: bool) -> Any:
        calls = self.machine.calls
        outer, around = getattr(calls, "kind", None), getattr(calls, "function", None)
        calls.function = around or func
        no_device = kwargs.get("device") is None
        calls.kind = ON_GPU if gpu and no_device else ON_HOST if any_tensor else OUT_OF_NOTHING
        try:
            with autocast.of_the_host_off() if gpu and torch.is_autocast_enabled("cpu") else contextlib.nullcontext():
                out = func(*args, **kwargs)
        finally:
            calls.kind, calls.function = outer, around
        if gpu and func in HOST_RESULTS:
            tags.put(out[HOST_RESULTS[func]], None)
        return out

    def _from_data(self, func: Callable, args: tuple, kwargs: dict, gpu: bool, on_gpu: bool) -> torch.Tensor | None:
        """A tensor on the GPU; None where this is none of the GPU's business."""
        like_self = func in (BASE.new_tensor, BASE.new) and kwargs.get("device") is None and gpu
        if not on_gpu and not like_self:
            if gpu and kwargs.get("device") is not None and args and isinstance(args[0], torch.Tensor):
                args = (moves.cpu(args[0]), *args[1:])
                return func(*args, **kwargs)
            return None
        requires_grad = kwargs.pop("requires_grad", False)
        kwargs["device"] = "cpu"
        if func is torch.as_tensor and args and isinstance(args[0], torch.Tensor) and gpu:
            return moves.to(args[0], self.machine.device, kwargs.get("dtype") or args[0].dtype)
        with tags.unseen():
            made = func(*args, **kwargs)
        return moves.copied(made, self.machine.name).requires_grad_(requires_grad)


def _default_device(func: Callable, kwargs: dict) -> None:
    """``torch.set_default_device`` and ``with torch.device(...)`` answer only after C++ has read the arguments."""
    if _device.CURRENT_DEVICE is not None and kwargs.get("device") is None and func in _device._device_constructors():
        kwargs["device"] = _device.CURRENT_DEVICE


def _resolve_device(machine: Machine, kwargs: dict) -> bool:
    device = kwargs.get("device")
    if not machine.means_gpu(device):
        if not machine.is_mac and device is not None and torch.device(device).type == "mps":
            raise RuntimeError("PyTorch is not linked with support for mps devices")
        return False
    machine.resolved(kwargs["device"])
    kwargs["device"] = IN_CPLUSPLUS
    if any(map(tags.name_of, tags.tensors(kwargs.get("out")))):
        del kwargs["device"]  # C++ compares it with the tensor that is written to, which it holds for the host's
    return True


def _pinned(machine: Machine, kwargs: dict) -> None:
    if kwargs.get("pin_memory"):
        if machine.is_mac:
            raise PINNED.error()
        kwargs["pin_memory"] = False

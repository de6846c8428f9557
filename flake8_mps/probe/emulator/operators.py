"""What aten is asked to do: every result is named after its device, and what the machine cannot do is refused."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch._library.custom_ops import OPDEFS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from . import checks, dtypes, generators, kernels, tags
from .functions import ON_GPU, ON_HOST, Functions
from .machines import IN_CPLUSPLUS, Machine

WIDE = (torch.float64, torch.complex128)
HOST_OUTPUTS = {"_pack_padded_sequence": 1}
"""Outputs, by number, that live on the host whatever the others do."""


class Operators(TorchDispatchMode):
    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Dynamo does not skip the frames that run under this mode."""
        return True

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        found = tags.tensors(args, kwargs)
        gpu = [tensor for tensor in found if tags.name_of(tensor)]
        name = func.overloadpacket.__name__
        if gpu:
            checks.before_operator(self.machine, func, name, args, kwargs, found)
        number = kwargs.get("device") is None or kwargs["device"] != IN_CPLUSPLUS
        number = number and all(tensor.dtype in WIDE for tensor in gpu)  # C++ makes numbers that no kernel ever gets
        target = self._lives_on_gpu(kwargs, found, gpu)
        if found:
            self.machine.calls.node_on_gpu = bool(gpu)
        fallback = target and kernels.check(self.machine, func, kwargs, found)
        if not target:
            _to_the_host(kwargs, self.machine)
        out = self._run(func, args, kwargs, target, gpu)
        if self.machine.record is not None:
            self.machine.record.add(_short(func), self.machine.name if target or gpu else "cpu", fallback)
        return self._named(name, out, found, number) if target else out

    def _lives_on_gpu(self, kwargs: dict, found: list, gpu: list) -> bool:
        """Whether the results belong to the GPU: by ``device=``, by the arguments, or by the call around."""
        kind = getattr(self.machine.calls, "kind", None)
        device = kwargs.get("device")
        if device == IN_CPLUSPLUS or self.machine.means_gpu(device):
            kwargs["device"] = torch.device("cpu")
            return True
        if found:
            return bool(gpu) and not (device is not None and kind == ON_HOST)
        if kind is None:
            return torch._C._current_autograd_node() is not None and getattr(self.machine.calls, "node_on_gpu", False)
        return kind == ON_GPU

    def _run(self, func: Any, args: tuple, kwargs: dict, target: bool, gpu: list) -> Any:
        if not generators.draws(func) or not (target or gpu):
            return self._below(func, args, kwargs)
        generator = next((one for one in (*args, *kwargs.values()) if isinstance(one, torch._C.Generator)), None)
        generators.check(self.machine, generator, True)
        stream = contextlib.nullcontext() if generator is not None else generators.gpus_stream(self.machine)
        with stream:
            return self._below(func, args, kwargs)

    def _below(self, func: Any, args: tuple, kwargs: dict) -> Any:
        """The operator itself, as no call of the user's; but the body of a user's own operator is the user's."""
        defined = OPDEFS.get(func._schema.name)
        if defined is not None:
            body = defined._backend_fns.get(self.machine.kind) or defined._backend_fns.get(None)
            if body is not None:
                with Operators(self.machine), Functions(self.machine):
                    return body(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return func(*args, **kwargs)

    def _named(self, operator: str, out: Any, arguments: list[torch.Tensor], number: bool) -> Any:
        """Results belong to the GPU; an argument that was written to and is returned stays where it was."""
        kept = HOST_OUTPUTS.get(operator)
        if kept is not None:
            return tuple(one if place == kept else self._name(one) for place, one in enumerate(out))
        written = {id(tensor) for tensor in arguments}
        return tree_map_only(torch.Tensor, lambda one: one if id(one) in written else self._name(one, number), out)

    def _name(self, tensor: torch.Tensor, number: bool = False) -> torch.Tensor:
        if tags.name_of(tensor) is None:
            differentiating = torch._C._current_autograd_node() is not None  # the CPU accumulates in float64 there
            if (tensor.dim() or not number) and not differentiating:
                dtypes.check_birth(tensor.dtype)
            tags.put(tensor, self.machine.name)
        return tensor


def _to_the_host(kwargs: dict, machine: Machine) -> None:
    if machine.means_gpu(kwargs.get("device")):
        kwargs["device"] = torch.device("cpu")


def _short(func: Any) -> str:
    overload = func._overloadname
    return func.overloadpacket.__name__ + ("" if overload == "default" else f".{overload}")

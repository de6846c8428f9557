"""What aten is asked to do: every result is named after its device, and what the machine cannot do is refused."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from . import checks, dtypes, generators, kernels, tags
from .functions import ON_GPU, ON_HOST
from .machines import Machine

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
        target = self._lives_on_gpu(kwargs, found, gpu)
        if found:
            self.machine.calls.node_on_gpu = bool(gpu)
        fallback = bool(target) and kernels.check(self.machine, func, args)
        if not target:
            _to_the_host(kwargs, self.machine)
        out = self._run(func, args, kwargs, target, gpu)
        if self.machine.record is not None:
            self.machine.record.add(_short(func), self.machine.name if target or gpu else "cpu", fallback)
        return self._named(name, out) if target else out

    def _lives_on_gpu(self, kwargs: dict, found: list, gpu: list) -> bool:
        """Whether the results belong to the GPU: by ``device=``, by the arguments, or by the call around."""
        kind = getattr(self.machine.calls, "kind", None)
        device = kwargs.get("device")
        if self.machine.means_gpu(device):
            kwargs["device"] = torch.device("cpu")
            return True
        if found:
            return bool(gpu) and not (device is not None and kind == ON_HOST)
        if kind is None:
            return torch._C._current_autograd_node() is not None and getattr(self.machine.calls, "node_on_gpu", False)
        return kind == ON_GPU

    def _run(self, func: Any, args: tuple, kwargs: dict, target: bool, gpu: list) -> Any:
        if not generators.draws(func) or not (target or gpu):
            return func(*args, **kwargs)
        generator = next((one for one in (*args, *kwargs.values()) if isinstance(one, torch._C.Generator)), None)
        generators.check(self.machine, generator, True)
        stream = contextlib.nullcontext() if generator is not None else generators.gpus_stream(self.machine)
        with stream:
            return func(*args, **kwargs)

    def _named(self, operator: str, out: Any) -> Any:
        kept = HOST_OUTPUTS.get(operator)
        if kept is not None:
            return tuple(one if number == kept else self._name(one) for number, one in enumerate(out))
        return tree_map_only(torch.Tensor, self._name, out)

    def _name(self, tensor: torch.Tensor) -> torch.Tensor:
        if tags.name_of(tensor) is None:
            if tensor.dim():  # C++ makes numbers of float64 that it never hands to a kernel
                dtypes.check_birth(tensor.dtype)
            tags.put(tensor, self.machine.name)
        return tensor


def _to_the_host(kwargs: dict, machine: Machine) -> None:
    if machine.means_gpu(kwargs.get("device")):
        kwargs["device"] = torch.device("cpu")


def _short(func: Any) -> str:
    overload = func._overloadname
    return func.overloadpacket.__name__ + ("" if overload == "default" else f".{overload}")

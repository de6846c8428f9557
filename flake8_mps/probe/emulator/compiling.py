"""torch.compile: Dynamo traces as if the modes were not there; its graphs, and what is between them, run under both.

A graph runs operator by operator, as with ``backend="eager"``: what Inductor would make of it for Metal is not shown.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch._dynamo import trace_rules
from torch._dynamo.variables.torch_function import SymbolicTorchFunctionState

from .functions import Functions
from .machines import Machine
from .patches import DEVICE_TYPES, Patches
from .refusals import NotEmulated

_REGISTRY = "_ZN3c104impl26device_guard_impl_registryE"
_META = 14
"""The number of the meta device in c10/core/DeviceType.h."""
_KEPT = ("fullgraph", "dynamic")


def traced(patches: Patches, machine: Machine) -> None:
    """Puts ours in the place of ``torch.compile`` and ``Module.compile``."""
    trace_rules.add(__package__)
    compile_ = torch.compile
    symbolic = SymbolicTorchFunctionState.__init__

    def compiled(model: Any = None, **kwargs: Any) -> Any:
        if model is None:
            return lambda one: compiled(one, **kwargs)
        _guard_devices(patches, machine)
        return compile_(model, **_checked(kwargs))

    def module_compile(self: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        self._compiled_call_impl = compiled(self._call_impl, *args, **kwargs)

    def without_ours(self: Any, py_stack: Iterable[Any], skip_next: bool) -> None:
        symbolic(self, [mode for mode in py_stack if not isinstance(mode, Functions)], skip_next)

    patches.set(torch, "compile", functools.wraps(compile_)(compiled))
    patches.set(torch.nn.Module, "compile", module_compile)
    patches.set(SymbolicTorchFunctionState, "__init__", without_ours)


def _checked(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What is handed on to Dynamo. A backend that torch does not know is refused by torch itself."""
    backend = kwargs.get("backend", "inductor")
    if isinstance(backend, str):
        torch._dynamo.lookup_backend(backend)
    return {"backend": "eager"} | {name: kwargs[name] for name in _KEPT if name in kwargs}


def _guard_devices(patches: Patches, machine: Machine) -> None:
    """Lets C++ hold tensors of the GPU that have no data, as Dynamo makes them, by the guard of the meta device.

    Without a guard it ends the process. Undone when the machine is turned off.
    """
    library = next((Path(torch.__file__).parent / "lib").glob("libc10.*"))
    try:
        registry = (ctypes.c_void_p * (_META + 1)).in_dll(ctypes.CDLL(str(library)), _REGISTRY)
    except (OSError, ValueError) as error:
        raise NotEmulated(f"torch.compile: {error}") from error
    number = DEVICE_TYPES[machine.kind]
    if registry[number] is None:
        registry[number] = registry[_META]
        patches.callback(registry.__setitem__, number, None)

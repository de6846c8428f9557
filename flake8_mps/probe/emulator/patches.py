"""What torch says of itself on the emulated machine. Every patch is undone when the machine is turned off."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch

from . import generators, moves, tags
from .functions import Functions
from .machines import Machine, active
from .operators import Operators
from .refusals import PINNED, SHARED_STORAGE
from .tags import BASE

_DEVICE = BASE.device
_STORAGE_DEVICE = torch._C.StorageBase.device
_STORAGE_CUDA, _STORAGE_TO = torch.UntypedStorage.cuda, torch.UntypedStorage.to
_MISSING = object()


class Patches(contextlib.ExitStack):
    """Attributes that are replaced until the end of a ``with`` statement."""

    def set(self, owner: Any, name: str, value: Any) -> None:
        before = vars(owner).get(name, _MISSING)
        self.callback(_restore, owner, name, before)
        setattr(owner, name, value)

    def set_all(self, owner: Any, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.set(owner, name, value)


def _restore(owner: Any, name: str, before: Any) -> None:
    if before is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, before)


def tensors(patches: Patches) -> None:
    """``torch.Tensor`` and storages: where they are, and how they move."""
    tensor, storage = torch.Tensor, torch.UntypedStorage
    array, share, cpu_storage = tensor.__array__, storage.share_memory_, storage.cpu
    patches.set_all(tensor, {
        "device": property(device_of), "is_mps": property(lambda self: _kind(self) == "mps"),
        "is_cuda": property(lambda self: _kind(self) == "cuda"), "is_cpu": property(_is_cpu),
        "get_device": lambda self: -1 if tags.name_of(self) is None else 0,
        "to": moves.to, "type_as": lambda self, other: moves.to(self, other), "cpu": moves.cpu, "cuda": moves.cuda, "numpy": moves.to_numpy, "type": moves.to_type,
        "__array__": lambda self, *args, **kwargs: (
            moves.to_numpy(self) if tags.name_of(self) else array(self, *args, **kwargs)
        ),
        "__dlpack__": moves.to_dlpack_capsule, "pin_memory": _pin_memory, "is_pinned": lambda self, device=None: False,
    })  # fmt: skip
    patches.set(torch, "from_dlpack", moves.from_dlpack)
    patches.set(torch.utils.dlpack, "from_dlpack", moves.from_dlpack)
    patches.set_all(storage, {
        "device": property(lambda self: _named(tags.name_of_storage(self)) or _STORAGE_DEVICE.__get__(self)),
        "is_cuda": property(lambda self: (tags.name_of_storage(self) or "").startswith("cuda")),
        "mps": lambda self: _storage_moved(self, "mps"), "cuda": _storage_cuda,
        "cpu": lambda self: _storage_copied(self, None) if tags.name_of_storage(self) else cpu_storage(self),
        "to": _storage_to,
        "share_memory_": lambda self, *args, **kwargs: _share(self, share, args, kwargs),
    })  # fmt: skip
    patches.set(torch, "Generator", generators.Generator)


def device_of(self: torch.Tensor) -> torch.device:
    return _named(tags.name_of(self)) or _DEVICE.__get__(self)


def _named(name: str | None) -> torch.device | None:
    return torch.device(name) if name else None


def _kind(tensor: torch.Tensor) -> str:
    return (tags.name_of(tensor) or "cpu").split(":")[0]


def _is_cpu(self: torch.Tensor) -> bool:
    return tags.name_of(self) is None and _DEVICE.__get__(self).type == "cpu"


def _pin_memory(self: torch.Tensor, device: Any = None) -> torch.Tensor:
    if active().is_mac:
        raise PINNED.error()
    return self.clone()


def _storage_copied(held: torch.UntypedStorage, name: str | None) -> torch.UntypedStorage:
    return tags.put_storage(torch.UntypedStorage(held.nbytes()).copy_(held, False), name)


def _storage_moved(held: torch.UntypedStorage, kind: str) -> torch.UntypedStorage:
    machine = active()
    if machine.kind != kind:
        return torch.UntypedStorage(held.nbytes(), device=kind)
    return held if tags.name_of_storage(held) else _storage_copied(held, machine.name)


def _storage_cuda(self: torch.UntypedStorage, device: Any = None, non_blocking: bool = False) -> torch.UntypedStorage:
    if active().is_mac and not active().ported:
        return _STORAGE_CUDA(self, device, non_blocking)
    return _storage_moved(self, active().kind)


def _storage_to(self: torch.UntypedStorage, *, device: Any, non_blocking: bool = False) -> torch.UntypedStorage:
    """What ``torch.load`` restores storages by; PyTorch's own asks C++ for one on the device."""
    kind = torch.device(device).type
    if kind == "cpu":
        return _storage_copied(self, None)
    return _storage_moved(self, kind) if kind == active().kind else _STORAGE_TO(self, device=device, non_blocking=non_blocking)


def _share(held: torch.UntypedStorage, share: Callable, args: tuple, kwargs: dict) -> torch.UntypedStorage:
    name = tags.name_of_storage(held)
    if name is None:
        return share(held, *args, **kwargs)
    if name.startswith("cuda"):
        return held
    raise SHARED_STORAGE.error()


def accelerator(patches: Patches, machine: Machine) -> None:
    """``torch.accelerator``, through the functions in C++ that its Python bodies call.

    What Dynamo calls between its frames is written in C here too: it would compile a function in Python.
    """
    patches.set_all(torch._C, {
        "_accelerator_getAccelerator": itertools.repeat(torch.device(machine.kind)).__next__,
        "_get_accelerator": lambda check=None: torch.device(machine.kind),
        "_accelerator_getDeviceIndex": itertools.repeat(0).__next__, "_accelerator_setDeviceIndex": lambda index: None,
        "_accelerator_exchangeDevice": lambda index: 0, "_accelerator_maybeExchangeDevice": lambda index: 0,
        "_accelerator_synchronizeDevice": lambda index: None, "_accelerator_isAllocatorInitialized": lambda: True,
        "_accelerator_emptyCache": lambda: None,
        "_accelerator_getStream": {0: stream(machine), None: stream(machine)}.__getitem__,
        "_accelerator_setStream": lambda stream: None,
    })  # fmt: skip


DEVICE_TYPES = {"cuda": 1, "mps": 13}
"""Their numbers in c10/core/DeviceType.h."""


def stream(machine: Machine) -> torch.Stream:
    return torch.Stream(stream_id=0, device_index=0, device_type=DEVICE_TYPES[machine.kind])


def metal(patches: Patches, machine: Machine) -> None:
    """``torch.backends.mps`` and ``torch.mps``, likewise."""
    names = "_mps_emptyCache _mps_deviceSynchronize _mps_releaseEvent _mps_recordEvent _mps_waitForEvent"
    names += " _mps_synchronizeEvent _mps_setMemoryFraction _mps_profilerStartTrace _mps_profilerStopTrace"
    patches.set_all(torch._C, dict.fromkeys(names.split(), lambda *args: None))
    patches.set_all(torch._C, {
        "_has_mps": True, "_mps_is_available": lambda: True, "_mps_is_in_bad_fork": lambda: False,
        "_mps_is_on_macos_or_newer": lambda major, minor: major <= 15,
        "_mps_get_default_generator": lambda: machine.generator,
        "_mps_acquireEvent": lambda timing: 1, "_mps_queryEvent": lambda event: True,
        "_mps_elapsedTimeOfEvents": lambda first, second: 1.0,
        "_mps_currentAllocatedMemory": lambda: 0, "_mps_driverAllocatedMemory": lambda: 0,
        "_mps_recommendedMaxMemory": lambda: 8 << 30,
    })  # fmt: skip
    patches.set(torch.mps, "_default_mps_generator", None)
    patches.set(torch.mps, "_is_in_bad_fork", lambda: False)
    uncached = {name: inspect.unwrap(getattr(torch.backends.mps, name)) for name in (
        "is_available", "is_macos_or_newer", "is_macos13_or_newer",
    )}  # fmt: skip
    patches.set_all(torch.backends.mps, uncached)


def ported(patches: Patches) -> None:
    """Choices of CUDA are choices of MPS: ``torch.cuda.is_available()`` is asked for MPS where only CUDA is asked."""
    patches.set(torch.cuda, "is_available", lambda: not _asks_for_mps(sys._getframe(1)))
    patches.set(torch.cuda, "_lazy_init", lambda: None)


def _asks_for_mps(frame: Any) -> bool:
    """Whether the file that asks also knows MPS or accelerators: there, CUDA is one choice among several."""
    if frame.f_globals.get("__name__", "").partition(".")[0] == "torch":
        return True
    text = "".join(linecache.getlines(frame.f_code.co_filename))
    return "mps" in text or "accelerator" in text


def threads(patches: Patches, machine: Machine, entered: Callable) -> None:
    """Threads that are started while the machine is on see what it sees."""
    run = threading.Thread.run

    def emulated(self: threading.Thread) -> None:
        with entered(machine):
            run(self)

    patches.set(threading.Thread, "run", emulated)


@contextlib.contextmanager
def modes(machine: Machine) -> Iterator[None]:
    with Operators(machine), Functions(machine):
        yield

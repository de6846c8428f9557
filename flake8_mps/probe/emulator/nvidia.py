"""The control: ``torch.cuda`` as it is where there is one NVIDIA GPU, as far as programs ask for it."""

from __future__ import annotations

import contextlib
import types
from typing import Any

import torch

from .machines import Machine

PROPERTIES = types.SimpleNamespace(
    name="NVIDIA emulated", major=8, minor=0, total_memory=16 << 30, multi_processor_count=108, is_integrated=False,
    warp_size=32, gcnArchName="", uuid="",
)  # fmt: skip


class Stream:
    """Does nothing, in order: everything here runs at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.device = torch.device("cuda:0")  # noqa: MPS101  CUDA only: the control
        self.cuda_stream = 0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_stream(self, other: Any) -> None: ...

    def wait_event(self, event: Any) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True

    def record_event(self, event: Any = None) -> Any:
        return event or Event()


class Event:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def record(self, stream: Any = None) -> None: ...

    def wait(self, stream: Any = None) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: Any) -> float:
        return 1.0


def _nothing(*args: Any, **kwargs: Any) -> None: ...


def _zero(*args: Any, **kwargs: Any) -> int:
    return 0


class CurrentDevice(contextlib.nullcontext):  # a type: torch.cuda._utils asks whether a device is one of it
    """``with torch.cuda.device(0):`` where there is one."""

    def __init__(self, device: object = None) -> None:
        super().__init__()
        self.idx = 0


def present(patches: Any, machine: Machine) -> None:
    """Puts it in the place of the ``torch.cuda`` of a CPU build."""
    names = "synchronize empty_cache set_device reset_peak_memory_stats reset_max_memory_allocated ipc_collect init"
    names += " reset_accumulated_memory_stats _lazy_init reset_max_memory_cached set_stream"
    names += " set_per_process_memory_fraction"
    patches.set_all(torch.cuda, dict.fromkeys(names.split(), _nothing))
    names = "memory_allocated max_memory_allocated memory_reserved max_memory_reserved current_device"
    patches.set_all(torch.cuda, dict.fromkeys(names.split(), _zero))
    patches.set_all(torch.cuda, {
        "is_available": lambda: True, "device_count": lambda: 1, "is_initialized": lambda: True,
        "is_bf16_supported": lambda including_emulation=True: True,
        "get_device_name": lambda device=None: PROPERTIES.name, "get_device_capability": lambda device=None: (8, 0),
        "get_device_properties": lambda device=None: PROPERTIES,
        "mem_get_info": lambda device=None: (16 << 30, 16 << 30),
        "memory_summary": lambda *args, **kwargs: "", "memory_stats": lambda device=None: {},
        "manual_seed": lambda seed: machine.generator.manual_seed(int(seed)) and None,
        "manual_seed_all": lambda seed: machine.generator.manual_seed(int(seed)) and None,
        "seed": lambda: machine.generator.seed() and None, "initial_seed": lambda: machine.generator.initial_seed(),
        "get_rng_state": lambda device=None: machine.generator.get_state(),
        "set_rng_state": lambda state, device=None: machine.generator.set_state(state) and None,
        "get_rng_state_all": lambda: [machine.generator.get_state()],
        "set_rng_state_all": lambda states: machine.generator.set_state(states[0]) and None,
        "Stream": Stream, "Event": Event, "current_stream": lambda device=None: Stream(),
        "default_stream": lambda device=None: Stream(), "stream": lambda stream: contextlib.nullcontext(stream),
        "device": CurrentDevice,
        "device_of": lambda tensor: contextlib.nullcontext(),
    })  # fmt: skip
    patches.set_all(torch.cuda.amp.common, {"amp_definitely_not_available": lambda: False})
    patches.set_all(torch.version, {"cuda": "12.8"})

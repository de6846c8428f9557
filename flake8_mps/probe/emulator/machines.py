"""Which machine is emulated, and what it knows of the call that is under way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import torch

from .record import Record
from .refusals import CUDA_METHOD_ORDINAL


IN_CPLUSPLUS = torch.device("mps:0")
"""What C++ is told instead of the GPU, on either machine: asked for CUDA, it remembers for ever that there is one."""


@dataclass
class Machine:
    """A machine with one GPU. ``kind`` is ``mps`` or ``cuda``; ``fallback`` and ``ported`` as in ``machine()``."""

    kind: str
    fallback: bool = False
    ported: bool = False
    record: Record | None = None
    calls: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        self.name = f"{self.kind}:0"
        self.device = torch.device(self.name)
        self.is_mac = self.kind == "mps"
        self.generator = torch._C.Generator("cpu")
        self.warned: set[str] = set()

    def means_gpu(self, device: Any) -> bool:
        """Whether a device argument, of any type that torch takes, is this machine's GPU."""
        if device is None or isinstance(device, bool):
            return False
        if isinstance(device, int):
            return True
        kind = torch.device(device).type
        return kind == self.kind or (self.ported and kind == "cuda")

    def resolved(self, device: Any) -> Any:
        """The GPU by its full name; what is not the GPU as it was given."""
        if not self.means_gpu(device):
            return device
        index = device if isinstance(device, int) else torch.device(device).index
        if index and not self.is_mac:
            raise torch.AcceleratorError("CUDA error: invalid device ordinal\n")
        return self.device

    def device_of_cuda_method(self, device: Any) -> Any:
        """Where ``.cuda(device)`` moves to; on a Mac that is decided by torch's own error."""
        if self.ported or not self.is_mac:
            return self.device
        if isinstance(device, int) and not isinstance(device, bool):
            raise CUDA_METHOD_ORDINAL.error()
        return torch.device("cuda" if device is None else device)  # noqa: MPS101  CUDA only: raises as on a Mac


current: Machine | None = None


def active() -> Machine:
    """The machine that is emulated. Raises RuntimeError when none is."""
    if current is None:
        raise RuntimeError("no machine is emulated")
    return current

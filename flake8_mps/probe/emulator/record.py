"""Where operators ran: what the verdicts and ``flake8-mps run`` are told."""

from __future__ import annotations

import sys
import sysconfig
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

_TORCH, _HERE = str(Path(torch.__file__).parent), str(Path(__file__).parent)
_LIBRARY = sysconfig.get_paths()["stdlib"]


@dataclass(frozen=True)
class Ran:
    """An operator of aten, ``mm`` or ``add.Tensor``, on ``device``. ``fallback``: a Mac computes it on the CPU.

    ``file`` and ``line`` are those of the innermost frame that is neither torch's nor the standard library's.
    """

    operator: str
    device: str
    fallback: bool
    file: str
    line: int


@dataclass
class Record:
    """How often each operator ran, by place and line."""

    ran: Counter[Ran] = field(default_factory=Counter)

    def devices(self, line: int | None = None, file: str | None = None) -> frozenset[str]:
        """The types of devices, ``cpu`` or ``mps``, on which anything ran; in one line and file if asked."""
        return frozenset(
            one.device.split(":")[0] for one in self.ran
            if (line is None or one.line == line) and (file is None or one.file == file)
        )

    def fallbacks(self) -> frozenset[Ran]:
        return frozenset(one for one in self.ran if one.fallback)

    def add(self, operator: str, device: str, fallback: bool) -> None:
        file, line = users_line()
        self.ran[Ran(operator, device, fallback, file, line)] += 1


def users_line() -> tuple[str, int]:
    """File and line of the innermost frame of the user's; ``("", 0)`` where there is none, as in a worker's thread."""
    frame = sys._getframe(1)
    while frame is not None:
        if not _is_machinery(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "", 0


def _is_machinery(file: str) -> bool:
    """Whether a file is torch's, ours, or the standard library's; a package in site-packages is the user's."""
    if file.startswith((_TORCH, _HERE, "<frozen", "<string>", "<eval_with_key>")):
        return True
    return file.startswith(_LIBRARY) and "site-packages" not in file

"""The emulated Mac: PyTorch on any machine, as if it had MPS; and an emulated CUDA machine as the control.

    from flake8_mps.probe import emulator

    with emulator.machine("mps"):
        model = torch.nn.Linear(2, 2).to("mps")
        model(torch.zeros(1, 2))  # RuntimeError: Tensor for argument input is on cpu but expected on mps

Tensors stay plain ``torch.Tensor`` on the host; the device is a name on their storage. What a Mac refuses is refused
in its words (``refusals``); where that is not known, NotEmulated is raised, which no program catches by accident. Needs
torch 2.13 or newer, a build without CUDA. Never imported by the linter.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from . import autocast, compiling, machines, nvidia, patches, tags
from .machines import Machine
from .record import Ran, Record
from .refusals import NotEmulated

__all__ = ["Machine", "NotEmulated", "Ran", "Record", "device_of", "machine"]

_FALLBACK_AT_IMPORT = os.environ.get("PYTORCH_ENABLE_MPS_FALLBACK")
"""A Mac reads the variable when torch is imported; what is set later does nothing."""


@contextlib.contextmanager
def machine(
    kind: str = "mps", *, fallback: bool | None = None, ported: bool = False, record: Record | None = None
) -> Iterator[Machine]:
    """Turns torch, in this process, into that of a Mac (``mps``) or of a machine with an NVIDIA GPU (``cuda``).

    ``fallback``: operators without a kernel run on the CPU with a warning; by default what PYTORCH_ENABLE_MPS_FALLBACK
    said when this module was imported. ``ported``: names of CUDA mean MPS, and ``torch.cuda.is_available()`` is True in
    files that ask for nothing else. ``record`` is told where every operator ran. Raises RuntimeError where a machine is
    emulated already, where torch is older than 2.13 or has a GPU of its own, and ValueError for another kind.
    """
    _check(kind, ported)
    if fallback is None:
        fallback = _FALLBACK_AT_IMPORT not in (None, "", "0")
    emulated = Machine(kind, fallback=fallback, ported=ported, record=record)
    with patches.Patches() as patched:
        patched.set(machines, "current", emulated)
        patches.tensors(patched)
        patches.accelerator(patched, emulated)
        if emulated.is_mac:
            patches.metal(patched, emulated)
        else:
            nvidia.present(patched, emulated)
        if ported:
            patches.ported(patched)
        patches.threads(patched, emulated, entered)
        compiling.traced(patched, emulated)
        patched.enter_context(autocast.installed(emulated))
        with entered(emulated):
            yield emulated


@contextlib.contextmanager
def entered(emulated: Machine) -> Iterator[None]:
    """The machine, seen by this thread."""
    with autocast.reachable(emulated), patches.modes(emulated):
        yield


def device_of(tensor: torch.Tensor) -> str:
    """``mps:0``, ``cuda:0`` or ``cpu``: where a tensor lives, also once the machine is turned off."""
    return tags.name_of(tensor) or str(tags.BASE.device.__get__(tensor))


def _check(kind: str, ported: bool) -> None:
    if kind not in autocast.KEYS or (ported and kind != "mps"):
        raise ValueError(f"no such machine: {kind!r}, ported={ported}")
    if machines.current is not None:
        raise RuntimeError(f"{machines.current.name} is emulated already")
    if not hasattr(torch._C, "_skip_one_hop_torch_function"):
        raise RuntimeError(f"the emulated Mac needs torch 2.13 or newer; this is {torch.__version__}")
    if torch.version.cuda or torch.version.hip:
        raise RuntimeError(f"the emulated Mac needs a torch without CUDA; this is {torch.__version__}")

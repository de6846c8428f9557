"""Random numbers: the GPU has a stream of its own, so that what it draws never moves the host's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from . import tags
from .machines import Machine, active
from .refusals import GENERATOR_ARGUMENT, GENERATOR_DEFAULT

CPU_GENERATOR = torch._C.Generator
_ON_GPU: set[int] = set()
"""Generators of the GPU by the address of their state: C++ hands an operator another Python object for the same one."""


class Generator(torch._C.Generator):
    """``torch.Generator(device)``: on the GPU it is one of the host's that says it is the GPU's."""

    def __new__(cls, device: Any = "cpu") -> Any:
        on_gpu = active().means_gpu(device)
        made = CPU_GENERATOR.__new__(cls, "cpu" if on_gpu else device)
        made._flake8_mps_device = active().name if on_gpu else None
        if on_gpu:
            _ON_GPU.add(made._cdata)
        return made

    def __del__(self) -> None:
        _ON_GPU.discard(self._cdata)

    def __init__(self, device: Any = "cpu") -> None:
        pass

    @property
    def device(self) -> torch.device:
        return torch.device(self._flake8_mps_device or "cpu")


def device_of(generator: Any) -> str:
    """``cpu`` or the GPU's kind."""
    return active().kind if generator is not None and generator._cdata in _ON_GPU else "cpu"


def check(machine: Machine, generator: Any, on_gpu: bool, operator: str = "") -> None:
    """Raises what torch raises when generator and result are apart."""
    wanted, found = machine.kind if on_gpu else "cpu", device_of(generator)
    if generator is not None and wanted != found:
        if operator == "randperm":
            raise GENERATOR_DEFAULT.error(wanted=machine.name if on_gpu else "cpu", found=generator.device)
        raise GENERATOR_ARGUMENT.error(wanted=wanted, found=found)


def draws(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


@contextlib.contextmanager
def gpus_stream(machine: Machine) -> Iterator[None]:
    """What is drawn from the host's default generator inside comes from the GPU's, for operators that take none."""
    with tags.unseen():
        host = torch.default_generator.get_state()
        torch.default_generator.set_state(machine.generator.get_state())
    try:
        yield
    finally:
        with tags.unseen():
            machine.generator.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(host)

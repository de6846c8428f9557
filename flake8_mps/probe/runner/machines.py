"""The machines a program can run on, and what is written down while it does."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from ..program import Program, Ran


def machine(program: Program, record: Any) -> Any:
    """The context in which a program runs: an emulated machine, or for "cpu" this one as it is."""
    if program.machine == "cpu":
        return contextlib.nullcontext()
    from .. import emulator

    return emulator.machine(program.machine, ported=program.ported, fallback=program.fallback, record=record)


def new_record(program: Program) -> Any:
    """What an emulated machine writes down of its operators; None for this machine as it is."""
    if program.machine == "cpu":
        return None
    from .. import emulator

    return emulator.Record()


def summary(record: Any, program: Program) -> tuple[Ran, ...]:
    """Where operators ran, by line of the program."""
    if record is None:
        return ()
    return tuple(
        Ran(one.line if one.file == program.name else None, one.operator, one.device.partition(":")[0], count, one.fallback)
        for one, count in record.ran.items()
    )


_DEVICE = re.compile(r"(?:cpu|cuda|mps)(?::\d+)?$")


def used(value: Any) -> set[str]:
    """Uses what does nothing by itself, and says where that computed: a sum on a device, or where its text says; the first
    batch of a loader. Raises what PyTorch raises."""
    import torch

    if isinstance(value, torch.device) or isinstance(value, str) and _DEVICE.match(value):
        return {(torch.ones(2, device=value) + 1).device.type}
    if isinstance(value, torch.utils.data.DataLoader):
        return devices_in(next(iter(value), None))
    return devices_in(value)


def devices_in(value: Any, depth: int = 3) -> set[str]:
    """The devices of the tensors in a value: a tensor, a module, a container of these."""
    import torch

    if isinstance(value, torch.Tensor):
        return {value.device.type}
    if isinstance(value, torch.nn.Module):
        return {tensor.device.type for tensor in [*value.parameters(), *value.buffers()]}
    if depth and isinstance(value, dict):
        value = value.values()
    elif not (depth and isinstance(value, (list, tuple, set))):
        return set()
    return set().union(*(devices_in(one, depth - 1) for one in value))

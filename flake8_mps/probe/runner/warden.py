"""Over a run: how long it takes, how much memory and how many processes it and its children have, and how it ends."""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from ..program import End, Observation
from .walls import Limits

_SIGNAL = 128  # added to the number of the signal that ended a process, as shells do
_LOOK = 0.02  # seconds between two looks at memory and processes
_MOST_REPORTED = 4 << 20  # bytes that are read of what a program's process says was seen


def watch(process: int, pipe: int, output: BinaryIO, limits: Limits) -> Observation:
    """Waits for a process, ends it when it goes too far, and says what was seen of it."""
    start = time.monotonic()
    said, broken = _listen(process, pipe, limits, start)
    status = _end(process, at_once=broken is not None)
    seen = _understood(said) if broken is None else None
    if seen is None:
        seen = Observation(broken or End.DIED, text=_death(status), seconds=time.monotonic() - start)
    return replace(seen, output=_tail(output, limits.output))


def _listen(process: int, pipe: int, limits: Limits, start: float) -> tuple[bytes, End | None]:
    """What the process says until it closes its pipe, or the limit that it broke."""
    said = bytearray()
    with selectors.DefaultSelector() as ready, open(pipe, "rb", buffering=0) as source:
        os.set_blocking(pipe, False)
        ready.register(source, selectors.EVENT_READ)
        while True:
            for _ in ready.select(_LOOK):
                piece = source.read(1 << 16)
                if not piece:
                    return bytes(said), None
                said += piece[: _MOST_REPORTED - len(said)]
            if time.monotonic() - start > limits.seconds:
                return b"", End.TIME
            if broken := _over(process, limits):
                return b"", broken


def _over(process: int, limits: Limits) -> End | None:
    family = _family(process)
    if len(family) > limits.processes:
        return End.PROCESSES
    return End.MEMORY if sum(map(_private, family)) > limits.memory else None


def _family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found, waiting = [], [process]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children", encoding="ascii") as file:
                    waiting += map(int, file.read().split())
    return found


def _private(process: int) -> int:
    """Bytes in memory that a process shares with no file: what it took since the fork, and what it had before."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/statm", encoding="ascii") as file:
        _, resident, shared = map(int, file.read().split()[:3])
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _end(process: int, at_once: bool) -> int:
    """Ends the process and all that it left behind; its status as ``waitpid`` has it.

    In a namespace all others die with the first process; elsewhere orphans are this process's children, who adopts them."""
    status = None if at_once else _on_its_way_out(process)
    if status is None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    while others := _family(os.getpid())[1:]:
        for one in others:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)
    return status


def _on_its_way_out(process: int) -> int | None:
    """The status of a process that has closed its pipe; None when it does not end."""
    for _ in range(250):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status
        time.sleep(0.002)
    return None


def _understood(said: bytes) -> Observation | None:
    """The observation that a process wrote; None for what is none."""
    try:
        return Observation.from_json(json.loads(said))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    status = os.WEXITSTATUS(status)
    if status > _SIGNAL:
        return f"ended by {signal.Signals(status - _SIGNAL).name}"
    return f"ended with status {status} and said nothing"


def _tail(output: BinaryIO, most: int) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - most))
    return output.read(most).decode("utf-8", "replace")

"""Running programs that nobody has read: each in a process of its own, behind walls, from one warm interpreter.

    with Runner() as runner:
        for observation in runner.run([Program("import torch; torch.load('unet.pth')")]):
            print(observation.end, observation.text)
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ..program import End, Observation, Program
from .walls import Limits, Walls, bubblewrap

__all__ = ["Limits", "NotStarted", "Runner", "Walls"]

_LARGEST = 160 << 10
_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_GRACE = 30.0  # seconds beyond a run's own limit until its answer counts as lost
_START = 120.0  # seconds that importing torch may take


class NotStarted(Exception):
    """The warm process did not come up; the message says what it printed."""


def _environment() -> dict[str, str]:
    """What a warm process needs of ours, and nothing that is a secret: a program can read it."""
    ours = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**ours, "HOME": "/nonexistent", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _strongest() -> Walls:
    """The strongest walls there are. Raises NotStarted where there are none."""
    if not sys.platform.startswith("linux"):
        raise NotStarted("programs are only shut in on Linux; --no-sandbox runs them with your own rights")
    if subprocess.run([sys.executable, "-m", "flake8_mps.probe.runner.trial"], check=False).returncode == 0:
        return Walls.NAMESPACES
    if shutil.which("bwrap"):
        return Walls.BUBBLEWRAP
    raise NotStarted("this kernel gives no namespaces; install bubblewrap, or run with --no-sandbox, with your own rights")


class Runner:
    """Runs programs, ``jobs`` of them at a time, and says what was seen of each.

    ``Walls.NONE`` runs them with this user's rights to files and network, and with limits only: for programs of one's own.
    Raises NotStarted where Python, torch or the walls cannot be had.
    """

    def __init__(self, jobs: int | None = None, limits: Limits = Limits(), walls: Walls = Walls.AUTO) -> None:
        self.jobs = jobs or os.cpu_count() or 1
        self.limits = limits
        self.walls = _strongest() if walls is Walls.AUTO else walls

    def __enter__(self) -> Runner:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        around = bubblewrap(shutil.which("bwrap") or "bwrap", self.limits) if self.walls is Walls.BUBBLEWRAP else []
        command = [*around, sys.executable, "-m", "flake8_mps.probe.runner.zygote", str(theirs.fileno())]
        self._zygote = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )
        theirs.close()
        self._socket = ours
        ours.settimeout(_START)
        if ours.recv(16) != b"ready":
            self._zygote.kill()
            raise NotStarted(self._zygote.communicate()[1].decode(errors="replace").strip() or "no word from it")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._zygote.kill()
        self._zygote.communicate()

    def run(self, programs: Iterable[Program]) -> Iterator[Observation]:
        """What was seen of each program, in their order."""
        waiting = iter(enumerate(programs))
        done: dict[int, Observation] = {}
        under_way: set[int] = set()
        next_one = 0
        for number, program in waiting:
            self._ask(number, program)
            under_way.add(number)
            while len(under_way) >= self.jobs:
                self._hear(done, under_way)
            while next_one in done:
                yield done.pop(next_one)
                next_one += 1
        while under_way or done:
            if next_one not in done:
                self._hear(done, under_way)
                continue
            yield done.pop(next_one)
            next_one += 1

    def _ask(self, number: int, program: Program) -> None:
        limits = vars(self.limits)
        request = {"id": number, "program": program.as_json(), "limits": limits, "walls": self.walls.name}
        try:
            self._socket.send(json.dumps(request).encode())
        except OSError:  # nobody is there: what took the warm process along says so when it is heard
            self._start_again()
            self._socket.send(json.dumps(request).encode())

    def _hear(self, done: dict[int, Observation], under_way: set[int]) -> None:
        """Waits for one answer. Without one, because a program took the warm process along, all under way are lost."""
        self._socket.settimeout(self.limits.seconds + _GRACE)
        try:
            answer: dict[str, Any] = json.loads(self._socket.recv(_LARGEST))
            done[answer["id"]] = Observation.from_json(answer["seen"])
            under_way.discard(answer["id"])
        except (OSError, ValueError, KeyError, TypeError):
            lost = Observation(End.DIED, text="it, or one that ran beside it, ended the process it came from")
            done.update(dict.fromkeys(under_way, lost))
            under_way.clear()
            self._start_again()

    def _start_again(self) -> None:
        self.__exit__()
        self.__enter__()

"""The warm process from which every run is forked: ``python -m flake8_mps.probe.runner.zygote DESCRIPTOR``.

Torch is imported once, with one thread, and no operator runs here: a process forked after a parallel operator hangs at its
own first one. For each program a warden is forked; it separates itself, forks the program's process behind the walls, counts
its time, memory and processes, and sends back what was seen. Requests and answers are one datagram each.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any, NoReturn

from ..program import End, Observation, Program
from . import child, linux, walls, warden
from .walls import Limits, Walls

LARGEST = 160 << 10
"""Bytes of a datagram: what a Unix socket takes by default is a little more."""
PRELOADED = ("numpy", "torch", "torch._dynamo", "torch.utils.data", "flake8_mps.probe.emulator")
_PIPE = 3
_FIRST_STRANGER = 200_000  # users that no system gives away; each run gets one of its own


def main() -> None:
    """Serves requests until the one who asks is gone."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens report for themselves, and nobody waits for them
    asked.send(b"ready")
    number = 0
    while request := asked.recv(LARGEST):
        number += 1
        if os.fork() == 0:
            _guard(json.loads(request), asked, _FIRST_STRANGER + number % 50_000)


def _warm_up() -> None:
    import importlib

    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)


def _guard(request: dict[str, Any], asked: socket.socket, stranger: int) -> NoReturn:
    """The warden of one run, in a process of its own: answers, and ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    limits = Limits(**request["limits"])
    try:
        seen = _run(Program.from_json(request["program"]), limits, stranger, Walls[request["walls"]])
    except Exception as error:
        seen = Observation(End.NO_WALLS, text=f"{type(error).__name__}: {error}")
    answer = json.dumps({"id": request["id"], "seen": seen.as_json()}).encode()
    asked.send(answer if len(answer) <= LARGEST else _shortened(request["id"], seen))
    os._exit(0)


def _shortened(number: int, seen: Observation) -> bytes:
    short = replace(seen, text=seen.text[:500], output=seen.output[-500:], warned=seen.warned[:5], ran=seen.ran[:200])
    return json.dumps({"id": number, "seen": short.as_json()}).encode()


def _run(program: Program, limits: Limits, stranger: int, kept_in: Walls) -> Observation:
    """Forks the program's process behind the walls, and watches over it."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if kept_in is Walls.NAMESPACES:
        walls.separate()
    with tempfile.TemporaryFile() as output, _work(kept_in) as work:
        pipe = os.pipe()
        process = os.fork()
        if process == 0:
            _live(program, limits, stranger, work, pipe[1], output.fileno())
        os.close(pipe[1])
        return replace(warden.watch(process, pipe[0], output, limits), walls=kept_in.value)


def _work(kept_in: Walls) -> Any:
    """A folder for the program to work in, gone afterwards; None where the walls have one of their own."""
    if kept_in is Walls.NAMESPACES:
        return nullcontext()
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def _live(program: Program, limits: Limits, stranger: int, work: str | None, pipe: int, output: int) -> NoReturn:
    """The program's process: shut in, limited, and then the program. Nothing that it raises or forks gets out of here."""
    number = 0
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        _only(pipe, output)
        if work is None:
            walls.enclose(limits, stranger)
            _leave_the_first_place()
        else:
            os.chdir(work)
        number = os.getpid()
        _scrub()
        walls.restrict(limits)
        seen = child.run(program)
    except BaseException as error:
        seen = Observation(End.NO_WALLS, text=f"{type(error).__name__}: {error}")
    with suppress(BaseException):
        walls.relax()
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        if os.getpid() == number or not number:  # else a copy of it, that the program has forked
            child.report(seen, _PIPE)
    os._exit(0)


def _leave_the_first_place() -> None:
    """Goes on in a child: the first process of a namespace ignores signals that it has no handler for, as no program does.
    The first one buries what dies, and ends as the program does, with all that is left."""
    program = os.fork()
    if program == 0:
        return
    os.close(_PIPE)
    while True:
        ended, status = os.wait()
        if ended == program:
            os._exit(min(255, 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))


def _only(pipe: int, output: int) -> None:
    """No open file but an empty input, the output, and as number 3 the pipe for what was seen."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    kept = [os.dup2(one, 100 + number) for number, one in enumerate((nothing, output, output, pipe))]
    for number, one in enumerate(kept):
        os.dup2(one, number, inheritable=number < 3)
    os.closerange(4, 65536 if os.sysconf("SC_OPEN_MAX") > 65536 else os.sysconf("SC_OPEN_MAX"))


def _scrub() -> None:
    """An environment that says nothing of ours."""
    work = os.getcwd()
    os.environ.clear()
    os.environ.update(
        HOME=work, TMPDIR=work, PATH="/usr/local/bin:/usr/bin:/bin", LANG="C.UTF-8", OMP_NUM_THREADS="1", MPLBACKEND="Agg",
    )
    tempfile.tempdir = None


if __name__ == "__main__":
    main()

"""``flake8-mps run SCRIPT [ARGS]``: a program, or a notebook, on the emulated Mac, and where its operators ran."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections import Counter, defaultdict
from typing import Any

from ..config import ConfigError
from ..notebook import read_notebook
from ..source import Unreadable, read_source
from . import CLEAN, FINDINGS, TROUBLE

_MOST_LINES = 40

# What computes nothing: storage for what is saved or read, numbers on their way to Python, marks of the profiler.
_BOOKKEEPING = ("empty", "set_", "lift_fresh", "_local_scalar_dense", "_record_function", "detach", "alias", "resize_")


def add(commands: Any) -> None:
    parser = commands.add_parser("run", help="run your own program as if on a Mac", allow_abbrev=False)
    parser.add_argument("--machine", choices=("mps", "cuda"), default="mps", help="the emulated machine (default: mps)")
    parser.add_argument("--ported", action="store_true", help="names of CUDA mean MPS: the program once it is ported")
    parser.add_argument("--fallback", action="store_true", help="as with PYTORCH_ENABLE_MPS_FALLBACK=1")
    parser.add_argument("script", help="a .py or .ipynb file; it runs with your rights, as under python")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="what the program is given")
    parser.set_defaults(run=_run, parser=parser)


def _run(arguments: argparse.Namespace) -> int:
    path = arguments.script
    try:
        source = read_notebook(path) if path.endswith(".ipynb") else read_source(path)
    except Unreadable as problem:
        print(problem, file=sys.stderr)
        return TROUBLE
    try:
        from ..probe import emulator
    except ImportError as error:
        raise ConfigError(f"run needs PyTorch ({error}); pip install 'flake8-mps[probe]'") from None
    if arguments.ported and arguments.machine != "mps":
        raise ConfigError("--ported: only the Mac has a world once ported")
    record = emulator.Record()
    options = {"ported": arguments.ported, "fallback": arguments.fallback, "record": record}
    sys.argv = [path, *arguments.arguments]
    sys.path[:0] = [os.path.dirname(os.path.abspath(path))]
    space = {"__name__": "__main__", "__file__": path, "__builtins__": __builtins__}
    failure: BaseException | None = None
    try:
        with emulator.machine(arguments.machine, **options):
            exec(compile(source.tree, path, "exec", dont_inherit=True), space)
    except SystemExit as stop:
        failure = stop if stop.code else None
    except (Exception, emulator.NotEmulated) as error:
        failure = error
    sys.stdout.flush()
    name = "an emulated Mac" if arguments.machine == "mps" else "an emulated CUDA machine"
    print(f"\n--- on {name}", file=sys.stderr)
    if failure is not None:
        print(_told(failure, source), file=sys.stderr)
    for line in _where(record, source):
        print(line, file=sys.stderr)
    return FINDINGS if failure is not None else CLEAN


def _told(failure: BaseException, source: Any) -> str:
    """The first failure, with its innermost line in the program."""
    lines = [frame.lineno for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == source.path]
    place = f"{_place(source, lines[-1])}: " if lines else ""
    return f"{place}{type(failure).__name__}: {failure}"


def _place(source: Any, line: int) -> str:
    from ..finding import Span

    cell, span = source.locate(Span(line, 0, line, 0))
    return f"{source.path}:{span.line}" if cell is None else f"{source.path}:cell {cell}:{span.line}"


def _where(record: Any, source: Any) -> list[str]:
    """Shares of devices, and the lines of the program with operators on the CPU, most first."""
    devices: Counter[str] = Counter()
    lines: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for one, count in record.ran.items():
        if one.operator.startswith(_BOOKKEEPING):
            continue
        device = f"{one.device.partition(':')[0]}{' (fallback)' if one.fallback else ''}"
        devices[device] += count
        if one.file == source.path:
            lines[one.line][device] += count
    if not devices:
        return ["no operator ran"]
    total = devices.total()
    told = [f"{total} operators: " + ", ".join(f"{count} on {device} ({count / total:.0%})" for device, count in devices.most_common())]
    on_cpu = {line: seen for line, seen in lines.items() if any(device.startswith("cpu") for device in seen)}
    for line, seen in sorted(on_cpu.items(), key=lambda item: -item[1].total())[:_MOST_LINES]:
        told.append(f"{_place(source, line)}: " + ", ".join(f"{count} on {device}" for device, count in seen.most_common()))
    if len(on_cpu) > _MOST_LINES:
        told.append(f"and {len(on_cpu) - _MOST_LINES} more lines with operators on the CPU")
    return told

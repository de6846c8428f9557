"""Inside the walls: one program runs, watched, and what was seen of it is written down.

The flagged piece is found again in the program's own tree and wrapped, so that it is known when it began and what became
of it. Lines stay what they are.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import time
import traceback
import types
import warnings
from typing import Any

from ...source import Source
from ..flagged import flagged_expression
from ..program import End, Observation, Program, Warned
from . import machines

MOST_WARNINGS, LONGEST_TEXT = 50, 4000
_BEGIN, _VALUE = "__flake8_mps_begin__", "__flake8_mps_value__"


def run(program: Program) -> Observation:
    """Runs a program to its end in this process, which is none afterwards that anything else should run in."""
    start = time.perf_counter()
    try:
        watch = _Watch(program)
    except SyntaxError as error:
        return Observation(**_raised(error, program))
    try:
        _set_up(program)
    except Exception as error:
        return Observation(End.SETUP_FAILED, _names(type(error)), str(error)[:LONGEST_TEXT])
    seen = _watched(program, watch)
    return Observation(**seen, **watch.as_dict(), seconds=time.perf_counter() - start)


def _set_up(program: Program) -> None:
    for name, text in program.files:
        with open(os.path.basename(name), "w", encoding="utf-8") as file:
            file.write(text)
    sys.path.insert(0, os.getcwd())
    if program.setup:
        with machines.machine(Program("", machine="cuda"), None):
            exec(compile(program.setup, "<made inputs>", "exec"), {"__name__": "__setup__"})


def _watched(program: Program, watch: _Watch) -> dict[str, Any]:
    sys.argv = [program.name, *program.argv]
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=program.name, **watch.hooks())
    sys.modules["__main__"] = module
    _remember_lines(program)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            code = compile(watch.tree, program.name, "exec", dont_inherit=True)
            with machines.machine(program, watch.record):
                exec(code, module.__dict__)
            seen: dict[str, Any] = {"end": End.FINISHED}
        except SystemExit as stop:
            seen = {"end": End.FINISHED} if not stop.code else _raised(stop, program)
        except BaseException as error:
            seen = _raised(error, program)
    seen["warned"] = tuple(_warned(one, program) for one in caught[:MOST_WARNINGS])
    return seen


def _remember_lines(program: Program) -> None:
    """What reads source by file name finds the program's: torch.compile, inspect, tracebacks."""
    import linecache

    linecache.cache[program.name] = (len(program.source), None, program.source.splitlines(True), program.name)


def _raised(error: BaseException, program: Program) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == program.name]
    line = lines[-1] if lines else getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    return {"end": End.RAISED, "types": _names(type(error)), "text": str(error)[:LONGEST_TEXT], "line": line}


def _names(kind: type) -> tuple[str, ...]:
    return tuple(f"{base.__module__}.{base.__name__}".removeprefix("builtins.") for base in kind.__mro__[:-1])


def _warned(one: warnings.WarningMessage, program: Program) -> Warned:
    line = one.lineno if one.filename == program.name else None
    return Warned(_names(one.category), str(one.message)[:LONGEST_TEXT], line)


# --- the flagged piece -----------------------------------------------------------------------------------------------


class _Watch:
    """Whether the flagged piece began, on which devices its value was, and where operators ran."""

    def __init__(self, program: Program) -> None:
        self.reached = False
        self.devices: set[str] = set()
        self.program, self.record = program, machines.new_record(program)
        self.tree = ast.parse(program.source, program.name)
        if program.flagged:
            self._wrap(program)

    def _wrap(self, program: Program) -> None:
        assert program.flagged
        whole = flagged_expression(Source(program.source, self.tree, program.name), program.flagged)
        if whole is not None:
            self.tree = ast.fix_missing_locations(_Wrap(whole).visit(self.tree))

    def hooks(self) -> dict[str, Any]:
        return {_BEGIN: self._begin, _VALUE: self._value}

    def _begin(self) -> None:
        self.reached = True

    def _value(self, _: None, value: Any) -> Any:
        self.devices.update(machines.used(value))
        return value

    def as_dict(self) -> dict[str, Any]:
        return {"reached": self.reached, "devices": tuple(sorted(self.devices)), "ran": machines.summary(self.record, self.program)}


class _Wrap(ast.NodeTransformer):
    """``E`` becomes ``value(begin(), E)``."""

    def __init__(self, whole: ast.expr) -> None:
        self.whole = whole

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self.whole:
            return self.generic_visit(node)
        begin = ast.Call(ast.Name(_BEGIN, ast.Load()), [], [])
        return ast.copy_location(ast.Call(ast.Name(_VALUE, ast.Load()), [begin, node], []), node)


# --- what is written down --------------------------------------------------------------------------------------------


def report(seen: Observation, descriptor: int) -> None:
    """Writes an observation to a pipe, all of it, and closes that."""
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(json.dumps(seen.as_json()).encode("utf-8", "backslashreplace"))

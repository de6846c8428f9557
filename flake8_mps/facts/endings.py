"""Which functions are kept to machines with CUDA, which statements end a program, and which failures are handled."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import tables
from .conditions import condition
from .guards import AS_WRITTEN, NOTHING, Fact, Guards, contradicts
from .names import dotted, last_name
from .values import Flag, Name

if TYPE_CHECKING:
    from .interpreter import Interpreter


# --- functions kept to machines with CUDA ----------------------------------------------------------------------------


def decorator_guards(run: Interpreter, decorators: list[ast.expr]) -> Guards:
    """What holds in a function that its decorators skip elsewhere."""
    guards = NOTHING
    for node in decorators if run.is_linted else ():
        run.eval(node)
        call = node if isinstance(node, ast.Call) else None
        function = call.func if call else node
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if tables.CUDA_DECORATOR.match(name):
            guards |= {Fact("cuda", True, node)}
        elif call is not None and call.args and name in ("skipif", "skipIf", "skip_if"):
            guards |= condition(run, call.args[0]).when_false
        elif call is not None and call.args and name in ("skipUnless", "skip_unless"):
            guards |= condition(run, call.args[0]).when_true
        elif name in ("cuda", "gpu"):  # @pytest.mark.gpu
            guards |= {Fact("cuda", True, node)}
        elif isinstance(value := run.values.get(function), Flag):
            guards |= value.when_false
    return guards | {Fact("past", True, decorators[0])} if contradicts(guards, AS_WRITTEN) else guards


# --- ends and failures -----------------------------------------------------------------------------------------------

_EXITS = frozenset({"sys.exit", "os._exit", "builtins.exit", "builtins.quit", "os.abort"})
_SKIPS = frozenset({"pytest.skip", "pytest.importorskip", "unittest.SkipTest", "pytest.xfail"})
# What CUDA's interfaces raise on a machine without it, by the name that a handler gives, with those it covers.
_FAILURES = ("AssertionError", "RuntimeError", "TypeError", "AttributeError", "KeyError", "NotImplementedError", "OSError",
             "ImportError", "ModuleNotFoundError")
_CAUGHT_BY = {f"builtins.{name}": (name,) for name in _FAILURES} | {
    "builtins.Exception": _FAILURES, "builtins.BaseException": _FAILURES,
    "builtins.RuntimeError": ("RuntimeError", "NotImplementedError"), "builtins.LookupError": ("KeyError",),
    "builtins.ImportError": ("ImportError", "ModuleNotFoundError"),
}
_OF_DEVICES = "AssertionError"  # what .cuda() and .to("cuda") raise: _lazy_init of torch/cuda/__init__.py


def _called(run: Interpreter, call: ast.expr | None) -> tuple[str, str]:
    """The canonical name of what a call calls, and the last part of it as written."""
    if not isinstance(call, ast.Call):
        return "", ""
    value = run.eval(call.func) if dotted(call.func) else None  # a call within is for its own place to run
    return value.name if isinstance(value, Name) else "", last_name(call.func)


def _is_parser_error(call: ast.expr | None) -> bool:
    """``parser.error(...)`` of argparse."""
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr == "error" and "pars" in last_name(function.value)


def never_returns(run: Interpreter, call: ast.Call) -> bool:
    """True for a call that ends the program or the test."""
    name, last = _called(run, call)
    return name in _EXITS or name in _SKIPS or last == "skipTest" or _is_parser_error(call)


def gives_up(run: Interpreter, last: ast.stmt) -> bool:
    """True when this last statement of a branch ends the program: a raise or an exit, but not a skipped test."""
    if isinstance(last, ast.Raise):
        raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
        return "Skip" not in last_name(raised)
    if not isinstance(last, (ast.Expr, ast.Return)):
        return False
    return _called(run, last.value)[0] in _EXITS or _is_parser_error(last.value)


def skips(run: Interpreter, last: ast.stmt) -> bool:
    """True when this last statement of a branch leaves a test, raises that it is skipped, or answers a question: no."""
    if isinstance(last, ast.Raise):
        return not gives_up(run, last)
    if isinstance(last, ast.Return):
        says_no = isinstance(last.value, ast.Constant) and last.value.value is False
        return says_no or run.frame.name.startswith("test")
    name, called = _called(run, last.value if isinstance(last, ast.Expr) else None)
    return name in _SKIPS or called == "skipTest"


def caught_by(run: Interpreter, handler: ast.ExceptHandler) -> Guards:
    """The failures that a handler takes and goes on after."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names: set[str] = set()
    for node in types:
        value = run.eval(node) if node is not None else Name("builtins.BaseException")
        names.update(_CAUGHT_BY.get(value.name, ()) if isinstance(value, Name) else ())
    last = handler.body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        if never_returns(run, last.value):
            return NOTHING
    return NOTHING if isinstance(last, ast.Raise) or _waits_for_memory(handler) else _caught(names, handler)


def _waits_for_memory(handler: ast.ExceptHandler) -> bool:
    """``except RuntimeError as error: if "out of memory" not in str(error): raise``: any other failure goes on."""
    parts = [part for statement in handler.body for part in ast.walk(statement)]
    return any(isinstance(part, ast.Raise) and part.exc is None for part in parts) and any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and "out of memory" in part.value for part in parts
    )


def _caught(names: Iterable[str], node: ast.AST) -> Guards:
    facts = {Fact(f"caught {name}", True, node) for name in names}
    if _OF_DEVICES in names:
        facts.add(Fact("caught", True, node))
    return frozenset(facts)


def swallows(run: Interpreter, node: ast.expr) -> Guards:
    """What ``with pytest.raises(...)``, ``self.assertRaises(...)`` and ``contextlib.suppress(...)`` take."""
    function = node.func if isinstance(node, ast.Call) else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ("raises", "assertRaises", "assertRaisesRegex"):
        return _caught(_FAILURES, node) | {Fact("past", True, node)}  # the failure is what is wanted, and no choice
    return _caught(_FAILURES, node) if name == "suppress" else NOTHING

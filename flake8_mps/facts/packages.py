"""Packages that no Mac has: nobody comes past their import, or past a call of theirs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import third_party
from .guards import Fact, has
from .values import UNKNOWN, Const, Items, Name, Value

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter

# Functions that import a module by its name, and whether they say beside it if it is there.
IMPORTERS = {"import_module": False, "optional_import": True, "try_import": False, "import_optional_dependency": False}


def imported(run: Interpreter, node: ast.AST, module: str) -> None:
    """A Mac comes to nothing behind the import of what it cannot have: in a function, which is for that package, and
    where the failure is handled. Behind any other import the program goes on once that one is mended."""
    if third_party.is_absent(module):
        if run.depth or has(run.guards, "caught ImportError") or has(run.guards, "caught ModuleNotFoundError"):
            run.guards = run.guards | {Fact("behind", True, node)}


def by_call(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``importlib.import_module("fused_adam_cuda")``, ``optional_import("tensorrt")``."""
    module = args.get(0, "name")
    if not isinstance(module, Const) or not isinstance(module.value, str):
        return UNKNOWN
    imported(run, node, module.value)
    given = Name(module.value)
    return Items((given, UNKNOWN)) if IMPORTERS[name.rpartition(".")[2]] else given


def called(run: Interpreter, node: ast.Call, name: str) -> Value:
    """A function of another framework's: what its methods give is as foreign, and a Mac that lacks it comes no further."""
    if third_party.is_absent(name):
        run.guards = run.guards | {Fact("behind", True, node)}
    return Name(f"{name}()")

"""Which releases of torch a place is for: ``if version.parse(torch.__version__) >= version.parse("2.7"):``.

What is only for releases older than the oldest to support, or without one for any but the newest, nobody comes to.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .guards import Fact
from .values import Const, Flag, Name, Value

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter

VERSION = Name("torch.__version__")
# Who makes numbers of a version's text.
PARSERS = (
    "packaging.version.parse", "packaging.version.Version", "distutils.version.LooseVersion", "looseversion.LooseVersion",
    "distutils.version.StrictVersion", "pkg_resources.parse_version",
)
# is_torch_greater_or_equal_than_2_7, is_torch_version(">=", "2.7"), TORCH_GE_2_1, TORCH_2_4
_ASKS = re.compile(r"torch_(?:is_)?(?:version|greater|ge|gte|at_least|newer)(?:_|$)|(?:^|\.)TORCH_\d+_\d+$", re.IGNORECASE)
_RELEASE = re.compile(r"(\d+)[._](\d+)")
_OPERATORS: dict[str, type[ast.cmpop]] = {">=": ast.GtE, ">": ast.Gt, "<": ast.Lt, "<=": ast.LtE}


def compared(run: Interpreter, right: Value, operator: ast.cmpop, asked: ast.AST) -> Flag | None:
    """``torch.__version__ >= "2.7"``."""
    text = right.value if isinstance(right, Const) and isinstance(right.value, str) else ""
    return _since(run, text, type(operator), asked)


def called(run: Interpreter, name: str, node: ast.Call, args: Arguments) -> Flag | None:
    """``is_torch_greater_or_equal("2.7")``, ``is_torch_version("<", "2.7")``."""
    if not _ASKS.search(name):
        return None
    texts = [value.value for value in args.positional if isinstance(value, Const) and isinstance(value.value, str)]
    operator = _OPERATORS.get(texts[0], ast.GtE) if texts else ast.GtE
    return _since(run, texts[-1] if texts else "", operator, node)


def named(run: Interpreter, name: str, node: ast.AST) -> Flag | None:
    """``from helpers import is_torch_greater_or_equal_than_2_7``."""
    return _since(run, name, ast.GtE, node) if _ASKS.search(name) else None


def _since(run: Interpreter, text: str, operator: type[ast.cmpop], asked: ast.AST) -> Flag | None:
    match = _RELEASE.search(text)
    if match is None or operator not in _OPERATORS.values():
        return None
    oldest = run.config.oldest_torch
    release = int(match[1]), int(match[2])
    past = operator in (ast.Gt, ast.LtE)
    if oldest is not None and (oldest <= release if past else oldest < release):
        return None
    flag = Flag(frozenset({Fact("torch", True, asked)}), frozenset({Fact("torch", False, asked)}), True, True)
    return flag if operator in (ast.Gt, ast.GtE) else flag.opposite()

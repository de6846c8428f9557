"""The whole function, or module of a network, around an expression, called with made inputs.

For what shows only after the flagged line: a buffer that stays on the CPU until ``forward`` meets it. What shape of input a
module takes is not known; a few are tried, and the control says which it was.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from ...source import Source
from . import made, names
from .lines import Gathering
from .slice import CannotSlice, Made, Slice

_SHAPES = ("2, 3, 8, 8", "2, 8", "2, 4, 8", "2, 2, 8, 8", "2, 1, 8, 8", "2, 3, 64, 64")


def whole_calls(source: Source, flagged: ast.expr, others: frozenset[int]) -> Iterator[Slice]:
    """One program for a function, one for each shape of input for a module. Raises CannotSlice."""
    top = next((one for one in source.tree.body if any(part is flagged for part in ast.walk(one))), None)
    if isinstance(top, ast.FunctionDef):
        yield _called(Gathering(source, flagged, others), top, [])
    elif isinstance(top, ast.ClassDef) and _is_module(top):
        for shape in _SHAPES:
            yield _called(Gathering(source, flagged, others), top, _use_of_module(shape))
    elif isinstance(top, ast.ClassDef):
        method = next((one for one in top.body if any(part is flagged for part in ast.walk(one))), None)
        if not isinstance(method, ast.FunctionDef):
            raise CannotSlice("it is in the body of a class")
        yield _called(Gathering(source, flagged, others), top, [], method)
    else:
        raise CannotSlice("there is no function around it to call")


def whole_files(source: Source, flagged: ast.expr, others: frozenset[int]) -> Iterator[Slice]:
    """The file itself, where the expression runs when the file does. Raises CannotSlice."""
    top = next((one for one in source.tree.body if any(part is flagged for part in ast.walk(one))), None)
    if top is None or isinstance(top, names.SCOPES):
        raise CannotSlice("it is in a function")
    missing = [trouble for one in source.nodes(ast.Import) + source.nodes(ast.ImportFrom) if (trouble := names.missing_package(one, source.path))]
    if missing:
        raise CannotSlice(f"missing package {missing[0]}")
    lines = tuple(range(1, source.text.count("\n") + 2))
    files = tuple(names.modules_beside(source.path).items()) if source.path.endswith(".py") and os.path.isfile(source.path) else ()
    yield Slice(source.text, source.span(flagged), lines, (), (), (), files, complete=True)


def _is_module(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] in ("Module", "Sequential", "LightningModule") for base in node.bases)


def _use_of_module(shape: str) -> list[ast.stmt]:
    place = made.DEVICE
    return ast.parse(f"made_module = made_module.to({place})\nmade_module(torch.ones({shape}, device={place}))").body


def _called(gathering: Gathering, top: ast.stmt, use: list[ast.stmt], method: ast.FunctionDef | None = None) -> Slice:
    """The program that calls a function, or makes an object of a class and uses it."""
    body: list[ast.stmt] = []
    if isinstance(top, ast.ClassDef):
        start = next((one for one in top.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
        body.append(_assignment("made_module", top.name, _arguments(gathering, start, skip=1)))
        gathering.made["made_device"] = Made("made_device", f"torch.device({made.DEVICE})")
    elif isinstance(top, ast.FunctionDef):
        body.append(_assignment("made_result", top.name, _arguments(gathering, top, skip=0)))
    if method is not None and method.name != "__init__":
        body.append(_assignment("made_result", f"made_module.{method.name}", _arguments(gathering, method, skip=1)))
    body += use
    needed = set().union(*(names.read(one) for one in body)) - {"made_module", "made_result"} - set(gathering.made)
    return gathering.finished(body, needed - {"torch"} if "torch" not in gathering.tops else needed)


def _assignment(target: str, function: str, arguments: list[str]) -> ast.stmt:
    return ast.parse(f"{target} = {function}({', '.join(arguments)})").body[0]


def _arguments(gathering: Gathering, function: ast.FunctionDef | None, skip: int) -> list[str]:
    """What a function is called with: parameters without a default, made."""
    if function is None:
        return []
    scope = list(ast.walk(function))
    given = []
    for argument, default in list(names.parameters(function))[skip:]:
        if default is None:
            name = f"made_{argument.arg}"
            one = made.space(argument.arg, scope, scope) if made.is_space(argument.arg) else made.make(argument.arg, scope, argument)
            if one is None:
                raise CannotSlice(f"nothing is known of {argument.arg}")
            gathering.made[name] = Made(name, one.expression, one.assumption)
            given.append(f"{argument.arg}={name}")
    return given

"""What Python's functions over lists, loaders and generators give: ``next``, ``map``, ``zip``, ``any``, ``len``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import conditions, functions
from .conditions import asks
from .lookups import element
from .values import UNKNOWN, Flag, Function, Instance, Items, Many, Name, Value

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter


def any_or_all(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``any(t.is_cuda for t in tensors)``: true only where the condition holds of one. A list holds the operands."""
    value = args.get(0, "iterable")
    if isinstance(value, Items) and isinstance(node.args[0], (ast.List, ast.Tuple)):
        return conditions.combined(list(zip(value.items, node.args[0].elts)), name == "builtins.all")
    if isinstance(value, Flag) and name == "builtins.any":
        return value  # over what is empty on a Mac
    flag = value.each if isinstance(value, Many) else None
    if not isinstance(flag, Flag):
        return UNKNOWN
    return Flag(flag.when_true, frozenset(), flag.ported, False if flag.written is False else None)


def count(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``range(torch.cuda.device_count())``: a loop that runs only with CUDA."""
    return next((value for value in args.positional if isinstance(value, Flag)), UNKNOWN)


def length(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``len(torch.cuda.default_generators)``: none without CUDA."""
    value = args.get(0, "obj")
    return asks(value.name, node) or UNKNOWN if isinstance(value, Name) else UNKNOWN


def one_or_all(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``next(d for d in ...)``, ``max``, ``list``, ``iter``: one of, or all of, what the argument gives."""
    value = args.get(0, "iterable")
    if value is None:
        return UNKNOWN
    return element(run, value) if name == "builtins.next" else value


def side_by_side(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    parts = [element(run, value) for value in args.positional]
    if all(part is UNKNOWN for part in parts):
        return UNKNOWN
    return Many(Items((UNKNOWN, *parts[:1]))) if name == "builtins.enumerate" else Many(Items(tuple(parts)))


def mapped(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``map(self.to_torch, arrays)``: one of the file's own functions, called for each."""
    function, values = args.get(0, "func"), args.get(1, "iterable")
    if not isinstance(function, Function) or values is None or len(args.positional) != 2:
        return UNKNOWN
    parts = values.items if isinstance(values, Items) and len(values.items) <= 8 else (element(run, values),)
    results = tuple(_apply(run, function, part) for part in parts)
    return Items(results) if isinstance(values, Items) else Many(results[0])


def _apply(run: Interpreter, function: Function, value: Value) -> Value:
    owner = function.owner.info if isinstance(function.owner, Instance) else None
    return functions.call_function(run, function, [value], {}, owner)


def same(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    return args.get(0, "iterable") or UNKNOWN

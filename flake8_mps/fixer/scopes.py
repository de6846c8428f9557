"""What is at hand at a place of a file: the names of imported modules, and the device.

Names are judged by what they are called and by what they are given, without following values: what is taken for a device
is one by its name, was given something that can be one, and has it for certain when the place is reached.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..source import Source

_DEVICE_NAME = re.compile(r"(?:^|_)device$", re.IGNORECASE)
_NEW_NAMES = ("device", "DEVICE", "torch_device", "default_device", "mps_device")
_NO_DEVICE = re.compile(r"(?:^|\.)(?:current_device|device_count|get_device|get_device_name|device_type|cpu_device)$")
_SETTINGS = frozenset({"self", "cls", "args", "opt", "opts", "options", "config", "cfg", "hparams", "params", "flags"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class AtHand(NamedTuple):
    """An expression for a device. ``is_device``: certainly a ``torch.device``. ``chosen``: the file's own choice, and not
    what somebody hands to a function or an object."""

    text: str
    is_device: bool
    chosen: bool


class Scopes:
    """The scopes of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tree = source.tree

    def around(self, line: int, column: int) -> list[Scope]:
        """The functions and classes whose body holds a place, from the outside in. Columns are characters."""
        found: list[Scope] = []
        body: list[ast.AST] = list(self._tree.body)
        while body:
            node = body.pop()
            if getattr(node, "lineno", None) is not None and not self._holds(node, line, column):
                continue
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                first = node.body if isinstance(node, ast.Lambda) else node.body[0]
                if self._begins(first) <= (line, column):
                    found.append(node)
            body.extend(ast.iter_child_nodes(node))
        return sorted(found, key=self._begins)

    def _holds(self, node: ast.AST, line: int, column: int) -> bool:
        if hasattr(node, "decorator_list"):
            return line <= node.end_lineno and line >= min([node.lineno, *(one.lineno for one in node.decorator_list)])
        span = self._source.span(node)
        return span[:2] <= (line, column) <= span[2:]

    def _begins(self, node: ast.AST) -> tuple[int, int]:
        return self._source.span(node)[:2]

    # --- modules -----------------------------------------------------------------------------------------------------

    def module_name(self, module: str, line: int, column: int) -> str | None:
        """What a module is called at a place, by an import at the top of the file or in a function around it."""
        blocks = [self._tree.body, *(one.body for one in self.around(line, column) if not isinstance(one, (ast.Lambda, ast.ClassDef)))]
        for block in reversed(blocks):
            for node in _statements(block):
                if isinstance(node, (ast.Import, ast.ImportFrom)) and (name := _called(node, module)):
                    return name
        return None

    # --- devices -----------------------------------------------------------------------------------------------------

    def device(self, line: int, column: int) -> AtHand | None:
        """The device at hand at a place: a name in its function, in those around it, of its object, or of the module."""
        around = self.around(line, column)
        hidden: set[str] = set()
        place = (line, column)
        for scope in reversed(around):
            if isinstance(scope, ast.ClassDef):
                continue
            bound = _bound_in(scope)
            for name in bound:
                if name not in hidden and _DEVICE_NAME.search(name):
                    if (found := self._local(scope, name, bound[name], place)) is not None:
                        return found
            hidden |= bound.keys()
            place = self._begins(scope)
        return self._of_object(around, line, column) or self._of_module(bool(around), hidden, line, column)

    def _local(self, scope: Scope, name: str, values: list[ast.AST], place: tuple[int, int]) -> AtHand | None:
        given = [value for value in values if isinstance(value, ast.stmt)]
        if any(not isinstance(value, (ast.stmt, ast.arg)) for value in values):
            return None
        before = [one for one in given if self._begins(one) < place and self._reaches(scope, one, place)]
        if before and _give_device(given):
            return AtHand(name, all(_is_torch_device(_value(one)) for one in given), len(given) == len(values))
        default = _default(scope, name) if len(given) < len(values) else None
        if len(given) < len(values) and not given and not (isinstance(default, ast.Constant) and default.value is None):
            annotated = any(isinstance(v, ast.arg) and v.annotation is not None and _is_annotated(v.annotation) for v in values)
            return AtHand(name, annotated, False)
        return None

    def _reaches(self, scope: Scope | ast.Module, statement: ast.stmt, place: tuple[int, int]) -> bool:
        """True where a statement has run for certain when the place is reached, or fills in a parameter left out."""
        for node in ast.walk(scope):
            for body in (getattr(node, "body", None), getattr(node, "orelse", None), getattr(node, "finalbody", None)):
                if isinstance(body, list) and statement in body:
                    if isinstance(node, ast.If) and _fills_in(node, statement):
                        return self._source.span(node)[2:] <= place
                    if isinstance(node, ast.If) and node.orelse and self._source.span(node)[2:] <= place:
                        return all(_assigns(arm, statement) for arm in (node.body, node.orelse))
                    top = node is scope
                    return top or isinstance(node, ast.With) or self._source.span(body[0])[:2] <= place <= self._source.span(body[-1])[2:]
        return False

    def _of_object(self, around: list[Scope], line: int, column: int) -> AtHand | None:
        """``self.device``, which ``__init__`` sets or a property gives."""
        pairs = [(c, f) for c, f in zip(around, around[1:], strict=False) if isinstance(c, ast.ClassDef)]
        if not pairs or isinstance(pairs[-1][1], (ast.Lambda, ast.ClassDef)):
            return None
        holder, method = pairs[-1]
        first = method.args.args[0].arg if method.args.args else ""
        if first != "self" or method.name == "device":
            return None
        for member in holder.body:
            if isinstance(member, ast.FunctionDef) and member.name == "device" and member.decorator_list:
                return AtHand("self.device", False, False) if method.name != "__init__" else None
            if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                for statement in ast.walk(member):
                    targets = statement.targets if isinstance(statement, ast.Assign) else []
                    if any(ast.unparse(target) == "self.device" for target in targets) and _gives_device(statement):
                        if member is method and not (
                            self._begins(statement) < (line, column) and self._reaches(member, statement, (line, column))
                        ):
                            continue
                        return AtHand("self.device", _is_torch_device(statement.value), False)
        return None

    def _of_module(self, in_function: bool, hidden: set[str], line: int, column: int) -> AtHand | None:
        bound = _bound_in(self._tree)
        for name, values in bound.items():
            if name in hidden or not _DEVICE_NAME.search(name) or not all(isinstance(v, ast.stmt) for v in values):
                continue
            given = [value for value in values if isinstance(value, (ast.Assign, ast.AnnAssign))]
            if len(given) < len(values) or not _give_device(given):
                continue
            place = (len(self._source.lines) + 1, 0) if in_function else (line, column)
            if any(self._begins(one) < place and self._reaches(self._tree, one, place) for one in given):
                return AtHand(name, all(_is_torch_device(_value(one)) for one in given), True)
        return None

    def new_name(self, places: list[tuple[int, int]]) -> str:
        """A name for a device of the module that no scope at these places, and no other name of the file, takes."""
        taken = {name for place in places for scope in self.around(*place) for name in _bound_in(scope)}
        taken |= _bound_in(self._tree).keys()
        return next(name for name in _NEW_NAMES if name not in taken)


def _statements(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and of the blocks in it, without those of functions and classes."""
    for statement in block:
        yield statement
        for name in ("body", "orelse", "handlers", "finalbody"):
            for inner in getattr(statement, name, ()) if not isinstance(statement, (*_FUNCTIONS, ast.ClassDef)) else ():
                yield from _statements([inner] if isinstance(inner, ast.stmt) else inner.body)


def _called(node: ast.Import | ast.ImportFrom, module: str) -> str | None:
    parent, _, last = module.rpartition(".")
    for alias in node.names:
        if isinstance(node, ast.Import):
            if alias.name == module and alias.asname:
                return alias.asname
            if alias.asname is None and (alias.name == module or alias.name.startswith(f"{module}.")):
                return module
        elif not node.level and node.module == parent and alias.name == last:
            return alias.asname or last
    return None


def _bound_in(scope: Scope | ast.Module) -> dict[str, list[ast.AST]]:
    """The names that a scope binds, each with what binds it: an assignment of one name, a parameter, or anything else."""
    bound: dict[str, list[ast.AST]] = {}
    if isinstance(scope, _FUNCTIONS):
        arguments = scope.args
        for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if one is not None:
                bound.setdefault(one.arg, []).append(one)
    if isinstance(scope, ast.Lambda):
        return bound
    for node in _statements(scope.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.setdefault(node.name, []).append(node.args if hasattr(node, "args") else ast.Pass())
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                bound.setdefault(alias.asname or alias.name.partition(".")[0], []).append(ast.alias(alias.name))
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                bound.setdefault(name, []).append(ast.alias(name))
        else:
            for name, how in _stored(node):
                bound.setdefault(name, []).append(how)
    return bound


def _stored(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    simple = isinstance(node, (ast.Assign, ast.AnnAssign))
    if simple:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield target.id, node
            else:
                yield from ((one.id, target) for one in ast.walk(target) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    heads = [value for name, value in ast.iter_fields(node) if name not in ("body", "orelse", "handlers", "finalbody")]
    for head in heads:
        for part in head if isinstance(head, list) else [head]:
            for one in ast.walk(part) if isinstance(part, ast.AST) else ():
                if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load) and not simple:
                    yield one.id, one
                elif isinstance(one, ast.NamedExpr):
                    yield one.target.id, one


def _assigns(arm: list[ast.stmt], statement: ast.stmt) -> bool:
    wanted = {name for name, _ in _stored(statement)}
    return any(wanted & {name for name, _ in _stored(one)} for one in arm) or any(
        isinstance(one, ast.If) and one.orelse and _assigns(one.body, statement) and _assigns(one.orelse, statement) for one in arm
    )


def _fills_in(node: ast.If, statement: ast.stmt) -> bool:
    """``if device is None: device = ...``"""
    names = {name for name, _ in _stored(statement)}
    test = node.test
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return isinstance(test.operand, ast.Name) and test.operand.id in names
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name) or test.left.id not in names:
        return False
    return isinstance(test.ops[0], (ast.Is, ast.Eq)) and ast.unparse(test.comparators[0]) == "None"


def _value(statement: ast.AST) -> ast.expr | None:
    return getattr(statement, "value", None)


def _default(scope: Scope | ast.Module, name: str) -> ast.expr | None:
    arguments = scope.args  # type: ignore[union-attr]
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return next((default for one, default in pairs if one.arg == name), None)


def _is_annotated(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).strip("'\"") in ("torch.device", "device")


def _give_device(statements: list[ast.stmt]) -> bool:
    """True for assignments of devices, not of the CPU alone."""
    return all(map(_gives_device, statements)) and not all(_is_cpu(_value(one)) for one in statements)


def _is_cpu(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and value.args and ast.unparse(value.func).endswith("device"):
        value = value.args[0]
    return isinstance(value, ast.Constant) and value.value == "cpu"


def _gives_device(statement: ast.AST) -> bool:
    """False for what no device comes of, as None and numbers."""
    value = _value(statement)
    if value is None or isinstance(value, ast.Constant) and not isinstance(value.value, str):
        return False
    if isinstance(value, ast.Call) and _NO_DEVICE.search(ast.unparse(value.func)):
        return False
    return not isinstance(value, (ast.List, ast.Dict, ast.Tuple, ast.Set, ast.Lambda, ast.Compare))


def _is_torch_device(value: ast.expr | None) -> bool:
    """True for an expression that certainly gives a ``torch.device``."""
    if isinstance(value, ast.IfExp):
        return _is_torch_device(value.body) and _is_torch_device(value.orelse)
    if isinstance(value, ast.BoolOp):
        return all(map(_is_torch_device, value.values))
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) in ("torch.device", "device", "th.device", "torch.accelerator.current_accelerator")
    holder = value.value if isinstance(value, ast.Attribute) and value.attr == "device" else None
    return isinstance(holder, (ast.Name, ast.Call)) and getattr(holder, "id", "") not in _SETTINGS

"""Which names a piece of code reads and binds, in the scope it stands in; and what a file binds at its top."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator

from ...source import read_source

_LONGEST, _MOST = 40_000, 12  # bytes of a module beside the file, and how many of them
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ClassDef)
BUILT_IN = frozenset({*dir(builtins), "__name__", "__file__", "__doc__"})


def read(node: ast.AST) -> set[str]:
    """The names that running a piece of code, and the functions defined in it, takes from outside of it."""
    return _free(node) - BUILT_IN


def _free(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        targets = set().union(*(bound(one.target) for one in node.generators))
        inside = set().union(*map(_free, results), *(_free(test) for one in node.generators for test in one.ifs))
        return set().union(*(_free(one.iter) for one in node.generators)) | inside - targets
    if isinstance(node, ast.Lambda):
        return _defaults(node.args) | _free(node.body) - _own(node.args)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        outside = set().union(_defaults(node.args), *map(_free, node.decorator_list))
        return outside | _of_block(node.body) - _own(node.args) - {node.name}
    if isinstance(node, ast.ClassDef):
        return set().union(*map(_free, [*node.bases, *(one.value for one in node.keywords), *node.decorator_list])) | _of_block(node.body)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return {node.target.id} | _free(node.value)
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return _free(node.iter) | (_of_block(node.body) | _of_block(node.orelse)) - bound(node.target)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        own = set().union(*(bound(one.optional_vars) for one in node.items if one.optional_vars))
        return set().union(*(_free(one.context_expr) for one in node.items)) | _of_block(node.body) - own
    if isinstance(node, ast.AnnAssign):
        return _free(node.value) | _free(node.target) if node.value else set()
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        found |= _free(child)
    blocks = [block for name in ("body", "orelse", "finalbody") if isinstance(block := getattr(node, name, None), list)]
    if blocks and isinstance(node, ast.stmt):
        certain = [_of_block(block) for block in blocks]
        others = [child for child in ast.iter_child_nodes(node) if not any(child in block for block in blocks)]
        return set().union(*certain, *map(_free, others))
    return found


def _of_block(block: list[ast.stmt]) -> set[str]:
    """What statements one after the other take from outside: nothing that one before has bound."""
    taken: set[str] = set()
    given: set[str] = set()
    for statement in block:
        taken |= _free(statement) - given
        given |= bound(statement)
    return taken


def _own(arguments: ast.arguments) -> set[str]:
    return {one.arg for one in _parameters(arguments)}


def _defaults(arguments: ast.arguments) -> set[str]:
    return set().union(*(_free(one) for one in (*arguments.defaults, *arguments.kw_defaults) if one is not None))


def bound(node: ast.AST) -> set[str]:
    """The names that a statement, or a target, binds where it stands."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    found: set[str] = set()
    todo: list[ast.AST] = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)) and part is not node:
            found |= bound(part)
            continue
        elif isinstance(part, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        todo += ast.iter_child_nodes(part)
    return found


def changed(node: ast.stmt) -> set[str]:
    """The names whose objects a statement may change: ``model.to(device)``, ``args.x = 1``, ``items[0] = y``, ``x += y``."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        return _root(node.value.func.value)
    targets: Iterable[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    return set().union(*(_root(target) for target in targets if isinstance(target, (ast.Attribute, ast.Subscript))))


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def parameters(function: ast.AST) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """The parameters of a function with their defaults, ``*args`` and ``**kwargs`` left out."""
    arguments = function.args  # type: ignore[attr-defined]
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    yield from zip(positional, [*[None] * missing, *arguments.defaults])
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def missing_package(node: ast.Import | ast.ImportFrom, path: str) -> str | None:
    """The package that an import wants and this Python lacks; "." and more for one of the project's own modules."""
    if beside(path, node):
        return None
    if isinstance(node, ast.ImportFrom) and node.level:
        return "." * node.level + (node.module or "")
    for package in _packages(node):
        if package not in sys.stdlib_module_names and importlib.util.find_spec(package) is None:
            return package
    return None


def beside(path: str, node: ast.stmt) -> bool:
    """Whether an import finds a module in the folder of the file, as a script does."""
    if not isinstance(node, (ast.Import, ast.ImportFrom)) or isinstance(node, ast.ImportFrom) and node.level:
        return False
    return any(os.path.isfile(os.path.join(os.path.dirname(path), f"{package}.py")) for package in _packages(node))


def modules_beside(path: str) -> dict[str, str]:
    """The texts of the modules in the folder of a file, by name; none where that is too much."""
    folder = os.path.dirname(path) or "."
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py") and os.path.getsize(os.path.join(folder, name)) < _LONGEST and len(found) < _MOST:
            found[name] = read_source(os.path.join(folder, name)).text
    return found


def _packages(node: ast.Import | ast.ImportFrom) -> list[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return [name.partition(".")[0] for name in names]

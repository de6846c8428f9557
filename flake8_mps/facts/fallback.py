"""PYTORCH_ENABLE_MPS_FALLBACK: where a file switches it on, and whether that is in time.

PyTorch reads it once, when it is loaded: `TORCH_LIBRARY_IMPL(_, MPS, m)` in `aten/src/ATen/mps/MPSFallback.mm`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Facts

VARIABLE = "PYTORCH_ENABLE_MPS_FALLBACK"
SETTERS = ("os.environ.setdefault", "os.environ.update", "os.putenv")
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})  # packages that load torch at once


def is_on(facts: Facts) -> bool:
    """True for a file that switches the fallback on before it loads torch."""
    if "environ" not in facts.source.text and "putenv" not in facts.source.text:
        return False
    named = (node for node in facts.source.nodes(ast.Attribute) if facts.name(node) == "os.environ")
    called = (node for node in facts.source.nodes(ast.Call) if facts.name(node.func) in SETTERS)
    return any(switches_on(node, facts) and not is_late(node, facts) for node in (*named, *called))


def switches_on(node: ast.Attribute | ast.Call, facts: Facts) -> bool:
    """Whether ``os.environ``, or a call of ``SETTERS``, switches the fallback on; off is what it is anyway."""
    if isinstance(node, ast.Attribute):
        item = facts.parent(node)
        given = facts.parent(item) if isinstance(item, ast.Subscript) and isinstance(item.ctx, ast.Store) else None
        return isinstance(given, ast.Assign) and _is_on(item.slice, given.value, facts)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Dict):
        return any(_is_on(key, value, facts) for key, value in zip(first.keys, first.values))
    return len(node.args) > 1 and _is_on(node.args[0], node.args[1], facts)


def _is_on(key: ast.expr | None, value: ast.expr, facts: Facts) -> bool:
    return facts.literal(key) == VARIABLE and facts.literal(value) != "0"


def is_late(node: ast.AST, facts: Facts) -> bool:
    """Whether torch has been imported when a place is come to: further up in one of the blocks around it."""
    functions = [around for around in facts.around(node) if isinstance(around, ast.FunctionDef)]
    bodies = [facts.source.tree, *functions]
    imports = (each for body in bodies for each in _own_statements(body) if each.lineno < node.lineno)
    return any(_loads_torch(each) for each in imports)


def _own_statements(block: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a block, without those that run only when a function is called or a type is checked."""
    for child in ast.iter_child_nodes(block):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if isinstance(child, ast.stmt) and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not for_types:
            yield child
            yield from _own_statements(child)
        elif isinstance(child, ast.ExceptHandler):
            yield from _own_statements(child)


def _loads_torch(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in _TORCH for alias in node.names)
    return isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in _TORCH

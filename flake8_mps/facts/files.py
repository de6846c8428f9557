"""Files that code writes, and then reads itself."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .values import UNKNOWN, Const, Value

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter


def saved(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``torch.save(model, path)``: what is read from ``path`` later in this function was on this machine. Module code may
    be a notebook's, whose cells are run one without the other."""
    if (key := _key(node, 1)) is not None and run.frame is not run.module_frame:
        run.env[key] = Const(True)
    return UNKNOWN


def loaded(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``torch.load(path, map_location)``."""
    if (key := _key(node, 0)) in run.env and key is not None:
        run.reads_back.add(node)
    if len(args.positional) > 1:
        run.devices.used(run, args.positional[1], node, "map_location")
    return UNKNOWN


def _key(node: ast.Call, position: int) -> str | None:
    """Under which a file stands among the variables: no name, and without a dot, which would make it an attribute."""
    path = next((keyword.value for keyword in node.keywords if keyword.arg == "f"), None)
    if path is None and len(node.args) > position:
        path = node.args[position]
    return f"file {ast.unparse(path).replace('.', ' ')}" if path is not None else None

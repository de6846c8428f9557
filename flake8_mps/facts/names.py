"""Names joined by dots."""

from __future__ import annotations

import ast


def dotted(node: ast.expr) -> str | None:
    """``self.model.device`` as text; None for anything but names joined by dots."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])

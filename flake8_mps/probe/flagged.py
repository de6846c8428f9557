"""Which expression a finding is about: its span is a token, and a program evaluates expressions."""

from __future__ import annotations

import ast

from ..finding import Span
from ..source import Source


def flagged_expression(source: Source, span: Span) -> ast.expr | None:
    """The expression that a finding is about: of a name or an attribute that is called the call, as of a keyword's plain
    value, and of one arm of a choice the choice; else the smallest expression that begins before the span and ends behind its start. None in no expression."""
    around: list[ast.expr] = []
    for node in ast.walk(source.tree):  # from outside to inside
        if isinstance(node, ast.expr) and not isinstance(node, (ast.Slice, ast.Starred)):
            whole = source.span(node)
            if whole[:2] <= span[:2] < whole[2:] and isinstance(getattr(node, "ctx", None) or ast.Load(), ast.Load):
                around.append(node)
    if not around:
        return None
    found = around.pop()
    while around and _stands_for(found, around[-1]):
        found = around.pop()
    return found


def _stands_for(part: ast.expr, whole: ast.expr) -> bool:
    """Whether what is said of a part is meant of the whole."""
    if isinstance(whole, ast.Call):
        return whole.func is part or any(one.value is part and one.arg != "default" for one in whole.keywords) and not isinstance(part, ast.Call)
    return isinstance(whole, ast.IfExp) or isinstance(whole, ast.Attribute) and not isinstance(part, ast.Call)

"""Imports that nothing uses any more once a file is fixed."""

from __future__ import annotations

import ast
import re

from ..finding import Edit, Span
from ..source import Source


def left_behind(before: Source, after: Source) -> list[Edit]:
    """The edits of ``after`` that take out imported names which ``before`` used and ``after`` does not.

    Those of packages (``__init__.py``) and those that ``__all__`` lists are for others, and stay.
    """
    if before.path.endswith("__init__.py"):
        return []
    unused = _used(before) - _used(after)
    return [edit for node in after.nodes(ast.Import) + after.nodes(ast.ImportFrom) for edit in _without(after, node, unused)]


def _used(source: Source) -> set[str]:
    """Every name that is read, and every word in a text, which may be one of ``__all__`` or of an annotation."""
    words = {word for one in source.nodes(ast.Constant) if isinstance(one.value, str) for word in re.findall(r"\w+", one.value)}
    return words | {name.id for name in source.nodes(ast.Name)}


def _without(source: Source, node: ast.Import | ast.ImportFrom, unused: set[str]) -> list[Edit]:
    kept = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) not in unused]
    if len(kept) == len(node.names):
        return []
    span = source.span(node)
    before, behind = source.lines[span.line - 1][: span.column], source.lines[span.end_line - 1][span.end_column :]
    if not kept:
        if before.strip() or behind.strip() or before:  # alone in a block it is needed to hold it
            return []
        above, below = source.lines[span.line - 2 : span.line - 1] or [""], source.lines[span.end_line : span.end_line + 1]
        blank = bool(below) and not above[0].strip() and not below[0].strip() if span.line > 1 else below == [""]
        return [Edit(Span(span.line, 0, span.end_line + 1 + blank, 0), "")]
    if span.line != span.end_line:
        return _lines(source, node, kept)
    names = ", ".join(map(_written, kept))
    first, last = source.span(node.names[0]), source.span(node.names[-1])
    return [Edit(Span(first.line, first.column, last.end_line, last.end_column), names)]


def _lines(source: Source, node: ast.Import | ast.ImportFrom, kept: list[ast.alias]) -> list[Edit]:
    """Names on lines of their own go with their lines; others stay, for the author to put in order."""
    gone = [source.span(alias) for alias in node.names if alias not in kept]
    alone = [span for span in gone if source.lines[span.line - 1].strip().rstrip(",") == source.at(span)]
    return [Edit(Span(span.line, 0, span.line + 1, 0), "") for span in alone]


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name

"""The statements of a file that hold a word, set apart so that ast-grep parses nothing else."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .source import Source, is_text, searchable


class Position(NamedTuple):
    """A place in a file as ``ast`` gives it: a line from 1, a column in bytes; and the excerpt that it is in."""

    line: int
    column: int
    excerpt: ast.stmt | ast.expr


class Excerpts:
    """Simple statements and the expressions of compound ones as one text, in the order of the file.

    Each begins a line of its own, wherever it is indented, and an expression is in parentheses.
    """

    def __init__(self, source: Source, lines: list[int]) -> None:
        """``lines``: those that hold a word, sorted."""
        self._source = source
        self._nodes = sorted(_holding(source.tree.body, lines), key=lambda node: (node.lineno, node.col_offset))
        self._rows: list[int] = []  # where each begins in the text
        written: list[str] = []
        for node in self._nodes:
            self._rows.append(len(written))
            written += self._written(node)
        self.text = searchable("\n".join(written))

    def _written(self, node: ast.stmt | ast.expr) -> list[str]:
        span = self._source.span(node)
        lines = self._source.lines[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column]
        lines[0] = lines[0][span.column :]
        if isinstance(node, ast.expr):
            lines[0] = f"({lines[0]}"
            lines[-1] += ")"
        return lines

    def position(self, row: int, column: int) -> Position:
        """Where a place of the text, by its row and its column in characters, is in the file."""
        index = bisect_right(self._rows, row) - 1
        node, row = self._nodes[index], row - self._rows[index]
        line = node.lineno + row
        if row == 0:
            column += self._source.column(line, node.col_offset) - isinstance(node, ast.expr)
        return Position(line, self._source.byte_column(line, column), node)


def _holding(nodes: Iterable[ast.AST], lines: list[int]) -> Iterator[ast.stmt | ast.expr]:
    """The simple statements, and the expressions of compound ones, that stand on one of these lines."""
    for node in nodes:
        first = getattr(node, "lineno", None)
        if first is not None:
            decorators = getattr(node, "decorator_list", ())
            index = bisect_left(lines, decorators[0].lineno if decorators else first)
            if index == len(lines) or lines[index] > node.end_lineno:  # type: ignore[attr-defined]
                continue
        if isinstance(node, ast.expr) or isinstance(node, ast.stmt) and not isinstance(node, _COMPOUND):
            if not is_text(node):
                yield node
        else:
            yield from _holding(ast.iter_child_nodes(node), lines)


_COMPOUND = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try,
    ast.TryStar, ast.Match,
)

"""One file's text, tree and positions: the one place where bytes become characters.

``ast`` counts columns in UTF-8 bytes, ast-grep and people count characters. Everything here gives characters.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .finding import Finding, Span, Step

_UNSEARCHABLE = re.compile("[\0\ud800-\udfff]")
Node = TypeVar("Node", bound=ast.AST)
_PYTHON = f"Python {sys.version_info[0]}.{sys.version_info[1]}"


_DECLARED = re.compile(r"^#\s*mps:", re.IGNORECASE | re.MULTILINE)  # reading comments is slow
_CUDA_ONLY = re.compile(r"#\s*mps:\s*cuda-only(?![\w-])(?P<reason>.*?)(?:#\s*noqa\b.*)?", re.IGNORECASE)


class Unreadable(Exception):
    """A file, or one cell of a notebook, that cannot be read as Python; ``reason`` tells people what to do.

    ``line`` counts from 1 and ``column`` from 0, within ``cell`` where there is one.
    """

    def __init__(self, path: str, line: int, column: int, reason: str, cell: int | None = None) -> None:
        super().__init__(path, line, column, reason, cell)
        self.path = path
        self.line = line
        self.column = column
        self.reason = reason
        self.cell = cell

    def __str__(self) -> str:
        cell = "" if self.cell is None else f"cell {self.cell}:"
        return f"{self.path}:{cell}{self.line}:{self.column + 1}: {self.reason}"


class Origin(NamedTuple):
    """Where a line of a notebook's module comes from: the cell, counted from 1 among code cells, and the line in it."""

    cell: int
    line: int


class CudaOnly(NamedTuple):
    """The comment ``# mps: cuda-only <reason>``, which takes a whole file out; ``reason`` may be empty."""

    span: Span
    reason: str


class Source:
    """The text of one Python file and the tree of it.

    ``path`` is the name to show. ``lines`` come without their ends; only ``"\\n"`` ends a line, as for ``ast``.
    The module of a notebook has an origin for every line, and ``unreadable_cells`` that it had to leave out.
    """

    def __init__(
        self,
        text: str,
        tree: ast.Module,
        path: str = "<unknown>",
        *,
        origins: Sequence[Origin] | None = None,
        unreadable_cells: tuple[Unreadable, ...] = (),
    ) -> None:
        self.text = text
        self.tree = tree
        self.path = path
        self.is_ascii = text.isascii()
        self.origins = origins
        self.unreadable_cells = unreadable_cells

    @cached_property
    def is_private(self) -> bool:
        """True for a module such as ``_kernels.py``, which only its own package calls."""
        name = self.path.replace("\\", "/").rpartition("/")[2]
        return name.startswith("_") and not name.startswith("__")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def nodes(self, kind: type[Node]) -> list[Node]:
        """The nodes of a type, from the outside in: one walk for all who ask."""
        return self._nodes.get(kind, [])  # type: ignore[return-value]

    @cached_property
    def _nodes(self) -> dict[type, list[ast.AST]]:
        nodes: dict[type, list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            nodes.setdefault(type(node), []).append(node)
        return nodes

    # --- positions ---------------------------------------------------------------------------------------------------

    def column(self, line: int, byte_offset: int) -> int:
        """The character column of a UTF-8 byte offset in a 1-based line."""
        if self.is_ascii:
            return byte_offset
        content = self.lines[line - 1]
        if content.isascii():
            return byte_offset
        return len(content.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore"))

    def byte_column(self, line: int, column: int) -> int:
        """The UTF-8 byte offset of a character column in a 1-based line: ``column`` the other way."""
        if self.is_ascii:
            return column
        return len(self.lines[line - 1][:column].encode("utf-8", "surrogatepass"))

    def span(self, node: ast.AST) -> Span:
        """Where a node with a position stands."""
        line, end_line = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        return Span(
            line,
            self.column(line, node.col_offset),  # type: ignore[attr-defined]
            end_line,
            self.column(end_line, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def token(self, node: ast.AST) -> Span:
        """The token that names a node, so that a report lands on its own line in a chain over many lines.

        ``cuda`` of ``x.cuda``, ``device`` of ``device=x``; a dotted name on one line, and all else, is itself.
        """
        if isinstance(node, ast.Attribute):
            if _is_dotted(node) and node.lineno == node.end_lineno:
                return self.span(node)
            return self.attribute(node)
        span = self.span(node)
        if isinstance(node, ast.keyword) and node.arg:
            end = span.column + _width(node.arg, self.lines[span.line - 1][span.column:], r"\w+")
            return Span(span.line, span.column, span.line, end)
        return span

    def text_of(self, node: ast.AST) -> str:
        """The source of a node on one line, cut short where it is long."""
        text = " ".join(self.at(self.span(node)).split())
        return text if len(text) <= 30 else text[:27] + "..."

    def at(self, span: Span) -> str:
        """The text of a span, line breaks and all."""
        lines = self.lines[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column]
        lines[0] = lines[0][span.column :]
        return "\n".join(lines)

    def attribute(self, node: ast.expr) -> Span:
        """The last name of an attribute expression, ``cuda`` of ``model.cuda``; a name is itself."""
        if not isinstance(node, ast.Attribute):
            return self.token(node)
        line, column = node.end_lineno, self.column(node.end_lineno, node.end_col_offset)
        start = column - _width(node.attr, self.lines[line - 1][:column], r"\w+$")
        return Span(line, start, line, column)

    def locate(self, span: Span) -> tuple[int | None, Span]:
        """The cell that holds a span of a notebook's module, and the span within it; no cell in a plain file."""
        if not self.origins:
            return None, span
        cell, line = self.origins[span.line - 1]
        return cell, span._replace(line=line, end_line=self.origins[span.end_line - 1].line)

    def story(self, trail: Sequence[Step]) -> str:
        """A trail in words: ``float64 from np.linspace, line 12; moved, line 40``, in a notebook with the cells."""
        return "; ".join(dict.fromkeys(f"{step.text}, {self._place(step.line)}" for step in trail))

    def _place(self, line: int) -> str:
        cell, span = self.locate(Span(line, 0, line, 0))
        return f"line {span.line}" if cell is None else f"cell {cell}, line {span.line}"

    def scope(self, line: int) -> str:
        """The dotted name of the function or class around a line, empty at the module's own level."""
        kinds = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
        around = [
            node for kind in kinds for node in self.nodes(kind)
            if min([node.lineno, *(each.lineno for each in node.decorator_list)]) <= line <= node.end_lineno
        ]
        return ".".join(node.name for node in sorted(around, key=lambda node: (node.lineno, -node.end_lineno)))

    # --- cuda-only, noqa ---------------------------------------------------------------------------------------------

    @cached_property
    def cuda_only(self) -> CudaOnly | None:
        """The declaration of the file, the first with a reason if there are several."""
        if "cuda-only" not in self.text.lower() or not _DECLARED.search(self.text):
            return None
        found = None
        for line, column, text in self.comments():
            if not column and (match := _CUDA_ONLY.fullmatch(text.rstrip())):
                found = CudaOnly(Span(line, 0, line, len(text.rstrip())), match["reason"].strip(" \t:,.-–—"))
                if found.reason:
                    break
        return found

    def comments(self) -> Iterator[tuple[int, int, str]]:
        """The comments with their lines and columns."""
        with suppress(tokenize.TokenError, SyntaxError):  # what Python's parser takes, this one may not
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT:
                    yield *token.start, token.string

    @cached_property
    def _flake8(self) -> Any:
        """flake8's own reader of this text, so that noqa means here what it means there."""
        from flake8.processor import FileProcessor

        return FileProcessor(self.path, _NoOptions(), list(io.StringIO(self.text)))

    @cached_property
    def mentions_noqa(self) -> bool:
        return "noqa" in self.text.lower()

    def noqa_text(self, line: int) -> str:
        """Where a ``# noqa`` for a line is looked for: the line, or all lines of the strings that it is part of.

        One and the same object for lines that belong together.
        """
        # flake8 would look for a line it cannot tokenize in a file of that name: a notebook's is not Python
        return self._flake8.noqa_line_for(line) or self.lines[line - 1]

    @cached_property
    def skipped(self) -> bool:
        """Whether a line ``# flake8: noqa`` takes the whole file out."""
        return self._flake8.should_ignore_file()

    def suppressed(self, finding: Finding) -> bool:
        """Whether a ``# noqa`` comment hides the finding, just as flake8 decides it."""
        if not self.mentions_noqa:
            return False
        from flake8.violation import Violation

        line, column = finding.span.line, finding.span.column
        violation = Violation(finding.code, self.path, line, column + 1, finding.message, self.noqa_text(line))
        return self.skipped or violation.is_inline_ignored(disable_noqa=False)


class _NoOptions(argparse.Namespace):
    """flake8 with every option unset."""

    def __getattr__(self, name: str) -> None:
        return None


def searchable(text: str) -> str:
    """A text at the same positions, without the characters that ast-grep refuses: lone surrogates and NUL."""
    return _UNSEARCHABLE.sub("?", text)


def is_text(node: ast.AST) -> bool:
    """True for a docstring, and for a text over many lines that is given a name: no code is in it."""
    is_value = isinstance(node, (ast.Expr, ast.Assign)) and isinstance(node.value, ast.Constant)
    return is_value and node.end_lineno != node.lineno  # type: ignore[attr-defined]


def _is_dotted(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _width(name: str, text: str, pattern: str) -> int:
    """How many characters a name takes where it is written: ``ast`` gives it in NFKC, which may be more or fewer."""
    written = None if text.isascii() or name in text else re.search(pattern, text)
    return len(written[0] if written and unicodedata.normalize("NFKC", written[0]) == name else name)


# --- from bytes to a Source ------------------------------------------------------------------------------------------


def read_source(path: str, name: str | None = None) -> Source:
    """The Python file at ``path``, or standard input for ``-``; ``name`` is what to call it.

    Raises Unreadable for a file that cannot be opened, decoded or parsed.
    """
    return source_of(read_bytes(path), name or ("stdin" if path == "-" else path))


def source_of(data: bytes, name: str) -> Source:
    """The Python file with this content. Raises Unreadable for bytes that cannot be decoded or parsed."""
    text = _decode(data, name)
    return Source(text, parse(text, name), name)


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises Unreadable when the system refuses."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        reason = f"cannot be opened: {error.strerror}; check the path and its permissions"
        raise Unreadable(path, 1, 0, reason) from None


def _decode(data: bytes, path: str) -> str:
    """The text of a Python file, as flake8 reads it. Raises Unreadable for bytes that its encoding does not have."""
    try:
        text = data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line, column = _end(universal_newlines(_leniently(error.object[: error.start], error.encoding)))
        reason = f"byte 0x{error.object[error.start]:02x} is not {error.encoding}; save the file as UTF-8"
        raise Unreadable(path, line, column, f"{reason}, or declare what it is: # coding: latin-1") from None
    except (SyntaxError, LookupError, UnicodeError) as error:
        reason = f"cannot be decoded: {error}; declare the file's true encoding, or save it as UTF-8"
        raise Unreadable(path, 1, 0, reason) from None
    return universal_newlines(text).removeprefix("\ufeff")


def encoding_of(data: bytes) -> str:
    """What PEP 263 says. Raises UnicodeDecodeError for the first bad byte, SyntaxError for a bad declaration."""
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError:
        data.decode("utf-8")
        raise


def _leniently(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding, "replace")
    except LookupError:  # a codec may call itself what Python does not know: "unicodeescape"
        return data.decode("latin-1")


def universal_newlines(text: str) -> str:
    """The text with every line ended by ``"\\n"``, as Python reads it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str, path: str) -> ast.Module:
    """The tree of a text. Raises Unreadable where Python's parser gives up."""
    if bad := _UNSEARCHABLE.search(text):
        what = "a NUL byte" if bad[0] == "\0" else "half a surrogate pair"
        raise Unreadable(path, *_end(text[: bad.start()]), f"{what} is no Python; is this a text file? take it out")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the file's own making, such as "\d"; under -W error they would raise
            return ast.parse(text)
    except SyntaxError as error:
        line, column = max(error.lineno or 1, 1), max((error.offset or 1) - 1, 0)
        reason = f"cannot be parsed as {_PYTHON}: {error.msg}; correct it, until then nothing here is checked"
        raise Unreadable(path, line, column, reason) from None
    except (RecursionError, MemoryError):
        reason = f"nested too deeply for {_PYTHON}; split the expression, until then nothing here is checked"
        raise Unreadable(path, 1, 0, reason) from None


def _end(text: str) -> tuple[int, int]:
    """The line and column right behind a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n") - 1

"""Files that are fixed: their bytes, the Source in them, and edits put back with encoding, line ends and layout kept."""

from __future__ import annotations

import codecs
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress

from ..finding import Edit, Span
from ..source import Source, Unreadable, encoding_of, read_bytes
from .cells import Cells
from .text import apply

Reader = Callable[[bytes, str], Source]
_LINE = re.compile(r"\r\n|\r|\n")


class Document:
    """A Python file in memory."""

    def __init__(self, data: bytes, path: str, read: Reader) -> None:
        self.data = data
        self.path = path
        self.source = read(data, path)
        self._read = read

    def edited(self, edits: Iterable[Edit]) -> Document:
        """The file after edits that do not overlap. Raises Unreadable where no Python comes of it."""
        return type(self)(self._applied(list(edits)), self.path, self._read)

    def _applied(self, edits: list[Edit]) -> bytes:
        encoding = encoding_of(self.data)
        mark = codecs.BOM_UTF8 if self.data.startswith(codecs.BOM_UTF8) else b""
        text = self.data.decode(encoding).removeprefix("\ufeff")
        return mark + apply(*lines_of(text), edits).encode("utf-8" if encoding == "utf-8-sig" else encoding)

    def write(self) -> None:
        """Puts the bytes in place of the file's, at once and with its mode. Raises Unreadable when the system refuses."""
        replace_file(self.path, self.data)


class NotebookDocument(Document):
    """A notebook in memory; of its JSON only the text of edited cells changes."""

    def _applied(self, edits: list[Edit]) -> bytes:
        cells = Cells(self.data.decode("utf-8"))
        by_cell: dict[int, list[Edit]] = {}
        for edit in edits:
            cell, span = self._located(edit.span, cells)
            by_cell.setdefault(cell, []).append(Edit(span, edit.text))
        texts = {cell: apply(*lines_of(cells.texts[cell]), some) for cell, some in by_cell.items()}
        kept = {cell: text if cells.texts[cell].endswith("\n") else text.rstrip("\n") for cell, text in texts.items()}
        return cells.edited(kept).encode("utf-8")

    def _located(self, span: Span, cells: Cells) -> tuple[int, Span]:
        origins = self.source.origins or []
        if span.line > len(origins):
            raise Unreadable(self.path, 1, 0, "the edit lies outside of the cells")
        cell, line = origins[span.line - 1]
        if span.end_line <= len(origins) and origins[span.end_line - 1].cell == cell:
            return cell, span._replace(line=line, end_line=origins[span.end_line - 1].line)
        if not span.end_column and span.end_line == span.line + 1:  # a line and its end, the last of a cell
            return cell, Span(line, span.column, line + 1, 0)
        raise Unreadable(self.path, 1, 0, "the edit lies in two cells")


def lines_of(text: str) -> tuple[list[str], list[str]]:
    """The lines of a text as ``ast`` counts them, and how each ends; the last ends in nothing."""
    return _LINE.split(text), [*_LINE.findall(text), ""]


def replace_file(path: str, data: bytes) -> None:
    """Writes a file beside the old one and lets it take its place; a link keeps pointing to what it pointed to.

    Raises Unreadable where that is refused, and for a file that is not to be written.
    """
    target = os.path.realpath(path)
    try:
        before = os.stat(target)
        if not before.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(target, os.W_OK):
            raise PermissionError(0, "it is read-only")
        handle, beside = tempfile.mkstemp(prefix=".flake8-mps-", dir=os.path.dirname(target))
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with suppress(OSError):  # of another owner, where only root may give files away
                os.chown(beside, before.st_uid, before.st_gid)
            os.chmod(beside, stat.S_IMODE(before.st_mode))
            os.replace(beside, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside)
            raise
    except OSError as error:
        raise Unreadable(path, 1, 0, f"cannot be written: {error.strerror}; it is as it was") from None


def read_document(path: str, read: Reader) -> Document:
    """The file at ``path``. Raises Unreadable as ``read`` does, and where the system refuses."""
    kind = NotebookDocument if path.endswith(".ipynb") else Document
    return kind(read_bytes(path), path, read)

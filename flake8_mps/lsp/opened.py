"""One text of an editor: its findings, and what it becomes when they are mended."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial

from ..checking import for_source
from ..config import Config, matches
from ..finding import Edit, Finding, Safety
from ..fixer import Document, fix, fix_one
from ..fixer.documents import lines_of
from ..fixer.text import apply
from ..linter import lint
from ..source import Source, parse, universal_newlines


@dataclass(frozen=True)
class Mended:
    """The text with one finding mended, or all that are safe; ``is_safe`` as the fixer has it."""

    text: str
    is_safe: bool


class Opened:
    """A text that parses. ``written`` is it with the editor's own line ends; ``findings`` are in the order of the file."""

    def __init__(self, text: str, path: str, config: Config) -> None:
        """Raises Unreadable for a text that does not parse, ConfigError for a wrong table of its project."""
        self.written = text
        self.source = _source(text, path)
        self.config = for_source(self.source, config)
        self._told = config
        self.findings = [] if _is_excluded(path, self.config) else self._found(self.source)

    @cached_property
    def lines(self) -> list[str]:
        """The lines as ``ast`` and editors count them, without their ends."""
        return self.source.lines

    def _found(self, source: Source, fixes: bool = False) -> list[Finding]:
        return [one for one in lint(source, self._told, fixes=fixes) if not source.suppressed(one)]

    # --- fixes -------------------------------------------------------------------------------------------------------

    @cached_property
    def _document(self) -> Document:
        return _TextDocument.of(self.written, self.source.path)

    @cached_property
    def _with_fixes(self) -> list[Finding]:
        return self._found(self.source, fixes=True)

    @cached_property
    def _mended_by_finding(self) -> dict[Finding, Mended | None]:
        return {}

    def mended(self, finding: Finding) -> Mended | None:
        """What comes of mending one finding, safely or not; None where that is left to people."""
        if finding not in self._mended_by_finding:
            fixable = next((one for one in self._with_fixes if one == finding), finding)
            done = fix_one(self._document, fixable, self._with_fixes, partial(self._found, fixes=True), self.config)
            mended = Mended(_text(done[0]), done[1].safety is Safety.SAFE) if done else None
            self._mended_by_finding[finding] = mended
        return self._mended_by_finding[finding]

    @cached_property
    def all_mended(self) -> Mended | None:
        """What comes of mending all that is safe to mend; None for nothing."""
        if not self.findings:
            return None
        done = fix(self._document, partial(self._found, fixes=True), self.config)
        return Mended(_text(done.document), True) if done.applied else None


class _TextDocument(Document):
    """A text that an editor holds: UTF-8 between the two, whatever the file declares."""

    @classmethod
    def of(cls, text: str, path: str) -> Document:
        return cls(text.encode(), path, lambda data, name: _source(data.decode(), name))

    def _applied(self, edits: list[Edit]) -> bytes:
        return apply(*lines_of(self.data.decode()), edits).encode()


def _text(document: Document) -> str:
    return document.data.decode()


def _source(text: str, path: str) -> Source:
    text = universal_newlines(text)
    return Source(text, parse(text, path), path)


def _is_excluded(path: str, config: Config) -> bool:
    """Whether the project leaves the file out: an editor opens what nobody named."""
    around = config.around
    return bool(config.exclude and around) and matches(config.exclude, path, os.path.dirname(around.file))

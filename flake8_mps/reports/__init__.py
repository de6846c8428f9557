"""What people and machines are shown: one module for each format, with ``render(report)``."""

from __future__ import annotations

import hashlib
import importlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..finding import Finding
from ..source import Unreadable

FORMATS = ("text", "json", "sarif", "github", "gitlab", "html")


class Place(NamedTuple):
    """A line that a finding speaks of, and what happens there; ``cell`` in a notebook, where lines count within it."""

    cell: int | None
    line: int
    text: str = ""


class Located(NamedTuple):
    """A finding in its file; in a notebook ``finding.span`` lies within the cell.

    ``context`` are the lines around it, of which the first has the number ``first``. ``scope`` is the function or class.
    ``trail`` tells how the value came about, and ``cause`` where what has to be mended first stands.
    """

    path: str
    cell: int | None
    finding: Finding
    context: tuple[str, ...] = ()
    first: int = 1
    scope: str = ""
    trail: tuple[Place, ...] = ()
    cause: Place | None = None

    @property
    def code_line(self) -> str:
        """The source line that is reported, stripped; empty where nobody knows it."""
        index = self.finding.span.line - self.first
        return self.context[index].strip() if 0 <= index < len(self.context) else ""

    @property
    def kind(self) -> tuple[str, str, str]:
        """What stays the same when lines are inserted above and folders are renamed."""
        return self.finding.code, self.scope, " ".join(self.code_line.split())


@dataclass
class Report:
    """One run: what was found, what could not be read, and in how many files somebody looked."""

    findings: list[Located] = field(default_factory=list)
    problems: list[Unreadable] = field(default_factory=list)
    files: int = 0

    def fingerprinted(self) -> Iterator[tuple[Located, str]]:
        """The findings, each with a text that only it has, and that outlasts lines inserted above it."""
        seen: Counter[tuple[str, ...]] = Counter()
        for located in self.findings:
            seen[located.path, *located.kind] += 1
            key = "\0".join((located.path, *located.kind, str(seen[located.path, *located.kind])))
            yield located, hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def format_named(name: str) -> Any:
    """The module of a format."""
    return importlib.import_module(f"{__name__}.{name}")

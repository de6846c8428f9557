"""Reads the findings that a fixture expects: ``# expect: MPS101`` at the end of a line, in a notebook cell too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["code_cells", "expected"]

_MARK = re.compile(r"#\s*expect:(?P<codes>(?:\s+MPS\d{3})+)\s*$")
_ATTEMPT = re.compile(r"#\s*expect\b")


def expected(path: str | Path) -> list[tuple[int | None, int, str]]:
    """The ``(cell, line, code)`` of every mark in a ``.py`` or ``.ipynb`` file, in order.

    ``cell`` is None for a ``.py`` file, else the code cell counted from 1; ``line`` counts from 1, in the cell for a
    notebook. A comment that looks like a mark and is none raises ValueError, so that no expectation is lost by a typo.
    """
    path = Path(path)
    if path.suffix == ".ipynb":
        return [
            (number, line, code)
            for number, source in enumerate(code_cells(path), 1)
            for line, code in _marks(source, f"{path}, cell {number}")
        ]
    return [(None, line, code) for line, code in _marks(path.read_text(encoding="utf-8"), str(path))]


def code_cells(path: str | Path) -> list[str]:
    """The sources of a notebook's code cells."""
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _marks(text: str, where: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if match := _MARK.search(line):
            for code in match["codes"].split():
                yield number, code
        elif _ATTEMPT.search(line):
            raise ValueError(f"{where}, line {number}: not a mark: {line.strip()}")

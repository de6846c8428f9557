"""The lines that flake8 prints, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from . import Located


def line(located: Located) -> str:
    """``path:line:column: code message``, the column from 1; a cell of a notebook stands before the line."""
    path, cell, finding = located
    place = path if cell is None else f"{path}:cell {cell}"
    return f"{place}:{finding.span.line}:{finding.span.column + 1}: {finding.code} {finding.message}"


def summary(findings: Iterable[Located], files: int, unreadable: int) -> str:
    """How many findings of which codes, in how many of the files read; what could not be read comes first."""
    findings = list(findings)
    lines = [f"{_count(unreadable, 'file or cell', 'files or cells')} could not be read"] if unreadable else []
    if findings:
        found_in = len({located.path for located in findings})
        codes = Counter(located.finding.code for located in findings)
        total = f"{_count(len(findings), 'finding', 'findings')} in {found_in} of {_count(files, 'file', 'files')}"
        lines.append(f"{total}: {', '.join(f'{number} {code}' for code, number in sorted(codes.items()))}")
    else:
        lines.append(f"no findings in {_count(files, 'file', 'files')}")
    return "\n".join(lines)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

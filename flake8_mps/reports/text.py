"""The lines that flake8 prints, a summary, and a table of what was found how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from . import Located, Report


def render(report: Report) -> str:
    """A line for each finding."""
    return "".join(f"{line(located)}\n" for located in report.findings)


def line(located: Located) -> str:
    """``path:line:column: code message``, the column from 1; a cell of a notebook stands before the line."""
    path, cell, finding = located[:3]
    place = path if cell is None else f"{path}:cell {cell}"
    return f"{place}:{finding.span.line}:{finding.span.column + 1}: {finding.code} {finding.message}"


def summary(report: Report) -> str:
    """How many findings of which severities and codes, in how many of the files read; the unreadable comes first."""
    unreadable = len(report.problems)
    lines = [f"{count(unreadable, 'file or cell', 'files or cells')} could not be read"] if unreadable else []
    if report.findings:
        found_in = len({located.path for located in report.findings})
        codes = Counter(located.finding.code for located in report.findings)
        total = f"{count(len(report.findings), 'finding', 'findings')} in {found_in} of {count(report.files, 'file', 'files')}"
        lines.append(f"{total} ({severities(report.findings)}): {', '.join(f'{codes[code]} {code}' for code in sorted(codes))}")
    else:
        lines.append(f"no findings in {count(report.files, 'file', 'files')}")
    return "\n".join(lines)


def severities(findings: Iterable[Located]) -> str:
    """``2 errors, 1 warning``, the worst first."""
    counted = Counter(located.finding.severity for located in findings)
    names = {severity: severity.name.lower() for severity in counted}
    return ", ".join(
        f"{counted[each]} {names[each]}" if names[each] == "info" else count(counted[each], names[each], f"{names[each]}s")
        for each in sorted(counted, reverse=True)
    )


def statistics(report: Report, names: dict[str, str]) -> str:
    """One line for each code, the most frequent first: findings, files, severity, code and name."""
    rows: dict[str, list[Located]] = {}
    for located in report.findings:
        rows.setdefault(located.finding.code, []).append(located)
    lines = [f"{'findings':>8} {'files':>6}  code"] if rows else []
    for code, found in sorted(rows.items(), key=lambda row: (-len(row[1]), row[0])):
        files = len({located.path for located in found})
        lines.append(f"{len(found):>8} {files:>6}  {code} {names.get(code, '')} ({severities(found)})")
    return "\n".join(lines)


def count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

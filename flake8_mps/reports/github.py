"""Annotations of a pull request: GitHub reads them from the output of a step of a workflow."""

from __future__ import annotations

from ..finding import Severity
from . import Report

COMMANDS = {Severity.INFO: "notice", Severity.WARNING: "warning", Severity.ERROR: "error"}


def render(report: Report) -> str:
    """One workflow command for each finding, and for each file or cell that could not be read.

    An annotation of a notebook stands at its file: GitHub knows no cells.
    """
    lines = []
    for located in report.findings:
        span, cell = located.finding.span, located.cell
        place = {"file": located.path}
        if cell is None:
            place |= {"line": str(span.line), "endLine": str(span.end_line), "col": str(span.column + 1)}
            place |= {"endColumn": str(span.end_column + 1)} if span.end_line == span.line else {}
        message = located.finding.message if cell is None else f"cell {cell}, line {span.line}: {located.finding.message}"
        lines.append(_command(COMMANDS[located.finding.severity], {**place, "title": located.finding.code}, message))
    for problem in report.problems:
        cell = "" if problem.cell is None else f"cell {problem.cell}: "
        place = {"file": problem.path, "line": str(problem.line), "title": "could not be read"}
        lines.append(_command("error", place, f"{cell}{problem.reason}"))
    return "".join(f"{line}\n" for line in lines)


def _command(name: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{key}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items())
    return f"::{name} {told}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

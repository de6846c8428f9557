"""Everything about a run for programs: ``schema`` 1 only ever gains keys."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from .. import __version__
from . import Located, Place, Report


def render(report: Report) -> str:
    findings = [_finding(located, fingerprint) for located, fingerprint in report.fingerprinted()]
    document = {
        "schema": 1,
        "tool": {"name": "flake8-mps", "version": __version__},
        "files": report.files,
        "findings": findings,
        "unreadable": [
            {"path": each.path, "cell": each.cell, "line": each.line, "column": each.column + 1, "message": each.reason}
            for each in report.problems
        ],
        "summary": {
            "findings": len(findings),
            "by_code": dict(sorted(Counter(each["code"] for each in findings).items())),
            "by_severity": dict(sorted(Counter(each["severity"] for each in findings).items())),
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _finding(located: Located, fingerprint: str) -> dict[str, Any]:
    """Lines and columns count from 1, columns are characters, and ``end_column`` is behind the last one."""
    finding = located.finding
    return {
        "path": located.path,
        "cell": located.cell,
        "line": finding.span.line,
        "column": finding.span.column + 1,
        "end_line": finding.span.end_line,
        "end_column": finding.span.end_column + 1,
        "code": finding.code,
        "severity": finding.severity.name.lower(),
        "world": finding.world.value,
        "message": finding.message,
        "scope": located.scope,
        "source": located.code_line,
        "trail": [_place(place) for place in located.trail],
        "cause": _place(located.cause) if located.cause else None,
        "fingerprint": fingerprint,
    }


def _place(place: Place) -> dict[str, Any]:
    return {"cell": place.cell, "line": place.line, "text": place.text}

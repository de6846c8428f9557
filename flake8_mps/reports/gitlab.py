"""GitLab's code quality report: a list of issues, each with a fingerprint of its own."""

from __future__ import annotations

import hashlib
import json

from ..finding import Severity
from . import Report

SEVERITIES = {Severity.INFO: "info", Severity.WARNING: "minor", Severity.ERROR: "major"}


def render(report: Report) -> str:
    """The report; what could not be read is an issue that blocks."""
    issues = []
    for located, fingerprint in report.fingerprinted():
        finding = located.finding
        cell = "" if located.cell is None else f"cell {located.cell}, line {finding.span.line}: "
        issues.append({
            "description": f"{finding.code} {cell}{finding.message}",
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": SEVERITIES[finding.severity],
            "location": {"path": located.path.removeprefix("./"), "lines": {"begin": finding.span.line}},
        })
    for problem in report.problems:
        issues.append({
            "description": str(problem),
            "check_name": "unreadable",
            "fingerprint": hashlib.sha256(str(problem).encode("utf-8", "surrogatepass")).hexdigest()[:32],
            "severity": "blocker",
            "location": {"path": problem.path.removeprefix("./"), "lines": {"begin": problem.line}},
        })
    return json.dumps(issues, indent=1) + "\n"

"""SARIF 2.1.0, for code scanning and viewers: rules with their pages, results with fingerprints and the value's trail.

A line of a notebook counts within its cell, and ``logicalLocations`` name the cell: SARIF has no such place of its own.
Fixes wait for edits whose text does not depend on the rest of the file.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..config import OWN_CODES
from ..finding import Severity, Span
from ..rule import Rule, load_rules
from ..source import Unreadable
from . import Located, Place, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
FINGERPRINT = "flake8Mps/v1"


def render(report: Report) -> str:
    found = {located.finding.code for located in report.findings}
    rules = [*(_own(code) for code in OWN_CODES if code in found), *(_rule(rule) for rule in load_rules())]
    known = {rule["id"] for rule in rules}
    rules += [{"id": code} for code in sorted(found - known)]  # other plugins', where flake8 reports
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    invocation = {
        "executionSuccessful": not report.problems,
        "toolExecutionNotifications": [_notification(problem) for problem in report.problems],
    }
    run = {
        "tool": {"driver": {"name": "flake8-mps", "semanticVersion": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(located, key, index) for located, key in report.fingerprinted()],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    page = rule.documentation()
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": page.split("\n", 1)[0].rstrip(" .") + "."},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": ["pytorch", "mps", rule.world.value]},
    }


def _own(code: str) -> dict[str, Any]:
    name, text = OWN_CODES[code]
    return {"id": code, "name": name, "shortDescription": {"text": f"{text}."}}


def _result(located: Located, fingerprint: str, index: dict[str, int]) -> dict[str, Any]:
    finding = located.finding
    result = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_location(located.path, located.cell, finding.span, located.code_line)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "properties": {"world": finding.world.value},
    }
    if located.trail:
        steps = [*located.trail, Place(located.cell, finding.span.line, finding.message)]
        result["codeFlows"] = [{"threadFlows": [{"locations": [_step(located.path, step) for step in steps]}]}]
    if located.cause:
        result["relatedLocations"] = [{**_step(located.path, located.cause)["location"], "message": {"text": "mend this first"}}]
    return result


def _location(path: str, cell: int | None, span: Span, snippet: str = "") -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": span.line, "startColumn": span.column + 1, "endLine": span.end_line, "endColumn": span.end_column + 1
    }
    if snippet:
        region["snippet"] = {"text": snippet}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": uri(path)}, "region": region}}
    if cell is not None:
        location["logicalLocations"] = [{"name": f"cell {cell}", "kind": "module"}]
    return location


def _step(path: str, place: Place) -> dict[str, Any]:
    location = _location(path, place.cell, Span(place.line, 0, place.line, 0))
    del location["physicalLocation"]["region"]["endColumn"]
    return {"location": {**location, **({"message": {"text": place.text}} if place.text else {})}}


def _notification(problem: Unreadable) -> dict[str, Any]:
    span = Span(problem.line, problem.column, problem.line, problem.column)
    return {
        "level": "error",
        "message": {"text": str(problem)},
        "locations": [_location(problem.path, problem.cell, span)],
    }


def uri(path: str) -> str:
    """A path as a relative or file URI."""
    clean = path.replace("\\", "/").removeprefix("./")
    return ("file://" if clean.startswith("/") else "") + quote(clean, errors="surrogateescape")

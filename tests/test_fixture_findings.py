"""The linter finds in fixtures/ what is marked there, and nothing else; codes not built yet are listed as pending."""

from __future__ import annotations

from pathlib import Path

import pytest
from expectations import expected

from flake8_mps.config import Config
from flake8_mps.finding import Severity
from flake8_mps.linter import lint
from flake8_mps.notebook import read_notebook
from flake8_mps.rule import load_rules
from flake8_mps.source import read_source

ROOT = Path(__file__).parents[1] / "fixtures"
PROGRAMS = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".ipynb"))
BUILT = {rule.code for rule in load_rules()}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_findings_are_the_marks(path: Path) -> None:
    source = read_notebook(str(path)) if path.suffix == ".ipynb" else read_source(str(path))
    found = set()
    for finding in lint(source, Config()):
        cell, span = source.locate(finding.span)
        found.add((cell, span.line, finding.code))
    assert found == {mark for mark in expected(path) if mark[2] in BUILT}


def test_every_rule_has_a_mark_in_a_program() -> None:
    on_by_default = {rule.code for rule in load_rules() if rule.severity > Severity.INFO}
    assert on_by_default <= {code for path in PROGRAMS for _, _, code in expected(path)}

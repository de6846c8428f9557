"""Every fix is put to the test by the examples of its rule: fixed, an example parses, is silent, and stays as it is."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Sequence

import pytest
from evidence import Case, cases

from flake8_mps.config import Config
from flake8_mps.finding import Finding, Safety, Severity
from flake8_mps.fixer import Document, Fixed, fix
from flake8_mps.linter import lint
from flake8_mps.rule import Rule, load_rules
from flake8_mps.source import Source, source_of

EVERYTHING = Config(level=Severity.INFO)
MENDING = [rule for rule in load_rules() if type(rule).fix is not Rule.fix]
BAD = [case for case in cases("bad") if case.rule in MENDING]

PARTLY = {
    "MPS103": "a choice by words of the program's own, such as 'gpu', needs its table to know MPS too",
    "MPS104": "a type with a name of its own, or an argument that may be a size or values",
    "MPS107": "'gpu' and the like say that a GPU is wanted, not which",
    "MPS109": "a count of GPUs is no question for one",
    "MPS303": "float8 needs a decision between the dtypes of 16 bits",
    "MPS401": "outside of forward, which input gives the device",
    "MPS402": "a list that is filled in several places",
    "MPS403": "a move in the middle of an expression has no name to keep it under",
    "MPS405": "a model on the CPU, a table that is indexed, operands of which neither is written alone",
    "MPS406": "a generator of the CPU that meets the device",
    "MPS601": "streams, graphs, contexts, and events that are handed on",
    "MPS610": "arguments with a text of CUDA's, and calls",
    "MPS612": "one of several errors or handlers",
    "MPS701": "what is pinned is computed where it is pinned",
    "MPS702": "nothing compiles for MPS before torch 2.8",
    "MPS703": "in a function, or where os is imported behind torch",
}
"""Rules whose fix leaves some of their examples to the author, and why."""


def findings(source: Source) -> Sequence[Finding]:
    return lint(source, EVERYTHING, fixes=True)


def fixed(text: str, allowed: Safety = Safety.UNSAFE) -> Fixed:
    return fix(Document(text.encode(), "example.py", source_of), findings, EVERYTHING, allowed)


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_fixed_example_is_silent_or_says_why(case: Case) -> None:
    done = fixed(case.example.source)
    ast.parse(done.document.source.text)
    left = [one for one in done.left if one.finding.code == case.rule.code]
    assert not left or case.rule.code in PARTLY and all(one.why != "there is no automatic fix" for one in left)


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_second_fix_changes_nothing(case: Case) -> None:
    once = fixed(case.example.source).document
    assert fixed(once.source.text).document.source.text == once.source.text


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_fix_brings_no_other_finding(case: Case) -> None:
    before = Counter(one.code for one in lint(Source(case.example.source, ast.parse(case.example.source)), EVERYTHING))
    after = Counter(one.finding.code for one in fixed(case.example.source).left)
    assert not after - before


@pytest.mark.parametrize("case", cases("good"), ids=str)
def test_a_good_example_is_left_alone(case: Case) -> None:
    done = fixed(case.example.source)
    mended = Counter(one.code for one in findings(Source(case.example.source, ast.parse(case.example.source))))
    assert done.document.source.text == case.example.source or mended


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.code)
def test_a_page_says_whether_there_is_a_fix(rule: Rule) -> None:
    said = re.search(r"## Fix safety\n(.*?)\n## ", rule.documentation(), re.DOTALL)
    assert said
    says_none = "no automatic fix" in said[1] or "Nothing has to be mended" in said[1]
    assert says_none == (rule not in MENDING), "the page and the rule differ"


def test_what_has_no_fix_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed with -s, and as part of the list of the tests that ran: how much of the examples is mended."""
    total, mended = Counter(case.rule.code for case in cases("bad")), Counter()
    for case in BAD:
        left = Counter(one.finding.code for one in fixed(case.example.source).left)
        mended[case.rule.code] += not left[case.rule.code]
    for code, count in sorted(total.items()):
        print(f"{code}: {mended[code]} of {count} examples mended" if mended[code] else f"{code}: no fix")
    assert all(mended[code] == total[code] for code in {rule.code for rule in MENDING} - PARTLY.keys())

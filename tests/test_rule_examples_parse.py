"""What every rule file looks like: its name, its page, its size, its examples. Nothing is linted here."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from evidence import Case, cases

from flake8_mps import rules
from flake8_mps.rule import Raises, Rule, Runs, RunsOnCpu, Severity, Warns, World, load_rules

RULES = load_rules()
FILES = sorted(path for path in Path(rules.__path__[0]).glob("*.py") if not path.name.startswith("_"))
EXAMPLES = [*cases("bad"), *cases("good")]

SECTIONS = ["Why it breaks on MPS", "Use instead", "Fix safety", "Sources"]
WORLDS = {"1267": World.AS_WRITTEN, "345": World.ONCE_PORTED}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def module_of(rule: Rule) -> Path:
    return Path(sys.modules[type(rule).__module__].__file__)


# --- the file --------------------------------------------------------------------------------------------------------


def test_each_file_holds_one_rule() -> None:
    assert [module_of(rule).name for rule in RULES] == [file.name for file in FILES]


@each_rule
def test_a_file_is_named_after_its_rule(rule: Rule) -> None:
    assert module_of(rule).stem == f"{rule.code.lower()}_{rule.name.replace('-', '_')}"


@each_rule
def test_a_file_can_be_read_in_one_sitting(rule: Rule) -> None:
    assert 40 <= len(module_of(rule).read_text(encoding="utf-8").splitlines()) <= 200


@each_rule
def test_the_page_has_its_sections(rule: Rule) -> None:
    title, _, rest = rule.documentation().partition("\n")
    assert title.endswith(".") and rest.startswith("\n")
    assert [head for head in re.findall(r"^## (.+)$", rest, re.MULTILINE) if head in SECTIONS] == SECTIONS
    assert all(re.findall(rf"^## {head}\n\S", rest, re.MULTILINE) for head in SECTIONS)


# --- the declarations ------------------------------------------------------------------------------------------------


@each_rule
def test_a_rule_declares_itself(rule: Rule) -> None:
    assert re.fullmatch(r"MPS[1-7]\d\d", rule.code)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", rule.name)
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.since)
    assert isinstance(rule.severity, Severity) and isinstance(rule.expect, Raises | RunsOnCpu | Runs | Warns)
    assert any(vars(rule.where).values()), "a rule that looks nowhere finds nothing"


@each_rule
def test_the_family_of_a_code_is_decided_in_one_world(rule: Rule) -> None:
    assert [world for family, world in WORLDS.items() if rule.code[3] in family] == [rule.world]


@pytest.mark.parametrize("shared", ["code", "name"])
def test_a_code_or_name_is_given_once(shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"code": "MPS799", "name": "not-yet-taken"} | {shared: getattr(RULES[0], shared)}
    declaration = f"class Second(Rule):\n    code, name = {other['code']!r}, {other['name']!r}\n"
    (tmp_path / "mps_second.py").write_text(f"from flake8_mps.rule import Rule\n\n\n{declaration}")
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "flake8_mps.rules.mps_second", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match=f"{other[shared]} is declared twice"):
        load_rules.__wrapped__()


# --- the examples ----------------------------------------------------------------------------------------------------


@each_rule
def test_a_rule_has_enough_examples(rule: Rule) -> None:
    assert len(rule.bad) >= 3 and len(rule.good) >= 3
    texts = [example.source for example in [*rule.bad, *rule.good]]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_an_example_is_a_program(case: Case) -> None:
    ast.parse(case.example.source)
    assert "^^" not in case.example.source, "a line of marks that was not understood"


@pytest.mark.parametrize("case", cases("bad"), ids=str)
def test_a_bad_example_marks_whole_tokens(case: Case) -> None:
    assert case.rule.code in {mark.code for mark in case.example.marks}
    lines = case.example.source.split("\n")
    for mark in case.example.marks:
        line, end = lines[mark.line - 1], mark.column + mark.width
        assert end <= len(line)
        assert not any(cuts_a_name(line, place) for place in (mark.column, end))


@pytest.mark.parametrize("case", cases("good"), ids=str)
def test_a_good_example_marks_nothing(case: Case) -> None:
    assert not case.example.marks


def cuts_a_name(line: str, place: int) -> bool:
    return line[max(place - 1, 0):place + 1].isidentifier() and 0 < place < len(line)

"""Code that looks like trouble and is right on a Mac: nothing is reported, and what is planted beside it is."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from flake8_mps.config import Config
from flake8_mps.finding import Severity
from flake8_mps.linter import lint
from flake8_mps.source import Source

FOLDER = Path(__file__).parents[1] / "fixtures" / "near_misses"
FILES = sorted(FOLDER.glob("*.py"))
DEFINED = (ast.FunctionDef, ast.ClassDef)
PLANTED = "torch.zeros(1).cuda()"


@functools.cache
def parsed(path: Path) -> tuple[str, ast.Module]:
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text)


def cases(path: Path) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The functions and classes that say, above them or in their docstring, why they are right."""
    text, tree = parsed(path)
    lines = text.split("\n")
    for node in tree.body:
        if isinstance(node, DEFINED):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if lines[first - 2].startswith("# Right") or (ast.get_docstring(node) or "").startswith("Right"):
                yield node


CALLED_ONLY_WITH_CUDA = {"describe"}
CASES = [(path, node.name) for path in FILES for node in cases(path)]


def reported(path: Path, text: str, level: Severity) -> set[tuple[str, int]]:
    found = lint(Source(text, ast.parse(text), str(path)), Config(level=level))
    return {(finding.code, finding.span.line) for finding in found}


def with_planted(path: Path, name: str) -> tuple[str, int]:
    """The file with a bare call of CUDA in a case, before anything else there, and the line of it. Behind the case
    where a decorator, or its only caller, keeps the whole of it to other machines."""
    text, tree = parsed(path)
    lines = text.split("\n")
    case = next(node for node in tree.body if isinstance(node, DEFINED) and node.name == name)
    inner = next((node for node in case.body if isinstance(node, ast.FunctionDef)), case) if isinstance(case, ast.ClassDef) else case
    if case.decorator_list or inner.decorator_list or name in CALLED_ONLY_WITH_CUDA:
        line, indent = (case.end_lineno or 0) + 1, 0
    else:
        first = inner.body[1] if ast.get_docstring(inner) is not None and len(inner.body) > 1 else inner.body[0]
        line, indent = first.lineno, first.col_offset
    return "\n".join([*lines[: line - 1], " " * indent + PLANTED, *lines[line - 1 :]]), line


def test_the_set_is_worth_its_name() -> None:
    assert len(CASES) == len(set(CASES)) >= 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_reported_at_any_level(path: Path) -> None:
    assert reported(path, parsed(path)[0], Severity.INFO) == set()


@pytest.mark.parametrize(("path", "name"), CASES, ids=lambda part: part if isinstance(part, str) else part.stem)
def test_what_is_planted_in_a_case_is_reported_alone(path: Path, name: str) -> None:
    text, line = with_planted(path, name)
    assert reported(path, text, Severity.WARNING) == {("MPS102", line)}

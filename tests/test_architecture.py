"""The arrows between the parts, the sizes of files and functions, and what a run loads.

The picture is in CONTRIBUTING.md. A part is a module or folder of ``flake8_mps``, or ``rules``. An import that only
type checkers see is no arrow.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flake8_mps
from flake8_mps import rules

PACKAGE, RULES = Path(flake8_mps.__file__).parent, Path(rules.__path__[0])

BASE = {"config", "finding", "source"}
DECIDING = {"edits", "facts", "operators", "rule", "rules", "shapes"}

ARROWS: dict[str, set[str]] = {
    "finding": set(),
    "source": {"finding"},
    "project": {"source"},
    "config": {"finding", "project"},
    "imports": {"project", "source"},
    "notebook": {"source"},
    "words": set(),
    "excerpts": {"source"},
    "shapes": {"excerpts", "source", "words"},
    "operators": BASE,
    "facts": {*BASE, "imports", "shapes"},
    "rule": {*BASE, "shapes"},
    "edits": BASE,
    "rules": {*BASE, "edits", "facts", "operators", "rule"},
    "linter": {*BASE, *DECIDING},
    "fixer": BASE,
    "reports": {*BASE, "rule"},
    "probe": {*BASE, "facts", "operators", "rule"},
    "plugin": {*BASE, *DECIDING, "linter", "reports"},
    "formats": {"finding", "reports", "rule"},
    "discovery": {"config", "project", "source"},
    "baseline": {"config", "reports"},
    "revision": {"config", "notebook", "source"},
    "suppressions": BASE,
    "terminal": set(),
    "checking": {*BASE, "discovery", "linter", "notebook", "project", "reports", "revision", "rule", "suppressions"},
    "lsp": {*BASE, "checking", "fixer", "imports", "linter", "rule"},
    "commands": {*BASE, *DECIDING, "baseline", "checking", "revision", "terminal", "discovery", "linter", "notebook", "fixer", "lsp", "project", "reports", "probe"},
    "cli": {"commands", "config"},
    "pytest_plugin": {*BASE, "probe"},
    "__main__": {"cli"},
    "__init__": set(),
}
DISCOVERY = ("rule", "rules")
"""The one arrow that points back: the registry is the folder, and ``load_rules`` reads it."""


def modules_in(folder: Path, package: str) -> dict[str, Path]:
    paths = {path: path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py")}
    return {".".join((package, *name.parts)): path for path, name in paths.items()}


FILES = modules_in(PACKAGE, "flake8_mps") | modules_in(RULES, "flake8_mps.rules")
each_file = pytest.mark.parametrize("module", sorted(FILES))


def part_of(module: str) -> str:
    """``facts`` of ``flake8_mps.facts.values``; the package itself is ``__init__``."""
    return module.split(".")[1] if "." in module else "__init__"


def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


# --- reading imports -------------------------------------------------------------------------------------------------


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without the bodies of ``if TYPE_CHECKING:``."""
    yield node
    for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    for child in node.orelse if for_types else ast.iter_child_nodes(node):
        yield from at_run_time(child)


def imported(module: str, tree: ast.Module) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in it; those from a package may be its modules."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(module, node)
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (name.value for name in node.args[:1] if isinstance(name, ast.Constant))


def absolute(module: str, node: ast.ImportFrom) -> str:
    """The package or module that names are imported from."""
    if not node.level:
        return node.module or ""
    parents = module.removesuffix(".__init__").split(".")
    levels = node.level - module.endswith(".__init__")
    return ".".join([*parents[:len(parents) - levels], *([node.module] if node.module else [])])


def parts_imported(module: str, tree: ast.Module) -> set[str]:
    """The other parts that a module imports. A name of the package that is no part, like its version, is none."""
    names = {name for name in imported(module, tree) if name.split(".")[0] == "flake8_mps"}
    parts = {part_of(name) for name in names} & {part_of(file) for file in FILES}
    return parts - {part_of(module), "__init__"}


# --- the arrows ------------------------------------------------------------------------------------------------------


@each_file
def test_a_part_imports_only_along_the_arrows(module: str) -> None:
    part = part_of(module)
    assert part in ARROWS, f"{part} is new: say in CONTRIBUTING.md and here what it may import"
    stray = parts_imported(module, tree_of(module)) - ARROWS[part]
    assert {(part, other) for other in stray} <= {DISCOVERY}


@each_file
def test_only_the_probe_imports_torch(module: str) -> None:
    roots = {name.split(".")[0] for name in imported(module, tree_of(module))}
    assert part_of(module) == "probe" or "torch" not in roots


def test_the_arrows_have_no_circle() -> None:
    def beyond(part: str, path: tuple[str, ...]) -> None:
        assert part not in path, " -> ".join([*path, part])
        for other in ARROWS[part]:
            beyond(other, (*path, part))

    for part in ARROWS:
        beyond(part, ())


def test_the_linter_cannot_reach_the_probe() -> None:
    assert "probe" not in ARROWS["linter"] | set().union(*(ARROWS[part] for part in ARROWS["linter"]))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("from . import probe", {"probe"}),
        ("from .. import linter, __version__", {"linter"}),
        ("from ..facts.values import Tensor", {"facts"}),
        ("import flake8_mps.linter as engine", {"linter"}),
        ("from flake8_mps import cli", {"cli"}),
        ("def late():\n    from ..plugin import Plugin", {"plugin"}),
        ("import importlib\nimportlib.import_module('flake8_mps.linter')", {"linter"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..linter import lint", set()),
        ("import ast, torch", set()),
    ],
)
def test_every_spelling_of_an_import_is_read(text: str, parts: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "FILES", dict.fromkeys(f"flake8_mps.{part}" for part in ARROWS))
    inside = "flake8_mps.__init__" if text.startswith("from . ") else "flake8_mps.reports.text"
    assert parts_imported(inside, ast.parse(text)) == parts


# --- sizes -----------------------------------------------------------------------------------------------------------


@each_file
def test_files_and_functions_are_small(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 400
    functions = (node for node in ast.walk(tree_of(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert [node.name for node in functions if node.end_lineno - node.lineno >= 60] == []


# --- what a run loads ------------------------------------------------------------------------------------------------

LINT = """
import ast, sys
import flake8_mps.plugin
from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import Source

found = lint(Source(sys.argv[1], ast.parse(sys.argv[1]), "example.py"), Config())
print(len(found), *sorted(sys.modules))
"""


def linting(text: str) -> tuple[int, set[str]]:
    """How many findings a fresh process reports, and which modules it has loaded by then."""
    done = subprocess.run([sys.executable, "-c", LINT, text], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    count, *modules = done.stdout.split()
    return int(count), set(modules)


def test_linting_loads_neither_torch_nor_the_probe() -> None:
    count, modules = linting("import torch\nstate = torch.load('unet.pth')\n")
    assert count == 1
    assert not modules & {"torch", "numpy", "flake8_mps.probe"}


def test_a_file_that_fails_the_gate_loads_nothing_beyond_it() -> None:
    count, modules = linting("import json\n\nprint(json.dumps({'answer': 42}))\n")
    assert count == 0
    beyond = {"ast_grep_py", "torch", "flake8_mps.probe", "flake8_mps.fixer", "flake8_mps.facts.interpreter"}
    beyond |= {"flake8_mps.project", "packaging", "tomllib"}
    assert not modules & beyond

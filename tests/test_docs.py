"""The pages and the table of rules say what the rules say."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from flake8_mps.rule import Example, load_rules

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tools" / "generate_docs.py"


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What is generated, to be spoilt."""
    shutil.copytree(ROOT / "docs" / "rules", tmp_path / "docs" / "rules")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_nothing_differs() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", ["docs/rules/MPS102.md", "docs/rules/MPS999.md", "README.md"])
def test_drift_is_named_and_mended(docs: ModuleType, copy: Path, capsys, name: str) -> None:
    file = copy / name
    before = file.read_text("utf-8") if file.exists() else None
    file.write_text((before or "").replace("cuda-method", "cuda-call"), encoding="utf-8")
    assert docs.main(["--check"], copy) == 1
    assert capsys.readouterr().out == f"{Path(name)}: differs from the rules; run: make docs\n"
    assert docs.main([], copy) == 0
    assert (file.read_text("utf-8") if file.exists() else None) == before
    assert docs.main(["--check"], copy) == 0


def test_a_readme_without_the_markers_is_refused(docs: ModuleType, copy: Path) -> None:
    (copy / "README.md").write_text("# flake8-mps\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no <!-- rules -->"):
        docs.main([], copy)


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.code)
def test_the_code_of_a_page_is_python_and_names_its_rule(docs: ModuleType, rule) -> None:
    bad, good = re.findall(r"```python\n(.+?)```", docs.page(rule), re.DOTALL)
    assert ast.dump(ast.parse(bad)) == ast.dump(ast.parse(rule.bad[0].source))
    assert f"# {rule.code}" in bad and f"# {rule.code}" not in good


def test_a_mark_becomes_a_comment(docs: ModuleType) -> None:
    example = Example("""
        state = load("a.pth"); model.cuda()
                ^^^^ MPS201
                                     ^^^^ MPS102
        """)
    assert docs.marked(example) == 'state = load("a.pth"); model.cuda()  # MPS201: load  # MPS102: cuda\n'


@pytest.mark.parametrize("text", ["x.cuda(), '''\n  ^^^^ MPS102\n'''", "x.cuda() + \\\n  ^^^^ MPS102\n1"])
def test_a_comment_that_cannot_stand_behind_its_line_comes_last(docs: ModuleType, text: str) -> None:
    example = Example(text)
    assert docs.marked(example) == example.source + "# MPS102 on line 1: cuda\n"

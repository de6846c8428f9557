"""What a CI uses: the list of rules, the proof of an installation, notebooks through nbqa, and the pre-commit hooks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.commands import check_install
from flake8_mps.rule import load_rules

ROOT = Path(__file__).parents[1]
CUDA = "import torch\nx = torch.zeros(2).cuda()\n"


def test_rules_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [rule.code for rule in load_rules()]
    assert cli.main(["rules"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^MPS\d{3}", text, re.MULTILINE)[5:] == codes
    assert re.search(r"^MPS102  cuda-method +error +A tensor or a module is moved by", text, re.MULTILINE)
    assert cli.main(["rules", "--format", "json"]) == 0
    rows = {row["code"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows)[5:] == codes and "## Use instead" in rows["MPS102"]["page"]


def test_the_installation_is_proved(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check-install"]) == 0
    assert capsys.readouterr().out.startswith("ok  flake8 of this Python reports\n")


def test_a_configuration_that_hides_the_codes_is_told(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("setup.cfg").write_text("[flake8]\nselect = E,F\n")
    assert cli.main(["check-install"]) == 1
    assert "NO  flake8 with the configuration of this folder does not report: a select" in capsys.readouterr().out


def test_a_flake8_without_the_plugin_is_told(tmp_path: Path, monkeypatch, capsys) -> None:
    fake = tmp_path / "flake8"
    fake.write_text("#!/bin/sh\necho 'required plugins were not installed'\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(check_install.shutil, "which", lambda _: str(fake))
    assert cli.main(["check-install"]) == 1
    assert "which has no flake8-mps" in capsys.readouterr().out


def test_nbqa(tmp_path: Path) -> None:
    pytest.importorskip("nbqa", reason="nbqa is one of the extra dev")
    texts = ["%matplotlib inline\n!pip list\nimport torch", "x = torch.zeros(2).cuda()"]
    cells = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": None} for text in texts]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "n.ipynb").write_text(json.dumps(document))
    command = [sys.executable, "-m", "nbqa", "flake8", "n.ipynb", "--isolated", "--select", "MPS"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("n.ipynb:cell_2:1:20: MPS102 "), done.stderr


@pytest.mark.network
def test_the_hooks_of_pre_commit(tmp_path: Path) -> None:
    if not shutil.which("pre-commit") and subprocess.run([sys.executable, "-m", "pre_commit", "--version"], capture_output=True).returncode:
        pytest.skip("pre-commit is not installed; it is no part of the extra dev, and is used where it is there")
    hooks, code = tmp_path / "hooks", tmp_path / "code"
    shutil.copytree(ROOT, hooks, ignore=shutil.ignore_patterns(".git", ".venv", ".bench", "__pycache__", "build", "dist", "*.egg-info"))
    code.mkdir()
    (code / "bad.py").write_text(CUDA)
    (code / "broken.py").write_text("def f(:\n")
    (code / "clean.py").write_text("import torch\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for folder in hooks, code:
        for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "begin"]):
            subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    env = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pre_commit", "try-repo", hooks, "flake8-mps", "--files", name]
        return subprocess.run(command, cwd=code, env=env, capture_output=True, text=True, check=False)

    bad = run("bad.py")
    assert bad.returncode == 1 and "bad.py:2:20: MPS102" in bad.stdout, bad.stdout + bad.stderr
    assert "broken.py:1:7: cannot be parsed" in run("broken.py").stdout
    assert run("clean.py").returncode == 0

"""The story behind a message, in the command, in flake8 and in notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.finding import Step
from flake8_mps.notebook import read_notebook
from flake8_mps.source import read_source

MADE = "import numpy as np\nimport torch\n\ndevice = torch.device('mps')\ngrid = np.linspace(0, 1, 9)\n"
MOVED = "x = torch.from_numpy(grid)\nx = x.to(device)\n"
STORY = "; cast to float32 before the move (float64 from np.linspace, line 5"


def notebook(*cells: str) -> str:
    return json.dumps({"metadata": {}, "cells": [{"cell_type": "code", "source": cell} for cell in cells]})


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(MADE + MOVED, encoding="utf-8")
    return path


def test_the_command(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["check", "--explain", str(train)])
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{train}:7:7: MPS302 ") and STORY in line and line.endswith(")")
    cli.main(["check", str(train)])
    assert capsys.readouterr().out == line[: line.index(" (")] + "\n"


@pytest.mark.parametrize("set_up", [["--mps-explain"], []])
def test_flake8(train: Path, set_up: list[str]) -> None:
    if not set_up:
        (train.parent / "tox.ini").write_text("[flake8]\nmps-explain = true\n", encoding="utf-8")
    command = [sys.executable, "-m", "flake8", "--select", "MPS", "-j1", *set_up, train.name]
    done = subprocess.run(command, cwd=train.parent, capture_output=True, text=True, check=False)
    [line] = done.stdout.splitlines()
    assert line.startswith("train.py:7:7: MPS302 ") and STORY in line


def test_the_lines_of_a_notebook_are_those_of_its_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "train.ipynb"
    path.write_text(notebook("!ls", MADE, f"%matplotlib inline\n{MOVED}"), encoding="utf-8")
    cli.main(["check", "--explain", str(path)])
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{path}:cell 3:3:7: MPS302 ")
    assert "(float64 from np.linspace, cell 2, line 5" in line
    assert read_notebook(str(path)).story([Step(3, "made")]) == "made, cell 2, line 2"


def test_a_step_is_told_once(train: Path) -> None:
    trail = [Step(5, "float64 from np.linspace"), Step(5, "float64 from np.linspace"), Step(7, "moved")]
    assert read_source(str(train)).story(trail) == "float64 from np.linspace, line 5; moved, line 7"

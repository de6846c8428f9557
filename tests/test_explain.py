"""The story behind a message, in the command, in flake8 and in notebooks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.config import Config
from flake8_mps.finding import Step
from flake8_mps.linter import lint
from flake8_mps.notebook import read_notebook
from flake8_mps.source import Source, read_source

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


# --- which steps -----------------------------------------------------------------------------------------------------

IMPORTS = """import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader
device = torch.device("mps")
"""


@pytest.mark.parametrize(
    ("text", "story"),
    [
        # float64: what made it so, not what was done to other values, nor where it stood
        (
            "a = np.ones(3, dtype=np.float32)\nb = np.ones(3)\ntorch.from_numpy(a + b).to(device).sum()",
            "float64 from np.ones, line 6",
        ),
        (
            "x = torch.zeros(3).double()\nx = x.float()\nx = x.double()\nx.to(device).sum()",
            "float64 by .double(), line 7",
        ),
        ("x = torch.zeros(3, dtype=torch.float64)\nx.unsqueeze(0).to(device).sum()", "float64 from zeros, line 5"),
        ("net = nn.Linear(3, 3).double()\nnet.to(device)", "float64 by .double(), line 5"),
        ("def f(v):\n    return torch.from_numpy(v)\np = f(np.zeros(3))\nq = f(np.zeros(3))\nq.to(device).sum()",
         "float64 from np.zeros, line 8"),
        # asked for in the line itself: where the value had been put
        ("x = torch.zeros(3).to(device)\ny = x * 2\ny.double().sum()", "moved to the device, line 5"),
        # two devices: where each of the two came from, whatever their dtypes
        ("a = torch.from_numpy(np.linspace(0, 1, 3))\nb = torch.zeros(3).to(device)\na + b",
         "made on the CPU by from_numpy, line 5; the other moved to the device, line 6"),
        ("t = torch.zeros(3).to(device)\nt = t.cpu()\nu = torch.ones(3).to(device)\nt + u",
         "moved to the CPU, line 6; the other moved to the device, line 7"),
        ("net = nn.Linear(3, 3).to(device)\nfor x, y in DataLoader([]):\n    net(x)",
         "on the CPU from DataLoader, line 6; the model moved to the device, line 5"),
        ("net = nn.Linear(3, 3)\nx = torch.zeros(3).to(device)\nnet(x)", "the input moved to the device, line 6"),
        ("total = torch.zeros(3)\nfor x, y in DataLoader([]):\n    total += x.to(device)",
         "made on the CPU by zeros, line 5; the other moved to the device, line 7"),
        ("x = torch.zeros(3)\nx = x.to(device)\ny = x * 2\ny.numpy()", "moved to the device, line 6"),
        (
            "net = nn.Linear(3, 3).to(device)\nout = net(torch.zeros(3).to(device))\nnp.array(out)",
            "the model moved to the device, line 5",
        ),
        # a tensor of a module: where it meets the device
        ("class N(nn.Module):\n    def forward(self, x):\n        m = torch.zeros(x.shape[0])\n        return x + m",
         "meets the device, line 8"),
    ],
)
def test_the_steps_are_those_of_the_finding(text: str, story: str) -> None:
    source = Source(IMPORTS + text + "\n", ast.parse(IMPORTS + text + "\n"), "train.py")
    [finding] = lint(source, Config(explain=True))
    assert finding.message.endswith(f" ({story})")


def test_steps_in_another_file_are_told_with_it(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "data.py").write_text("import numpy as np\n\nGRID = np.linspace(0, 1, 9)\n")
    path = tmp_path / "train.py"
    path.write_text("import torch\nfrom data import GRID\nx = torch.tensor(GRID).to('mps')\n")
    [finding] = lint(read_source(str(path)), Config(explain=True, resolve_imports=True))
    assert finding.message.endswith(" (float64 from np.linspace in data.py:3, line 3)")

"""MPS106: a bare 0 is CUDA's before torch 2.5, and the Mac's GPU since."""

from __future__ import annotations

import ast

import pytest

from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import Source

SPELLINGS = [
    "x = torch.zeros(2).to(0)", "x = torch.zeros(2, device=0)", "device = torch.device(0)",
    "x = torch.zeros(2).new_ones(2, device=0)", "torch.set_default_device(0)",
]
OTHERS = [
    "x = torch.zeros(2).to(False)", "print('x', device=0)", "torch.cuda.current_stream(device=0)", "x.to('mps:0')",
    "if torch.cuda.is_available():\n    x = torch.zeros(2).to(0)",
]


def lines(program: str, oldest: tuple[int, int] | None) -> list[int]:
    text = f"import torch\n{program}\n"
    found = lint(Source(text, ast.parse(text), "example.py"), Config(torch=oldest))
    return [finding.span.line for finding in found if finding.code == "MPS106"]


@pytest.mark.parametrize("program", SPELLINGS)
def test_a_bare_zero_is_reported_for_an_older_torch_alone(program: str) -> None:
    assert lines(program, (2, 4)) == [2]
    assert lines(program, (2, 5)) == lines(program, None) == []


@pytest.mark.parametrize("program", [program.replace("0)", "1)") for program in SPELLINGS])
def test_a_second_gpu_is_reported_for_every_torch(program: str) -> None:
    assert lines(program, (2, 4)) == lines(program, None) == [2]


@pytest.mark.parametrize("program", OTHERS)
def test_what_is_no_ordinal_of_a_tensor_is_silent(program: str) -> None:
    assert lines(program, (2, 4)) == []

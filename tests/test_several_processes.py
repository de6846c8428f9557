"""What only several processes come to is no error: a Mac has one GPU, and they run there on the CPU, if at all."""

from __future__ import annotations

import ast

import pytest

from flake8_mps.config import Config
from flake8_mps.finding import Severity
from flake8_mps.linter import lint
from flake8_mps.source import Source

SEVERAL = [
    "world_size > 1", "world_size != 1", "dist.get_world_size() >= 2", "dist.is_initialized()", "local_rank != -1",
    "args.local_rank >= 0", "dist.is_available() and dist.is_initialized()", "is_distributed()", "not world_size == 1",
]
ONE = ["world_size == 1", "world_size < 2", "rank == 0", "rank > 0", "local_rank == -1", "args.workers > 1", "dist.is_available()"]


def severities(condition: str) -> list[Severity]:
    imports = "import torch\nimport torch.distributed as dist\nfrom helpers import is_distributed"
    text = f"{imports}\n\ndef run(x, args, world_size, rank, local_rank):\n    if {condition}:\n        x.cuda()\n"
    found = lint(Source(text, ast.parse(text), "example.py"), Config())
    return [finding.severity for finding in found if finding.code == "MPS102"]


@pytest.mark.parametrize("condition", SEVERAL)
def test_only_several_processes_come_to_it(condition: str) -> None:
    assert severities(condition) == [Severity.WARNING]


@pytest.mark.parametrize("condition", ONE)
def test_one_process_comes_to_it(condition: str) -> None:
    assert severities(condition) == [Severity.ERROR]

"""What the README shows is what the command prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```console\n\$ cd (\S+) && flake8-mps (.+)\n((?s:.+?))```")


@pytest.mark.parametrize(("folder", "arguments", "shown"), BLOCK.findall((ROOT / "README.md").read_text("utf-8")))
def test_the_output_is_real(folder: str, arguments: str, shown: str) -> None:
    command = [sys.executable, "-m", "flake8_mps", *arguments.split()]
    run = subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True)
    assert run.stdout + run.stderr == shown
    assert len(run.stdout.splitlines()) <= 10

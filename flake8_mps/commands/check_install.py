"""``flake8-mps check-install``: whether flake8 here really reports, since without the plugin it is silent and green."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from typing import Any

from . import CLEAN, FINDINGS

_BAD = "import torch\n\nx = torch.zeros(2).cuda()\n"
_NAME = "flake8_mps_check_install.py"
_FOUND = re.compile(rf"{re.escape(_NAME)}:3:\d+: MPS102 ")
_ONLY_OURS = ("--isolated", "--require-plugins", "flake8-mps", "--select", "MPS,E9")


def add(commands: Any) -> None:
    text = "prove that flake8 in this environment reports, by giving it a line that it has to report"
    parser = commands.add_parser("check-install", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    parser.set_defaults(run=_check_install, parser=parser)


def _check_install(arguments: argparse.Namespace) -> int:
    ours = [sys.executable, "-m", "flake8"]
    shell = shutil.which("flake8")
    results = [
        _tell("flake8 of this Python", [*ours, *_ONLY_OURS], f"install both into one environment: {sys.executable} -m pip install flake8-mps"),
        _tell(
            f"the command flake8 ({shell or 'not on the PATH'})",
            [shell, *_ONLY_OURS] if shell else None,
            f"it belongs to another Python, which has no flake8-mps; run {sys.executable} -m flake8, or install it there",
        ),
        _tell(
            "flake8 with the configuration of this folder",
            ours,
            "a select, ignore or mps-level hides MPS102; write --extend-select MPS, and look for MPS in the ignored codes",
        ),
    ]
    return CLEAN if all(results) else FINDINGS


def _tell(what: str, command: list[str] | None, otherwise: str) -> bool:
    """Says whether a flake8 reports the line; if not, what it said and what to do."""
    if command is None:
        print(f"?   {what}")
        return True
    done = subprocess.run([*command, "--stdin-display-name", _NAME, "-"], input=_BAD, capture_output=True, text=True, check=False)
    if _FOUND.search(done.stdout):
        print(f"ok  {what} reports")
        return True
    said = (done.stderr or done.stdout).strip().splitlines()
    print(f"NO  {what} does not report: {otherwise}" + (f"\n    it said: {said[-1]}" if said else ""))
    return False

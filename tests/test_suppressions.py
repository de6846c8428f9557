"""What takes a whole file out, in the command and in flake8."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.config import Config
from flake8_mps.finding import Severity, Span, World
from flake8_mps.linter import lint
from flake8_mps.source import Source

CODE = "import torch\n\n\ndef step(model):\n    return model.cuda()\n"
MESSAGE = "the whole file is left out, nobody knows why; say why: # mps: cuda-only <reason>"


def by_the_command(folder: Path, capfd: pytest.CaptureFixture[str], *options: str) -> list[str]:
    cli.main(["check", str(folder), *options])
    return re.findall(r"MPS\d{3}", capfd.readouterr().out)


def by_flake8(folder: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS", "-j1", *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return re.findall(r"MPS\d{3}", done.stdout)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"# mps: cuda-only kernels written in Triton\n{CODE}", []),
        (f"#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n'''Kernels.'''\n#mps:cuda-only: Triton\n{CODE}", []),
        (f"{CODE}# MPS: CUDA-only - Größe → nvml #12\n", []),
        (CODE.replace("    return", "# mps: cuda-only Triton\n    return"), []),
        (f"# mps: cuda-only\n# mps: cuda-only Triton\n{CODE}", []),
        (f"# mps: cuda-only\n{CODE}", ["MPS001"]),
        (f"# mps: cuda-only:  - \n{CODE}# mps: cuda-only\n", ["MPS001"]),
        (f"# mps: cuda-only  # noqa: E501\n{CODE}", ["MPS001"]),
        (f"# mps: cuda-only  # noqa: MPS001\n{CODE}", []),
        (CODE.replace("    return", "    # mps: cuda-only Triton\n    return"), ["MPS102"]),
        (CODE.replace("cuda()", "cuda()  # mps: cuda-only Triton"), ["MPS102"]),
        (f"'''How to leave a file out:\n# mps: cuda-only <reason>\n'''\n{CODE}", ["MPS102"]),
        (f"# so we write mps: cuda-only Triton\n{CODE}", ["MPS102"]),
        (f"# mps: cuda-only-kernels Triton\n{CODE}", ["MPS102"]),
        ("# mps: cuda-only\nimport json\n", ["MPS001"]),
    ],
)
def test_both_fronts(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, codes: list[str]) -> None:
    (tmp_path / "kernels.py").write_text(text, encoding="utf-8")
    assert by_the_command(tmp_path, capfd) == codes
    assert by_flake8(tmp_path) == codes


def test_a_missing_reason_is_chosen_like_any_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kernels.py").write_text(f"# mps: cuda-only\n{CODE}", encoding="utf-8")
    for options in ("--ignore", "MPS0"), ("--select", "MPS1"), ("--level", "error"):
        assert by_the_command(tmp_path, capfd, *options) == []
    assert by_the_command(tmp_path, capfd, "--select", "MPS001") == ["MPS001"]
    assert by_flake8(tmp_path, "--mps-level", "error") == by_flake8(tmp_path, "--extend-ignore", "MPS001") == []


def test_a_missing_reason_is_a_warning_at_the_comment() -> None:
    text = f"{CODE}# mps: cuda-only\n"
    [finding] = lint(Source(text, ast.parse(text)), Config())
    assert (finding.span, finding.severity, finding.world) == (Span(6, 0, 6, 16), Severity.WARNING, World.AS_WRITTEN)
    assert finding.message == MESSAGE and len(MESSAGE) < 100


def test_a_notebook_is_one_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def write(comment: str) -> None:
        cells = [{"cell_type": "code", "source": source} for source in (CODE, f"%matplotlib inline\n{comment}\n")]
        (tmp_path / "kernels.ipynb").write_text(json.dumps({"metadata": {}, "cells": cells}), encoding="utf-8")

    write("# mps: cuda-only Triton")
    assert by_the_command(tmp_path, capfd) == []
    write("# mps: cuda-only")
    cli.main(["check", str(tmp_path)])
    assert capfd.readouterr().out.endswith(f"kernels.ipynb:cell 2:2:1: MPS001 {MESSAGE}\n")


def test_the_engine_does_not_look_at_a_file_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flake8_mps.linter._findings", lambda *_: pytest.fail("the engine looked"))
    text = f"# mps: cuda-only Triton\n{CODE}"
    assert lint(Source(text, ast.parse(text)), Config()) == []

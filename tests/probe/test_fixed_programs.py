"""The fixtures written for CUDA, mended by ``flake8-mps fix`` alone, on the emulated Mac."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

FIXTURES = Path(__file__).parents[2] / "fixtures"
SMALL = ["--epochs", "1", "--count", "8", "--size", "16", "--batch-size", "4"]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flake8_mps", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
    )


def test_a_fixed_unet_trains_on_mps_with_the_loss_of_the_one_ported_by_hand(tmp_path: Path) -> None:
    fixed = tmp_path / "unet"
    shutil.copytree(FIXTURES / "unet_script" / "cuda", fixed)
    assert command("run", "train.py", *SMALL, "--output", "out", cwd=fixed).returncode == 1
    command("fix", "--unsafe", ".", cwd=fixed)
    after = command("run", "train.py", *SMALL, "--output", "out", cwd=fixed)
    ported = command("run", str(FIXTURES / "unet_script" / "ported" / "train.py"), *SMALL, "--output", "out2", cwd=tmp_path)
    assert (after.returncode, ported.returncode) == (0, 0), after.stderr + ported.stderr
    losses = [float(done.stdout.split("loss ")[1].split()[0]) for done in (after, ported)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    shares = [int(done.stderr.split(" on mps (")[1].split("%")[0]) for done in (after, ported)]
    assert abs(shares[0] - shares[1]) <= 5, shares

"""``flake8-mps run``: whole programs on the emulated Mac."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="programs run in torch, which make test installs")

FIXTURES = Path(__file__).parents[2] / "fixtures"
SMALL = ["--epochs", "1", "--count", "8", "--size", "16", "--batch-size", "4"]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flake8_mps", "run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def test_a_program_written_for_cuda_stops_at_its_first_failure(tmp_path: Path) -> None:
    script = FIXTURES / "unet_script" / "cuda" / "train.py"
    done = run(str(script), *SMALL, "--output", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert f"{script}:148: AssertionError: Torch not compiled with CUDA enabled" in done.stderr


def test_a_ported_program_trains_on_mps_with_the_losses_of_the_cpu(tmp_path: Path) -> None:
    script = FIXTURES / "unet_script" / "ported" / "train.py"
    done = run(str(script), *SMALL, "--output", str(tmp_path / "mac"), cwd=tmp_path)
    plain = subprocess.run(
        [sys.executable, str(script), *SMALL, "--output", str(tmp_path / "cpu")],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )
    assert (done.returncode, plain.returncode) == (0, 0), done.stderr + plain.stderr
    loss, expected = (float(text.split("loss ")[1].split()[0]) for text in (done.stdout, plain.stdout))
    assert loss == pytest.approx(expected, abs=1e-3)
    assert "training on mps" in done.stdout and "on mps (" in done.stderr


def test_where_operators_ran_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import sys, torch\nx = torch.ones(2, device='mps')\ny = x + 1\nz = y.cpu() * 2\nprint(z.sum().item(), sys.argv[1:])\n"
    )
    done = run("a.py", "--flag", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "8.0 ['--flag']\n")
    assert "a.py:4: 1 on cpu" in done.stderr and "a.py:3:" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["missing.py"], "missing.py"), (["--ported", "--machine", "cuda", "a.py"], "--ported: only the Mac")],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], text: str) -> None:
    (tmp_path / "a.py").write_text("print(1)\n")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr

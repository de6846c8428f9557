"""The programs in fixtures/ as people wrote them for CUDA, mended by ``flake8-mps fix --unsafe`` alone: they lint clean,
and train on this machine as the versions that were ported by hand do.

``MENDED`` is the hook for other machines: what runs a program on the emulated Mac, or on a real one, starts from it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_fixture_programs import FIXTURES, losses, run, run_notebook

from flake8_mps import cli

MENDED = ("unet_script", "clip_encoder", "unet_notebook")
LEFT = {
    "MPS504": "an LSTM with projections has weights that fit no other layer",
    "MPS501": "an operator without a kernel is the author's to replace",
    "MPS502": "an operator that falls back is the author's to replace",
}


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CUDA versions of the programs, fixed in a folder of their own."""
    folder = tmp_path_factory.mktemp("mended")
    for name in MENDED:
        shutil.copytree(FIXTURES / name / "cuda", folder / name)
    cli.main(["fix", "--unsafe", str(folder)])
    return folder


def test_they_lint_clean(mended: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    cli.main(["check", str(mended)])
    found = [line.split(": ")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(found) <= set(LEFT)


def test_a_second_fix_changes_nothing(mended: Path, tmp_path: Path) -> None:
    again = shutil.copytree(mended, tmp_path / "again")
    cli.main(["fix", "--unsafe", str(again)])
    for path in mended.rglob("*.*"):
        assert path.is_dir() or (again / path.relative_to(mended)).read_bytes() == path.read_bytes()


def test_the_unet_script_trains_and_predicts_as_the_ported_one(mended: Path, tmp_path: Path) -> None:
    output = {}
    for kind, program in (("mended", mended / "unet_script"), ("ported", FIXTURES / "unet_script" / "ported")):
        folder = tmp_path / kind
        folder.mkdir()
        output[kind] = losses(run([program / "train.py"], "--epochs", 3, "--output", folder, cwd=folder))
        predicted = run([program / "predict.py"], folder / "unet.pt", "--count", 2, cwd=folder)
        assert predicted.returncode == 0, predicted.stderr
    assert output["mended"] == pytest.approx(output["ported"], abs=2e-4)


def test_the_clip_encoder_trains_and_embeds_as_before(mended: Path, tmp_path: Path) -> None:
    """Its ported version has another layer in place of the LSTM with projections, so it is compared with itself."""
    output = {}
    for kind, program in (("mended", mended / "clip_encoder"), ("cuda", FIXTURES / "clip_encoder" / "cuda")):
        folder = tmp_path / kind
        folder.mkdir()
        output[kind] = losses(run([program / "train.py"], "--epochs", 3, cwd=folder))
        embedded = run([program / "embed.py"], "clip.pt", cwd=folder)
        assert embedded.returncode == 0, embedded.stderr
    assert output["mended"] == pytest.approx(output["cuda"], abs=2e-4)
    classified = run([mended / "clip_encoder" / "zero_shot.py"], "clip.pt", cwd=tmp_path / "mended")
    assert classified.returncode == 0, classified.stderr


def test_the_notebook_trains_as_the_ported_one(mended: Path, tmp_path: Path) -> None:
    values = losses(run_notebook(mended / "unet_notebook" / "unet.ipynb", tmp_path))
    ported = losses(run_notebook(FIXTURES / "unet_notebook" / "ported" / "unet.ipynb", tmp_path))
    assert values == pytest.approx(ported, abs=0.02)

"""What a benchmark needs on disk: one virtual environment per plugin, and packages unpacked as plain source.

flake8 runs every plugin that is installed, whatever ``--select`` says, so plugins never share an environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".bench"


class Unavailable(Exception):
    """Something could not be installed or downloaded; the text is what pip said last."""


def _pip(*arguments: str | Path, **settings: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise Unavailable(said[-1].removeprefix("ERROR: ") if said else f"pip exited {done.returncode}")


def environment(name: str, *requirements: str | Path) -> Path:
    """The Python of the virtual environment of that name, with these requirements installed; made once and kept."""
    folder = KEPT / "venvs" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = " ".join(map(str, requirements))
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", folder], check=True)
        _pip("--python", python, "install", "--quiet", *requirements)
        stamp.write_text(wanted)
    return python


def environment_of_this_tree(requirement: str) -> Path:
    """The environment of flake8-mps, with the working tree as it is now: installed from a copy, as a user has it."""
    python = environment("flake8-mps", requirement)
    copy = KEPT / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".?*", "__pycache__", "build", "dist", "*.egg-info"))
    _pip("--python", python, "install", "--quiet", copy, requirement)
    return python


def package(requirement: str) -> Path:
    """The unpacked source of a package: its wheel if it has one, else its sdist, of which nothing is run."""
    folder = KEPT / "packages" / requirement
    if not folder.exists():
        archives = KEPT / "downloads" / requirement
        download = ("download", "--quiet", "--no-deps", "--dest", archives)
        try:
            _pip(*download, "--only-binary", ":all:", requirement)
        except Unavailable:
            _pip(
                *download, "--no-binary", ":all:", "--no-build-isolation", "--use-pep517", requirement,
                PYTHONPATH=str(Path(__file__).parent / "unbuilt"),
            )
        unpacked = folder.with_name(f"{folder.name}.partial")
        for archive in archives.iterdir():
            if archive.suffix == ".whl":
                shutil.unpack_archive(archive, unpacked, "zip")
            else:
                shutil.unpack_archive(archive, unpacked, filter="data")
        unpacked.rename(folder)
    return folder

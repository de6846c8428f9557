"""The macOS wheels of torch: fetched by version with pip, and unpacked as far as the table needs them."""

from __future__ import annotations

import functools
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

# One patch release a minor, oldest first. A newer release is added at the end.
RELEASES = (
    "1.12.1", "1.13.1", "2.0.1", "2.1.2", "2.2.2", "2.3.1", "2.4.1", "2.5.1", "2.6.0",
    "2.7.1", "2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0", "2.14.1", "2.15.0",
)  # fmt: skip
# A wheel names the oldest macOS it runs on: 11 up to torch 2.11, 14 since 2.12.
PLATFORMS = tuple(f"macosx_{major}_0_arm64" for major in (11, 12, 13, 14, 15))
LIBRARY = "torch/lib/libtorch_cpu.dylib"
EXPECTATIONS = "torch/testing/_internal/common_mps.py"


@dataclass(frozen=True)
class Wheel:
    """An unpacked wheel: its torch version and the folder that holds `torch/` and `torchgen/`."""

    version: str
    root: Path

    @property
    def minor(self) -> str:
        return minor(self.version)

    @property
    def library(self) -> Path:
        return self.root / LIBRARY

    def texts(self, places: tuple[str, ...]) -> tuple[str, ...]:
        """The Python files at these places that it has; a folder stands for the files in it."""
        return _texts(self.root, places)


@functools.cache
def _texts(root: Path, places: tuple[str, ...]) -> tuple[str, ...]:
    found = [root / place for place in places]
    files = [file for path in found for file in (sorted(path.glob("*.py")) if path.is_dir() else [path]) if file.is_file()]
    return tuple(file.read_text(encoding="utf-8") for file in files)


def minor(version: str) -> str:
    """The release a patch release belongs to: "2.13" for "2.13.0"."""
    return ".".join(version.split(".")[:2])


def is_at_least(version: str, other: str) -> bool:
    return tuple(map(int, version.split("."))) >= tuple(map(int, other.split(".")))


def fetch(version: str, cache: Path) -> Wheel:
    """The wheel of this version, downloaded and unpacked below `cache` unless it is there. Raises CalledProcessError."""
    root = cache / version
    if not (root / LIBRARY).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        unpack(download(version, cache), root)
    return Wheel(version, root)


def download(version: str, cache: Path) -> Path:
    """pip's own download of the arm64 wheel. About 50 MB (1.12) to 140 MB (2.15)."""
    if not (found := sorted(cache.glob(f"torch-{version}-*.whl"))):
        python = "3.10" if version.startswith("1.") else "3.11"  # torch 1.x was built up to Python 3.10 for arm64
        command = [sys.executable, "-m", "pip", "download", f"torch=={version}", "--no-deps", "--dest", str(cache)]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--abi=cp{python.replace('.', '')}", *(f"--platform={platform}" for platform in PLATFORMS)]
        subprocess.run([*command, "--quiet", "--disable-pip-version-check"], check=True)
        found = sorted(cache.glob(f"torch-{version}-*.whl"))
    return found[-1]


def unpack(wheel: Path, root: Path) -> None:
    """The Python files, torchgen with its operator yaml, and the library that holds the kernels."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            python = name.startswith("torch/") and name.endswith((".py", ".pyi"))
            if name == LIBRARY or name.startswith("torchgen/") or python:
                archive.extract(name, root)

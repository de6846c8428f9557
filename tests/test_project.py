"""The oldest torch, read from the project that holds a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flake8_mps import linter, project
from flake8_mps.config import Config
from flake8_mps.project import Project, Requires, project_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root of a repository: what lies above it does not matter."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def floor(folder: Path, name: str = "train.py") -> tuple[int, int] | None:
    return Config().for_file(str(folder / name)).oldest_torch


# --- one requirement -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("torch>=2.1,<3", (2, 1)),
        ("torch==2.0.1", (2, 0)),
        ("torch==2.0.1+cu118", (2, 0)),
        ("torch==2.2.*", (2, 2)),
        ("torch===2.3.0", (2, 3)),
        ("torch~=2.3", (2, 3)),
        ("torch ~= 2.3.1", (2, 3)),
        ("torch>2", (2, 0)),
        ("torch (>=2.4)", (2, 4)),
        ("torch>=2.1,>=2.4,!=2.5", (2, 4)),
        ("Torch[opt-einsum] >= 2.10", (2, 10)),
        ("torch>=2.7.0.dev20250301", (2, 7)),
        ("torch>=1.9", (1, 12)),
        ("torch", None),
        ("torch<3", None),
        ("torch!=2.1", None),
        ("torch @ https://example.org/torch-2.1.0-py3-none-any.whl", None),
        ("torchvision>=0.15", None),
        ("torch>=", None),
        ("torch===nightly", None),
        ('torch>=2.1; sys_platform == "darwin"', (2, 1)),
        ('torch>=2.1; sys_platform == "linux"', None),
        ('torch>=2.1; python_version < "3.9"', (2, 1)),
        ('torch>=2.1; platform_machine == "x86_64"', (2, 1)),
        ('torch>=2.1; extra == "gpu"', None),
        ('torch>=2.1; platform_system > "nonsense" and python_version ~= "x"', None),
    ],
)
def test_a_requirement(folder: Path, requirement: str, expected: tuple[int, int] | None) -> None:
    write(folder, {"requirements.txt": f"numpy>=3.1\n{requirement}\n"})
    assert floor(folder) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["torch>=2.1; python_version < '3.13'", "torch>=2.6; python_version >= '3.13'"], (2, 1)),
        (["torch>=2.1; sys_platform == 'linux'", "torch>=2.6; sys_platform == 'darwin'"], (2, 6)),
        (["torch>=2.1; python_version < '3.13'", "torch; python_version >= '3.13'"], None),
        (["torch", "torch>=2.4"], (2, 4)),
    ],
)
def test_requirements_that_share_out_machines(folder: Path, lines: list[str], expected: object) -> None:
    write(folder, {"requirements.txt": "\n".join(lines)})
    assert floor(folder) == expected


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ('"^2.1"', (2, 1)),
        ('"~2.3.1"', (2, 3)),
        ('"2.2.0"', (2, 2)),
        ('"2.2.*"', (2, 2)),
        ('">=2.1 <3"', (2, 1)),
        ('">= 2.1, < 3.0"', (2, 1)),
        ('"^1.13 || ^2.4"', (1, 13)),
        ('"*"', None),
        ('{version = "^2.5", optional = true}', (2, 5)),
        ('{git = "https://example.org/torch.git"}', None),
        ('{version = "^2.5", markers = "sys_platform == \'linux\'"}', None),
        ('[{version = "2.0", platform = "linux"}, {version = "2.4", platform = "darwin"}]', (2, 4)),
        ('[{version = "^2.1", python = "<3.12"}, {version = "^2.4", python = ">=3.12"}]', (2, 1)),
        ("3", None),
    ],
)
def test_poetry(folder: Path, constraint: str, expected: object) -> None:
    write(folder, {"pyproject.toml": f'[tool.poetry.dependencies]\npython = "^3.11"\ntorch = {constraint}\n'})
    assert floor(folder) == expected


# --- where it stands -------------------------------------------------------------------------------------------------

PYPROJECT = '[project]\nname = "unet"\ndependencies = ["numpy", "torch>=2.1"]\n'
EXTRAS = '[project]\n[project.optional-dependencies]\ndev = ["torch"]\ntrain = ["numpy", "torch>=2.2"]\n'
SETUP_CFG = "[metadata]\nname = unet\n[options]\ninstall_requires =\n    numpy\n    torch>=2.3 ; python_version > '3'\n"
PINNED = "# torch>=1\n-r more.txt\n--find-links x\ntorch==2.6.0 \\\n  --hash=sha256:1 # pinned\n"
SETUP_PY = 'from setuptools import setup\nNEEDS = ["numpy", "torch>=2.4"]\nsetup(name="unet", install_requires=NEEDS)\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": PYPROJECT}, (2, 1)),
        ({"pyproject.toml": EXTRAS}, (2, 2)),
        ({"setup.cfg": SETUP_CFG}, (2, 3)),
        ({"setup.py": SETUP_PY}, (2, 4)),
        ({"setup.py": SETUP_PY.replace("=NEEDS", "=['torch>2.5']")}, (2, 5)),
        ({"setup.py": SETUP_PY.replace("=NEEDS", "=read('requirements.in')")}, None),
        ({"setup.py": SETUP_PY.replace("setup(", "setup(**options)\nsetuptools.setup(")}, (2, 4)),
        ({"requirements.txt": PINNED}, (2, 6)),
        ({"requirements.txt": "\ufefftorch>=2.6\r\n"}, (2, 6)),
        ({"pyproject.toml": PYPROJECT, "requirements.txt": "torch==2.6"}, (2, 1)),
        ({"pyproject.toml": PYPROJECT.replace(">=2.1", ""), "requirements.txt": "torch==2.6"}, None),
        ({"requirements.txt": "torch==2.6", "setup.cfg": SETUP_CFG, "setup.py": SETUP_PY}, (2, 6)),
        ({"setup.cfg": SETUP_CFG, "setup.py": SETUP_PY}, (2, 3)),
        ({}, None),
    ],
)
def test_places(folder: Path, files: dict[str, str], expected: object) -> None:
    write(folder, files)
    assert floor(folder) == expected
    assert floor(folder, "unet/layers/blocks.py") == expected


def test_the_nearest_folder_that_names_torch(folder: Path) -> None:
    write(folder, {"pyproject.toml": PYPROJECT, "docs/requirements.txt": "sphinx", "a/requirements.txt": "torch>2.5"})
    assert (floor(folder, "docs/conf.py"), floor(folder, "a/a.ipynb")) == ((2, 1), (2, 5))


def test_a_requirement_without_a_floor_is_an_answer(folder: Path) -> None:
    write(folder, {"pyproject.toml": PYPROJECT, "demo/requirements.txt": "torch"})
    assert floor(folder, "demo/a.py") is None


@pytest.mark.parametrize("root", project.ROOTS)
def test_not_beyond_the_repository(folder: Path, root: str) -> None:
    write(folder, {"pyproject.toml": PYPROJECT, f"vendored/{root}/config": ""})
    assert floor(folder, "vendored/a.py") is None
    assert floor(folder, "others/a.py") == (2, 1)


def test_the_file_need_not_exist_and_the_working_directory_does_not_count(folder: Path, monkeypatch) -> None:
    write(folder, {"pyproject.toml": PYPROJECT})
    elsewhere = folder / "elsewhere"
    write(elsewhere, {"requirements.txt": "torch>=2.6", ".git/config": ""})
    monkeypatch.chdir(elsewhere)
    assert floor(folder, "not_saved_yet.py") == (2, 1)
    for nameless in ("-", "stdin", "<unknown>"):
        assert project_of(nameless) == project.NOWHERE
    assert project_of("a.py").requires == Requires((2, 6))
    assert project_of(os.path.join("..", "a.py")).requires == Requires((2, 1))


def test_an_option_wins(folder: Path) -> None:
    write(folder, {"pyproject.toml": PYPROJECT})
    assert Config.from_strings(torch="2.6").for_file(str(folder / "a.py")).torch == (2, 6)


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.txt", "setup.cfg", "setup.py"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00torch>=2.1",
        b"[[[[",
        b"torch = {" * 9,
        b"[" * 50_000,
        b"[project]\ndependencies = 'torch>=2.1'\noptional-dependencies = 3\n[tool]\npoetry = []",
        b"[project]\ndependencies = [1, {a = 2}]\n[project.optional-dependencies]\na = 1\n[options]\n[options]",
        b"project = 1\ntool = 2",
        b"setup(install_requires=)",
        b"setup(install_requires=[f'torch', *needs, torch])",
        b"torch>=" + b"9" * 5000,
        b"\0",
    ],
)
def test_broken_files_are_passed_over(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert project_of(str(folder / "a.py")).table == {}
    assert floor(folder) is None


def test_a_broken_file_does_not_hide_the_next(folder: Path) -> None:
    write(folder, {"pyproject.toml": "[[", "setup.cfg": "x", "requirements.txt/a": "", "setup.py": SETUP_PY})
    assert floor(folder) == (2, 4)


@pytest.mark.parametrize("name", ["\0.py", "x" * 5000 + "/a.py", "\udcff/a.py", ""])
def test_odd_names(name: str) -> None:
    assert isinstance(project_of(name), Project)


# --- when it is read -------------------------------------------------------------------------------------------------


def test_each_folder_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"pyproject.toml": PYPROJECT})
    read: list[Path] = []
    text = project._text
    monkeypatch.setattr(project, "_text", lambda path: read.append(path) or text(path))
    for name in ("a.py", "b.py", "sub/c.py", "sub/d.py"):
        assert floor(folder, name) == (2, 1)
    assert len(read) == len(set(read)) > 0


def test_the_engine_asks_only_behind_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    import ast

    from flake8_mps.source import Source

    asked: list[str] = []
    monkeypatch.setattr(Config, "for_file", lambda config, path: asked.append(path) or config)
    for name, text in {"a.py": "import json\n", "b.py": "import torch\ntorch.load('a.pth')\n"}.items():
        linter.lint(Source(text, ast.parse(text), name), Config())
    assert asked == ["b.py"]

"""The package as people get it: wheel, sdist and editable install, each run by a real flake8 from another folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import flake8_mps
from flake8_mps.rule import load_rules

ROOT = Path(__file__).resolve().parents[1]
BAD = "import torch\nx = torch.zeros(2).cuda()\n"
CLEAN = "import torch\nx = torch.zeros(2)\n"
FINDING = re.compile(r"bad\.py:2:\d+: MPS102 ")
SELECT = ["--isolated", "--require-plugins", "flake8-mps", "--select", "MPS"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command without this process's PYTHON* settings, which could lend it the package."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def run_well(*command: str | Path, cwd: Path) -> str:
    """The standard output of a command that has to succeed."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, so that builds leave nothing behind in it and take nothing old from it."""
    left_out = shutil.ignore_patterns(".?*", "__pycache__", "build", "dist", "*.egg-info")
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "tree", ignore=left_out))


@pytest.fixture(scope="session")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run_well(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, tree, cwd=folder)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a bare virtual environment, installs into it with pip, and gives its folder of programs."""

    def make(*requirements: str | Path) -> Path:
        folder = tmp_path_factory.mktemp("venv")
        run_well(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
        programs = folder / "bin"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", programs / "python"]
        run_well(*pip, "install", "--quiet", *requirements, cwd=folder)
        return programs

    return make


@pytest.fixture(scope="session", params=["wheel", "sdist", "editable"])
def installed(request: pytest.FixtureRequest, new_environment: Callable[..., Path]) -> Path:
    """The programs of an environment into which the package was installed in one of the three ways."""
    if request.param == "editable":
        return new_environment("--editable", request.getfixturevalue("tree"))
    return new_environment(request.getfixturevalue("built")[request.param])


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder far from the repository with one bad file and one clean file."""
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "clean.py").write_text(CLEAN)
    return tmp_path


def source_files() -> set[str]:
    """Every file of the package in the repository, by its place in an installed package."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in (("flake8_mps", "flake8_mps"), ("rules", "flake8_mps/rules"))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }


def test_the_wheel_carries_every_file_and_no_other(built: dict[str, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built["wheel"]).namelist() if ".dist-info/" not in name}
    assert names == source_files()
    assert {"flake8_mps/py.typed", "flake8_mps/rules/__init__.py"} <= names


def test_the_sdist_can_be_tested(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "Makefile", "setup.py", "rules/__init__.py", "tests/test_packaging.py"} <= names


def test_the_runtime_needs_no_torch(built: dict[str, Path]) -> None:
    wheel = zipfile.ZipFile(built["wheel"])
    metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))).decode()
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert sorted(needed) == ["ast-grep-py", "flake8", "packaging", "pathspec"]


@pytest.mark.network
def test_flake8_finds_it_and_reports(installed: Path, code: Path) -> None:
    assert f"flake8-mps: {flake8_mps.__version__}" in run_well(installed / "flake8", "--version", cwd=code)
    bad = run(installed / "flake8", *SELECT, "bad.py", cwd=code)
    assert (bad.returncode, bad.stderr) == (1, "")
    assert FINDING.search(bad.stdout), bad.stdout
    clean = run(installed / "flake8", *SELECT, "clean.py", cwd=code)
    assert (clean.returncode, clean.stdout, clean.stderr) == (0, "", "")


@pytest.mark.network
def test_the_command_reports_the_same(installed: Path, code: Path) -> None:
    bad = run(installed / "flake8-mps", "check", "bad.py", cwd=code)
    assert bad.returncode == 1, bad.stderr
    assert "MPS102" in bad.stdout
    assert run(installed / "flake8-mps", "check", "clean.py", cwd=code).returncode == 0


@pytest.mark.network
def test_every_rule_is_installed_once(installed: Path, code: Path) -> None:
    program = (
        "import flake8_mps.rules, importlib.metadata, importlib.util; from flake8_mps.rule import load_rules;"
        "assert importlib.metadata.version('flake8-mps') == flake8_mps.__version__;"
        "assert importlib.util.find_spec('rules') is None;"
        "print(*(rule.code for rule in load_rules()))"
    )
    assert run_well(installed / "python", "-c", program, cwd=code).split() == [rule.code for rule in load_rules()]


@pytest.mark.network
def test_a_missing_plugin_is_not_silent(new_environment: Callable[..., Path], code: Path) -> None:
    done = run(new_environment("flake8>=7") / "flake8", *SELECT, "bad.py", cwd=code)
    assert done.returncode == 1
    assert "missing: flake8-mps" in done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="says nothing where torch cannot be imported")
def test_linting_imports_no_torch(code: Path) -> None:
    # -X importtime would miss what importlib.import_module brings in, as flake8 does with its plugins.
    program = (
        "import sys; from flake8.main.cli import main; status = main();"
        "print(*sorted({'flake8_mps.plugin', 'torch', 'numpy'} & set(sys.modules))); sys.exit(status)"
    )
    done = run(sys.executable, "-c", program, *SELECT, "-j1", "bad.py", cwd=code)
    assert FINDING.search(done.stdout), done.stderr
    assert done.stdout.splitlines()[-1] == "flake8_mps.plugin"


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_report_what_one_process_reports(method: str, code: Path) -> None:
    for number in range(4):
        (code / f"more{number}.py").write_text("\n" * number + BAD)
    alone = run(sys.executable, "-m", "flake8", *SELECT, "-j1", ".", cwd=code)
    start = (
        f"import multiprocessing, sys; multiprocessing.set_start_method({method!r});"
        "from flake8.main.cli import main; sys.exit(main())"
    )
    together = run(sys.executable, "-c", start, *SELECT, "-j2", ".", cwd=code)
    assert (alone.returncode, alone.stderr) == (together.returncode, together.stderr) == (1, "")
    assert sorted(together.stdout.splitlines()) == sorted(alone.stdout.splitlines())
    assert len(alone.stdout.splitlines()) == 5

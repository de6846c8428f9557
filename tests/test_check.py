"""What ``check`` adds for large projects: which files, on all cores, known findings, changed lines, settings by path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import checking, cli, config, project

ROOT = Path(__file__).parents[1]
CUDA = "import torch\nx = torch.zeros(2).cuda()\n"
LOAD = 'import torch\nx = torch.load("a.pth")\n'
CHOICE = 'import torch\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n'


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Runs ``check`` in a folder with these files; gives the exit status, places and codes, and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **files: str) -> tuple[int, list[str], str]:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for cached in (project._around, project._toml, config._said_by):  # a command reads a project once
            cached.cache_clear()
        try:
            status = cli.main(["check", *arguments])
        except SystemExit as stop:
            status = stop.code
        output, errors = capfd.readouterr()
        return status, [re.match(r".*?: MPS\d{3}", line)[0] for line in output.splitlines()], errors

    return run


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


# --- the same as flake8 ----------------------------------------------------------------------------------------------


def both(*files: str, cwd: Path) -> tuple[bytes, bytes]:
    python = [sys.executable, "-m"]
    ours = subprocess.run([*python, "flake8_mps", "check", *files], cwd=cwd, capture_output=True, check=False)
    flake8 = ["flake8", "--isolated", "--select", "MPS", "-j1"]
    return ours.stdout, subprocess.run([*python, *flake8, *files], cwd=cwd, capture_output=True, check=False).stdout


def test_flake8_reports_the_same_of_all_fixtures() -> None:
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "fixtures").rglob("*.py"))
    ours, theirs = both(*files, cwd=ROOT)
    assert ours == theirs
    assert ours.count(b"\n") > 50


@pytest.mark.network
@pytest.mark.parametrize(("package", "least"), [("basicsr==1.4.2", 20), ("open_clip_torch==3.3.0", 5)])
def test_flake8_reports_the_same_of_a_package(tmp_path: Path, package: str, least: int) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation", "--dest", ".", package]
    done = subprocess.run(pip, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot get {package}")
    [archive] = tmp_path.iterdir()
    subprocess.run([sys.executable, "-c", "import shutil, sys; shutil.unpack_archive(*sys.argv[1:])",
                    archive, tmp_path / "code", "zip" if archive.suffix == ".whl" else "gztar"], check=True)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "code").rglob("*.py"))
    ours, theirs = both(*files, cwd=tmp_path)
    assert ours == theirs
    assert ours.count(b"\n") >= least


# --- which files -----------------------------------------------------------------------------------------------------


def test_gitignore_is_respected_from_the_repository_down(check, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    files = {".gitignore": "generated/\n*_pb2.py\n", "src/.gitignore": "!keep_pb2.py\n", "src/a.py": CUDA,
             "src/b_pb2.py": CUDA, "src/keep_pb2.py": CUDA, "src/generated/c.py": CUDA}
    assert check("src", **files)[1] == ["src/a.py:2:20: MPS102", "src/keep_pb2.py:2:20: MPS102"]
    assert len(check("src", "--no-gitignore")[1]) == 4
    assert check("src/generated")[1] == ["src/generated/c.py:2:20: MPS102"], "a folder that is named is read"
    assert check("src/b_pb2.py")[1] == ["src/b_pb2.py:2:20: MPS102"]


def test_exclude_on_the_command_line_and_in_the_project(check, tmp_path: Path) -> None:
    files = {"pyproject.toml": '[tool.flake8-mps]\nexclude = ["/old/", "legacy_*.py"]\n', "old/a.py": CUDA,
             "src/old/b.py": CUDA, "src/legacy_c.py": CUDA, "src/d.py": CUDA}
    assert check(".", **files)[1] == ["./src/d.py:2:20: MPS102", "./src/old/b.py:2:20: MPS102"]
    assert check(".", "--exclude", "src/old", "--exclude", "nothing")[1] == ["./src/d.py:2:20: MPS102"]


def test_code_of_others_is_passed_over_and_named(check) -> None:
    status, found, errors = check(".", **{"third_party/a.py": CUDA, "b.py": CUDA})
    assert found == ["./b.py:2:20: MPS102"]
    assert "passed over as other people's code: ./third_party; name a folder to check it\n" in errors
    assert check("third_party")[1] == ["third_party/a.py:2:20: MPS102"]


def test_warnings_in_tests_are_left_out_and_counted(check) -> None:
    status, found, errors = check(".", **{"tests/a.py": CHOICE + CUDA, "tests/b.py": CHOICE})
    assert (status, found) == (1, ["./tests/a.py:4:20: MPS102"])
    assert "2 warnings in tests left out; --level warning shows them\n" in errors
    assert len(check(".", "--level", "warning")[1]) == 3
    assert len(check("tests/b.py")[1]) == 1, "a file that is named is no such test"


def test_settings_by_path(check) -> None:
    table = '[tool.flake8-mps.per-path]\n"tools/" = { level = "error" }\n"*_cuda.py" = { ignore = ["MPS1"] }\n'
    files = {"pyproject.toml": table, "tools/a.py": CHOICE, "a_cuda.py": CUDA, "b.py": CHOICE}
    assert check(".", **files)[1] == ["./b.py:2:10: MPS103"]
    wrong = check(".", **{"pyproject.toml": '[tool.flake8-mps.per-path]\n"tools/" = { torch = "2.6" }\n'})
    assert wrong[0] == 2 and "[tool.flake8-mps.per-path] 'tools/': torch: there is no such key" in wrong[2]


def test_standard_input_has_a_name(check, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.flake8-mps]\nlevel = "error"\n')
    command = [sys.executable, "-m", "flake8_mps", "check", "-", "--stdin-display-name"]

    def run(name: str, text: str) -> str:
        return subprocess.run([*command, name], cwd=tmp_path, input=text, capture_output=True, text=True, check=False).stdout

    assert run("new.py", CHOICE + CUDA).startswith("new.py:4:20: MPS102") and run("new.py", CHOICE) == ""
    cells = {"metadata": {}, "cells": [{"cell_type": "code", "source": "%ls"}, {"cell_type": "code", "source": CUDA}]}
    assert run("new.ipynb", json.dumps(cells)).startswith("new.ipynb:cell 2:2:20: MPS102")
    assert run("new.ipynb", CUDA).startswith("new.ipynb:2:20: MPS102"), "some editors join the cells"


# --- all cores -------------------------------------------------------------------------------------------------------


def test_the_order_does_not_depend_on_jobs(check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "WORTH_A_PROCESS", 1)
    files = {f"{number:02}.py": CUDA * (number % 3) + "def f(:\n" * (number == 7) for number in range(40)}
    alone = check(".", "--jobs", "1", **files)
    assert alone[0] == 2 and len(alone[1]) > 30
    assert check(".", "--jobs", "3") == alone


def test_a_wrong_table_is_told_from_any_process(check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "WORTH_A_PROCESS", 1)
    files = {"pyproject.toml": "[tool.flake8-mps]\nlevel = 'loud'\n", **{f"{number}.py": CUDA for number in range(9)}}
    assert check(".", "--jobs", "2", **files)[:2] == (2, [])


# --- exit status -----------------------------------------------------------------------------------------------------


def test_fail_on(check) -> None:
    assert check("a.py", "--fail-on", "error", **{"a.py": CHOICE})[:2] == (0, ["a.py:2:10: MPS103"])
    assert check("a.py", "--fail-on", "error", **{"a.py": CUDA})[0] == 1
    assert check("a.py", "--fail-on", "loud")[0] == 2


def test_statistics_count_findings_and_files(check) -> None:
    errors = check(".", "--statistics", **{"a.py": CUDA + CUDA, "b.py": CUDA, "c.py": LOAD})[2]
    assert errors.splitlines()[:3] == [
        "findings  files  code",
        "       3      2  MPS102 cuda-method (3 errors)",
        "       1      1  MPS201 load-without-map-location (1 warning)",
    ]


# --- baseline --------------------------------------------------------------------------------------------------------


def test_a_baseline_keeps_what_is_known_quiet_and_shows_what_is_new(check, tmp_path: Path) -> None:
    known = ["--baseline", "known.json"]
    assert check("src", *known, **{"src/a.py": CUDA, "src/b.py": LOAD})[0] == 2, "it has to be written first"
    status, found, errors = check("src", *known, "--write-baseline")
    assert (status, found) == (0, []) and "known.json: 2 findings written down as known" in errors
    assert check("src", *known)[:2] == (0, [])
    assert check("src", *known, **{"src/a.py": "# more\n\n\n" + CUDA})[:2] == (0, [])
    os.rename(tmp_path / "src", tmp_path / "lib")
    assert check("lib", *known)[:2] == (0, [])
    assert check("lib", *known, **{"lib/a.py": CUDA + "y = torch.ones(2).cuda()\n"})[:2] == (1, ["lib/a.py:3:19: MPS102"])
    assert check("lib", *known, **{"lib/a.py": CUDA + "def f():\n    " + CUDA.splitlines()[1] + "\n"})[0] == 1, "elsewhere"
    assert check("lib", *known, **{"lib/a.py": CUDA, "lib/c.py": CUDA})[:2] == (1, ["lib/c.py:2:20: MPS102"]), "more of them"


def test_what_is_gone_is_pruned(check, tmp_path: Path) -> None:
    known = ["--baseline", "known.json"]
    check(".", *known, "--write-baseline", **{"a.py": CUDA, "b.py": LOAD, "c.py": CHOICE})
    (tmp_path / "a.py").write_text("import torch\n")
    assert "1 known finding is gone; --prune-baseline takes them out" in check("a.py", *known)[2]
    assert "1 finding taken out" in check("a.py", *known, "--prune-baseline")[2]
    codes = [row["code"] for row in json.loads((tmp_path / "known.json").read_text())["findings"]]
    assert codes == ["MPS201", "MPS103"], "what was not checked stays"
    assert check(".", *known, **{"a.py": CUDA})[:2] == (1, ["./a.py:2:20: MPS102"])


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "findings": [{}]}', '{"version": 1, "findings": 3}'])
def test_a_baseline_that_is_none_is_told(check, text: str) -> None:
    status, found, errors = check(".", "--baseline", "known.json", **{"known.json": text, "a.py": CUDA})
    assert (status, found) == (2, []) and "--baseline: known.json" in errors and "Traceback" not in errors


# --- since a revision ------------------------------------------------------------------------------------------------


def test_only_changed_lines_count(check, tmp_path: Path) -> None:
    def cells(*texts: str) -> str:
        return json.dumps({"metadata": {}, "cells": [{"cell_type": "code", "source": text} for text in texts]})

    check(".", **{"a.py": CUDA, "old name.py": CUDA, "same.py": CUDA, "n.ipynb": cells(CUDA, "-- x")})
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "begin")
    assert check(".", "--since", "HEAD") == (0, [], "nothing changed since HEAD\n")
    git(tmp_path, "mv", "old name.py", "é.py")
    added = "-- x\n"
    files = {"a.py": "# -- x\n" + CUDA + "y = torch.ones(2).cuda()\n", "é.py": CUDA + "z = torch.ones(2).cuda()\n",
             "new.py": CUDA, "n.ipynb": cells("%ls", CUDA, "y = torch.ones(2).cuda()"), "b.txt": added}
    assert check(".", "--since", "HEAD", **files)[1] == [
        "./a.py:4:19: MPS102", "./n.ipynb:cell 3:1:19: MPS102", "./new.py:2:20: MPS102", "./é.py:3:19: MPS102"]


def test_a_revision_that_git_does_not_know(check, tmp_path: Path) -> None:
    assert "is in no repository of git" in check(".", "--since", "main", **{"a.py": CUDA})[2]
    git(tmp_path, "init")
    status, found, errors = check(".", "--since", "nowhere")
    assert (status, found) == (2, []) and "--since: git knows no revision 'nowhere'; fetch it first" in errors


# --- # noqa ----------------------------------------------------------------------------------------------------------

NOQA = "".join(
    f"x = torch.zeros(2).{call}()  # noqa{rest}\n"
    for call, rest in [("cuda", ": CUDA only"), ("cuda", ": MPS102  CUDA only"), ("cuda", ": MPS102"), ("cpu", ": MPS102  old"),
                       ("cuda", ""), ("cpu", ": E501  long")]
)


def test_noqa_is_checked_when_asked(check) -> None:
    status, found, errors = check("a.py", **{"a.py": "import torch\n" + NOQA})
    assert (status, found) == (0, [])
    assert errors.startswith("a.py:2:28: warning: no code stands behind this noqa, so it hides everything; write # noqa: MPS102  CUDA")
    assert errors.count("warning:") == 1
    expected = ["a.py:2:28: MPS002", "a.py:4:28: MPS004", "a.py:5:27: MPS003"]
    assert check("a.py", "--check-noqa")[:2] == (1, expected)
    assert check("a.py", **{"pyproject.toml": "[tool.flake8-mps]\ncheck-noqa = true\n"})[:2] == (1, expected)
    assert check("a.py", "--ignore", "MPS004")[1] == [expected[0], expected[2]]


def test_a_noqa_for_what_is_not_shown_is_needed(check) -> None:
    text = "import torch\ntorch.backends.cudnn.benchmark = True  # noqa: MPS605  CUDA only\n"
    assert check("a.py", "--check-noqa", **{"a.py": text})[:2] == (0, [])

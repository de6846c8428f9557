"""The command line: what it prints where, and its exit status."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import __version__, cli, linter
from flake8_mps.commands import check as checking

CUDA = "import torch\nx = torch.zeros(2).cuda()\n"
LOAD = 'import torch\nx = torch.load("a.pth")\n'
BOTH = 'import torch\nx = torch.load("a.pth")\ny = torch.zeros(2).cuda()\n'
CLEAN = "import torch\nx = torch.zeros(2)\n"
BROKEN = "x = 1\ndef f(:\n"


def notebook(*cells: str, **metadata: object) -> str:
    return json.dumps({"metadata": metadata, "cells": [{"cell_type": "code", "source": cell} for cell in cells]})


class Result:
    """Exit status, the places and codes on standard output, and standard error."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors
        self.found = [re.match(r".*?: MPS\d{3}", line)[0] for line in output.splitlines()]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Runs ``check`` in a folder with these files."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **files: str) -> Result:
        for name, text in files.items():
            write(tmp_path, name, text)
        try:
            status = cli.main(["check", *arguments])
        except SystemExit as stop:
            status = stop.code
        return Result(status, *capfd.readouterr())

    return run


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


# --- findings and exit status ----------------------------------------------------------------------------------------


def test_a_finding_is_a_line_of_flake8(check) -> None:
    result = check("a.py", **{"a.py": CUDA})
    assert result.status == 1
    assert result.found == ["a.py:2:20: MPS102"]
    assert result.output.count("\n") == 1
    assert result.errors == "1 finding in 1 of 1 file (1 error): 1 MPS102\n"


def test_nothing_found(check) -> None:
    result = check(".", **{"a.py": CLEAN, "b.py": ""})
    assert (result.status, result.output, result.errors) == (0, "", "no findings in 2 files\n")


def test_a_cell_is_named_before_the_line(check) -> None:
    result = check("a.ipynb", **{"a.ipynb": notebook("import torch", "!ls\n%time y = torch.zeros(2).cuda()")})
    assert result.status == 1
    assert result.found == ["a.ipynb:cell 2:2:26: MPS102"]


def test_the_summary_counts_findings_files_and_codes(check) -> None:
    result = check(".", **{"a.py": BOTH, "b.py": CLEAN, "sub/c.py": CUDA})
    assert result.status == 1
    assert result.found == ["./a.py:2:5: MPS201", "./a.py:3:20: MPS102", "./sub/c.py:2:20: MPS102"]
    assert result.errors == "3 findings in 2 of 3 files (2 errors, 1 warning): 2 MPS102, 1 MPS201\n"


def test_what_cannot_be_parsed_is_told_and_the_rest_goes_on(check) -> None:
    result = check(".", **{"a.py": BROKEN, "b.py": CUDA})
    assert result.status == 2
    assert result.found == ["./b.py:2:20: MPS102"]
    first, *rest = result.errors.splitlines()
    assert first.startswith("./a.py:2:7: cannot be parsed as Python 3.")
    assert rest == ["1 file or cell could not be read", "1 finding in 1 of 1 file (1 error): 1 MPS102"]


def test_a_cell_that_cannot_be_parsed_is_told_and_the_rest_goes_on(check) -> None:
    result = check("a.ipynb", **{"a.ipynb": notebook("import torch", "x = = 1", "y = torch.zeros(2).cuda()")})
    assert result.status == 2
    assert result.found == ["a.ipynb:cell 3:1:20: MPS102"]
    assert result.errors.startswith("a.ipynb:cell 2:1:5: cannot be parsed")


def test_a_path_that_does_not_exist(check) -> None:
    result = check("a.py", "none.py", **{"a.py": CUDA})
    assert result.status == 2
    assert result.found == ["a.py:2:20: MPS102"]
    assert result.errors.startswith("none.py:1:1: does not exist; check the path\n")


@pytest.mark.parametrize("files", [{}, {"sub/a.txt": CUDA}, {"sub/.venv/a.py": CUDA}])
def test_a_folder_without_python(check, tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "sub").mkdir()
    result = check("sub", **files)
    assert (result.status, result.output) == (2, "")
    assert result.errors.startswith("sub:1:1: holds no .py or .ipynb file to check; check the path\n")


def test_a_notebook_in_another_language_is_passed_over(check) -> None:
    other = notebook("x <- 1", kernelspec={"language": "R"})
    result = check(".", **{"a.ipynb": other, "b.py": CLEAN})
    assert result.status == 0
    assert result.errors.splitlines() == [
        "./a.ipynb:1:1: is a notebook in R, not in Python; it was passed over",
        "no findings in 1 file",
    ]
    assert check("a.ipynb").status == 2


def test_noqa(check) -> None:
    text = BOTH.replace('pth")', 'pth")  # noqa: MPS201  ours').replace("cuda()", "cuda()  # noqa: MPS201")
    assert check("a.py", **{"a.py": text}).found == ["a.py:3:20: MPS102"]
    assert check("a.py", **{"a.py": "# flake8: noqa\n" + BOTH}).status == 0


# --- which files -----------------------------------------------------------------------------------------------------


def test_folders_of_others_are_skipped_unless_named(check) -> None:
    skipped = ["venv", "node_modules", "__pycache__", "build", "dist", "site-packages", ".venv", ".git", ".hidden"]
    files = {f"{folder}/a.py": CUDA for folder in skipped}
    assert check(".", **files, **{"b.py": CLEAN}).errors == "no findings in 1 file\n"
    for folder in skipped:
        assert check(folder).found == [f"{folder}/a.py:2:20: MPS102"]
        assert check(f"{folder}/a.py").status == 1


def test_any_file_that_is_named_is_read(check) -> None:
    assert check("train", **{"train": CUDA}).found == ["train:2:20: MPS102"]


def test_each_file_once_and_sorted_whatever_the_arguments(check, tmp_path: Path) -> None:
    files = {"b.py": CUDA, "a.py": CUDA, "sub/c.py": CUDA, "sub/d.ipynb": notebook(CUDA)}
    expected = ["a.py:2:20: MPS102", "b.py:2:20: MPS102", "sub/c.py:2:20: MPS102", "sub/d.ipynb:cell 1:2:20: MPS102"]
    arguments = ["sub", "b.py", "a.py", "sub/c.py", "a.py"]
    assert check(*arguments, **files).found == expected
    for seed in range(5):
        random.Random(seed).shuffle(arguments)
        assert check(*arguments).found == expected
    (tmp_path / "e.py").symlink_to("a.py")
    assert check("a.py", "e.py").found == ["a.py:2:20: MPS102"]


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["--select", "MPS102"], ["MPS102"]),
        (["--select=MPS1,MPS2"], ["MPS201", "MPS102"]),
        (["--select", "MPS1", "--select", "MPS2"], ["MPS201", "MPS102"]),
        (["--select", "MPS", "--ignore", "MPS1"], ["MPS201"]),
        (["--ignore", "MPS1", "--ignore", "MPS2"], []),
        (["--level", "info"], ["MPS201", "MPS102"]),
        (["--level", "error"], ["MPS102"]),
        (["--torch", "2.6", "--macos", "14"], ["MPS201", "MPS102"]),
    ],
)
def test_options_choose(check, arguments: list[str], codes: list[str]) -> None:
    result = check("a.py", *arguments, **{"a.py": BOTH})
    assert [place.split()[-1] for place in result.found] == codes


@pytest.mark.parametrize(
    "arguments",
    [
        ["--level", "loud"],
        ["--torch", "new"],
        ["--macos", "sonoma"],
        ["--select", "E501"],
        ["--select", "MPS999"],
        ["--ignore", "MPS9"],
        ["--lev", "info"],
        ["--no-such-option"],
    ],
)
def test_a_wrong_option_is_told_before_any_file_is_read(check, monkeypatch, arguments: list[str]) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(checking, "check_files", read)
    monkeypatch.setattr(checking, "Discovery", read)
    result = check("a.py", *arguments, **{"a.py": CUDA})
    assert (result.status, result.output) == (2, "")
    assert f"error: {arguments[0]}: " in result.errors or "unrecognized arguments: --" in result.errors
    assert "Traceback" not in result.errors


@pytest.mark.parametrize("arguments", [[], ["check"], ["no-such-command"]])
def test_wrong_use_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: flake8-mps")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"flake8-mps {__version__}\n")


@pytest.mark.parametrize(
    ("table", "arguments", "codes"),
    [
        ('select = ["MPS1"]', [], ["MPS102"]),
        ('ignore = "MPS1"', [], ["MPS201"]),
        ('level = "error"', [], ["MPS102"]),
        ('level = "error"', ["--level", "warning"], ["MPS201", "MPS102"]),
        ('select = ["MPS1"]', ["--select", "MPS2"], ["MPS201"]),
    ],
)
def test_the_project_chooses_and_the_command_line_wins(check, table: str, arguments: list[str], codes: list) -> None:
    files = {"pyproject.toml": f"[tool.flake8-mps]\n{table}\n", "src/a.py": BOTH, ".git/config": ""}
    assert [place.split()[-1] for place in check("src", *arguments, **files).found] == codes


@pytest.mark.parametrize("line", ['colour = "red"', 'select = ["MPS999"]', "torch = 2.6"])
def test_a_wrong_table_is_told(check, tmp_path: Path, line: str) -> None:
    files = {"pyproject.toml": f"[tool.flake8-mps]\n{line}\n", "a.py": CUDA, ".git/config": ""}
    result = check("a.py", **files)
    assert (result.status, result.output) == (2, "")
    assert f"error: {tmp_path / 'pyproject.toml'}: [tool.flake8-mps] {line.split()[0]}: " in result.errors


def test_flake8_looks_for_the_project_around_the_name_that_an_editor_gives(tmp_path: Path) -> None:
    for name, text in {"app/pyproject.toml": '[tool.flake8-mps]\nlevel = "error"\n', "app/.git/config": ""}.items():
        write(tmp_path, name, text)
    flake8 = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS", "-"]

    def codes(*options: str) -> list[str]:
        command = [*flake8, *options]
        done = subprocess.run(command, cwd=tmp_path, input=BOTH, capture_output=True, text=True, check=False)
        return re.findall(r"MPS\d{3}", done.stdout)

    assert codes("--stdin-display-name", "app/src/new.py") == ["MPS102"]
    assert codes("--stdin-display-name", "app/src/new.py", "--mps-level", "warning") == ["MPS201", "MPS102"]
    assert codes() == ["MPS201", "MPS102"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_flake8_tells_a_wrong_table_without_a_traceback(tmp_path: Path, jobs: str) -> None:
    files = {"pyproject.toml": "[tool.flake8-mps]\ncolour = 1\n", "a.py": CUDA, "b.py": CUDA, ".git/config": ""}
    for name, text in files.items():
        write(tmp_path, name, text)
    flake8 = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS", "-j", jobs]
    done = subprocess.run(flake8, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[tool.flake8-mps] colour: there is no such key" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


# --- as a process ----------------------------------------------------------------------------------------------------


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "flake8_mps", *arguments], capture_output=True, check=False, **options)


def test_standard_input() -> None:
    result = command("check", "-", "-", input=CUDA.replace("\n", "\r\n").encode())
    assert result.returncode == 1
    assert result.stdout.decode().startswith("stdin:2:20: MPS102 ")
    assert result.stderr == b"1 finding in 1 of 1 file (1 error): 1 MPS102" + os.linesep.encode()
    assert command("check", "-", input=BROKEN.encode()).stderr.startswith(b"stdin:2:7: cannot be parsed")


def test_noqa_is_what_it_is_in_flake8(tmp_path: Path) -> None:
    comments = [
        "", "noqa", "noqa: MPS102", "noqa:mps102", "NOQA : MPS102", "noqa: MPS2", "noqa: MPS1  only CUDA",
        "noqa: MPS102 CUDA12", "noqa: E501, MPS102", "noqa: E501;MPS102", "type: ignore # noqa: MPS1", "noqa MPS201",
    ]
    lines = [f"x = torch.zeros(2).cuda()  # {comment}\n" for comment in comments]
    write(tmp_path, "a.py", "import torch\n" + "".join(lines) + "x = torch.zeros(2).cuda(), '''\n'''  # noqa: MPS102\n")
    write(tmp_path, "b.py", "# flake8: noqa: MPS201\nimport torch\n" + lines[0])
    write(tmp_path, "c.py", "import torch\n" + lines[0].replace("#", "# flake8: noqa"))
    ours = command("check", ".", cwd=tmp_path)
    flake8 = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS", "-j1"]
    theirs = subprocess.run(flake8, cwd=tmp_path, capture_output=True, check=False)
    assert ours.stdout == theirs.stdout
    assert ours.stdout.startswith(b"./a.py:2:20: MPS102 ")
    assert b"./a.py:3:" not in ours.stdout


def test_the_same_output_for_any_hash_seed(tmp_path: Path) -> None:
    for name, text in {"a.py": BOTH, "b.py": CUDA, "c.ipynb": notebook(BOTH), "d.py": BROKEN}.items():
        write(tmp_path, name, text)
    runs = [
        command("check", ".", cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": seed}) for seed in ("0", "1", "4711")
    ]
    assert len({(run.returncode, run.stdout, run.stderr) for run in runs}) == 1
    elsewhere = command("check", str(tmp_path), cwd="/")
    assert elsewhere.stdout.replace(bytes(tmp_path), b".") == runs[0].stdout


def test_any_terminal_encoding_and_any_file_name(tmp_path: Path) -> None:
    name = b"\xff\xc3\xa9.py"
    (tmp_path / os.fsdecode(name)).write_text(CUDA)
    result = command("check", ".", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"})
    assert result.returncode == 1
    assert result.stdout.startswith(rb"./\udcff\xe9.py:2:20: MPS102 ")


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "import torch\n" + "x = torch.zeros(2).cuda()\n" * 3000)
    process = subprocess.Popen(
        [sys.executable, "-m", "flake8_mps", "check", "."], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither SIGINT nor named pipes")
def test_an_interrupt_ends_it_quietly(tmp_path: Path) -> None:
    pipe = tmp_path / "a.py"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "flake8_mps", "check", str(pipe)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with pipe.open("wb"):  # waits until the command reads
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (130, b"", b"")


def test_an_interrupt_in_the_middle(check, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(linter, "lint", interrupted)
    assert check("a.py", **{"a.py": CUDA}).status == 130


# --- explain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["MPS102", "mps102", "cuda-method"])
def test_explain_prints_the_page_of_a_rule(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", name]) == 0
    page = capsys.readouterr().out
    assert page.startswith("MPS102 cuda-method (error, as written)\n\n")
    assert "## Why it breaks on MPS" in page and "## Sources" in page


def test_explain_names_the_codes_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["explain", "MPS999"])
    assert stop.value.code == 2
    assert "no rule is called 'MPS999'; there are MPS101, " in capsys.readouterr().err


def test_the_probe_says_that_it_needs_torch(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text(CUDA)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        cli.main(["probe", str(tmp_path)])
    captured = capsys.readouterr()
    assert stop.value.code == 2 and not captured.out
    assert "the probe needs PyTorch; pip install 'flake8-mps[probe]'" in captured.err

"""``flake8-mps fix``: files keep their bytes but for the edits, whatever their encoding, line ends, links and modes."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.config import Config
from flake8_mps.finding import Edit, Finding, Fix, Safety, Severity, Span, World
from flake8_mps.fixer import Document, fix
from flake8_mps.fixer.text import apply, overlap
from flake8_mps.source import Source, source_of

LOAD = "import torch\n\ndef read(model, path):\n    model.load_state_dict(torch.load(path))  # Größe\n"
FIXED = LOAD.replace("(path))", '(path, map_location="cpu"))')
CUDA = "import torch\n\nx = torch.zeros(2).cuda()\n"


def fixed(path: Path, data: bytes, *options: str) -> bytes:
    path.write_bytes(data)
    cli.main(["fix", *options, str(path)])
    return path.read_bytes()


# --- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("mark", "cookie", "encoding"),
    [(b"", "", "utf-8"), (b"\xef\xbb\xbf", "", "utf-8"), (b"", "# -*- coding: latin-1 -*-\n", "latin-1"),
     (b"", "# coding: cp1252\n", "cp1252")],
)
def test_encoding_and_line_ends_stay(mark: bytes, cookie: str, encoding: str, end: str, tmp_path: Path) -> None:
    def written(text: str) -> bytes:
        return mark + (cookie + text).replace("\n", end).encode(encoding)

    assert fixed(tmp_path / "a.py", written(LOAD)) == written(FIXED)


def test_the_ends_of_old_macs_stay(tmp_path: Path) -> None:
    assert fixed(tmp_path / "a.py", LOAD.replace("\n", "\r").encode()) == FIXED.replace("\n", "\r").encode()


def test_a_new_line_ends_as_the_others_do(tmp_path: Path) -> None:
    data = fixed(tmp_path / "a.py", b"import torch\r\ntorch.cuda.synchronize()\r\n")
    assert data.count(b"\r\n") == data.count(b"\n") == 3


def test_the_last_line_may_have_no_end(tmp_path: Path) -> None:
    assert fixed(tmp_path / "a.py", LOAD.rstrip("\n").encode()) == FIXED.rstrip("\n").encode()


def test_comments_and_layout_stay(tmp_path: Path) -> None:
    text = (
        "import torch\n\ndef read(model, path):\n    model.load_state_dict(\n        torch.load(  # the weights\n"
        "            path,   # of an epoch\n        )\n    )\n"
    )
    line = "            path,   # of an epoch\n"
    expected = text.replace(line, '            path, map_location="cpu",   # of an epoch\n')
    assert fixed(tmp_path / "a.py", text.encode()).decode() == expected


def test_single_quotes_where_the_file_has_them(tmp_path: Path) -> None:
    text = "import torch\nname = 'a'\nmodel = None\nmodel.load_state_dict(torch.load('a.pth'))\n"
    assert b"map_location='cpu'" in fixed(tmp_path / "a.py", text.encode())


# --- notebooks -------------------------------------------------------------------------------------------------------


def notebook(indent: int | None, ensure_ascii: bool = False) -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Größe"]},
        {"cell_type": "code", "execution_count": 3, "metadata": {"tags": ["a"]}, "outputs": [{"text": "é", "x": 1.50}],
         "source": ["%matplotlib inline\n", "import torch\n", "model = None  # Größe"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": 'model.load_state_dict(torch.load("a.pth"))\n!ls'},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["x = 1\n", "if x:\n", "    torch.cuda.synchronize()"]},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=indent,
                      ensure_ascii=ensure_ascii)


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_of_a_notebook_only_the_text_of_cells_changes(indent: int | None, ensure_ascii: bool, tmp_path: Path) -> None:
    before = notebook(indent, ensure_ascii)
    after = fixed(tmp_path / "a.ipynb", before.encode()).decode()
    wanted = json.loads(before)
    wanted["cells"][2]["source"] = 'model.load_state_dict(torch.load("a.pth", map_location="cpu"))\n!ls'
    wanted["cells"][3]["source"][2:] = ["    if torch.accelerator.is_available():\n", "        torch.accelerator.synchronize()"]
    assert json.loads(after) == wanted
    assert after == json.dumps(wanted, indent=indent, ensure_ascii=ensure_ascii)


def test_a_device_of_a_notebook_goes_to_the_cell_of_its_imports(tmp_path: Path) -> None:
    cells = ["import torch", "x = torch.zeros(2).cuda()"]
    text = json.dumps({"metadata": {}, "cells": [{"cell_type": "code", "source": cell} for cell in cells]})
    after = json.loads(fixed(tmp_path / "a.ipynb", text.encode()))
    assert after["cells"][0]["source"].startswith("import torch\n\ndevice = ")
    assert after["cells"][1]["source"] == "x = torch.zeros(2).to(device)"


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_mode_stays_and_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(LOAD)
    path.chmod(0o750)
    fixed(path, LOAD.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text(LOAD)
    (tmp_path / "link.py").symlink_to("real.py")
    cli.main(["fix", str(tmp_path / "link.py")])
    assert (tmp_path / "link.py").is_symlink()
    assert (tmp_path / "real.py").read_text() == FIXED


def test_a_read_only_file_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.py"
    path.write_text(LOAD)
    path.chmod(0o444)
    assert cli.main(["fix", str(path)]) == 2
    assert path.read_text() == LOAD
    assert "cannot be written: it is read-only" in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.py"
    path.write_text(LOAD)
    monkeypatch.setattr(os, "replace", refuse)
    assert cli.main(["fix", str(path)]) == 2
    assert path.read_text() == LOAD
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_clean_file_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(FIXED)
    before = path.stat()
    assert cli.main(["fix", str(path)]) == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("patch"), reason="there is no patch on this machine")
@pytest.mark.parametrize("text", [LOAD, LOAD.rstrip("\n"), LOAD.replace("\n", "\r\n"), CUDA])
def test_patch_takes_the_diff(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_bytes(text.encode())
    (tmp_path / "b.py").write_bytes(text.encode())
    command = ["-m", "flake8_mps", "fix", "--unsafe"]
    python = os.sys.executable  # type: ignore[attr-defined]
    diff = subprocess.run([python, *command, "--diff", "a.py"], capture_output=True, check=False).stdout
    assert (tmp_path / "a.py").read_bytes() == text.encode()
    subprocess.run(["patch", "-p1", "--binary"], input=diff, check=True, capture_output=True)
    subprocess.run([python, *command, "b.py"], capture_output=True, check=False)
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes() != text.encode()


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (FIXED, [], 0), (LOAD, [], 0), (CUDA, [], 0), ("import torch\nx = torch.load('a')\n", [], 1),
        ("import torch\nx = torch.load('a')\n", ["--unsafe"], 0), (LOAD, ["--ignore", "MPS201"], 0),
        (LOAD, ["--select", "MPS999"], 2), ("def f(:\n", [], 2),
    ],
)
def test_the_exit_status(text: str, options: list[str], status: int, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    try:
        assert cli.main(["fix", *options, str(tmp_path)]) == status
    except SystemExit as wrong_use:
        assert wrong_use.code == status


def test_it_says_what_was_fixed_and_what_is_left_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.py"
    path.write_text(LOAD + "state = torch.load('a.pth')\nstream = torch.cuda.Stream()\n")
    assert cli.main(["fix", str(path)]) == 1
    said = capsys.readouterr()
    assert f"{path}: fixed 1 (1 MPS201)" in said.out
    assert "MPS201 left, its fix is unsafe: --unsafe" in said.out
    assert "MPS601 left, what a Mac does in its place is the author's to say" in said.out
    assert said.err == "fixed 1 (1 MPS201) in 1 of 1 files; 2 left\n"


def test_noqa_is_left_alone(tmp_path: Path) -> None:
    text = CUDA.replace("cuda()\n", "cuda()  # noqa: MPS102  CUDA only: nvml\n")
    assert fixed(tmp_path / "a.py", text.encode(), "--unsafe") == text.encode()


# --- what is at hand -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("device = torch.device('mps')\nx.cuda()\n", "x.to(device)"),
        ("def f(x, device):\n    return x.cuda()\n", "x.to(device)"),
        ("def f(x, device=None):\n    return x.cuda()\n", "x.to(DEVICE)"),
        ("def f(x, device=None):\n    device = device or pick_device()\n    return x.cuda()\n", "x.to(device)"),
        ("def f(x):\n    y = x.cuda()\n    device = y.device\n", "x.to(DEVICE)"),
        ("class A:\n    def __init__(self, device):\n        self.device = device\n    def f(self, x):\n        return x.cuda()\n",
         "x.to(self.device)"),
        ("def f(x):\n    if x:\n        device = torch.device('mps')\n    return x.cuda()\n", "x.to(DEVICE)"),
        ("device = 'cpu'\nx = torch.zeros(2).cuda()\n", "torch.zeros(2).to(DEVICE)"),
        ("DEVICE = device = 3\nx = torch.zeros(2).cuda()\n", "torch.zeros(2).to(torch_device)"),
    ],
)
def test_the_device_at_hand(text: str, expected: str, tmp_path: Path) -> None:
    text = "import torch\n\nx = torch.zeros(2)\n" + text
    after = fixed(tmp_path / "a.py", text.encode(), "--unsafe").decode()
    assert expected in after
    assert fixed(tmp_path / "a.py", after.encode(), "--unsafe").decode() == after


def test_a_literal_that_gives_way_to_a_parameter_lets_its_default_be_mended(tmp_path: Path) -> None:
    text = 'import torch\n\ndef f(n, device="cuda"):\n    return torch.zeros(n, device="cuda")\n\nf(2)\n'
    after = fixed(tmp_path / "a.py", text.encode(), "--unsafe").decode()
    assert "torch.zeros(n, device=device)" in after and 'device="cuda" if torch.cuda' in after


def test_a_release_before_2_6_gets_a_choice_of_three(tmp_path: Path) -> None:
    after = fixed(tmp_path / "a.py", CUDA.encode(), "--torch", "2.1").decode()
    assert "accelerator" not in after
    assert '"cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"' in after


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("import ast\nfrom os import path\n\nimport torchaudio\n", "from os import path\n\nimport torch\nimport torchaudio\n\ndevice"),
        ("import ast\nfrom os import path\n", "import ast\nfrom os import path\n\nimport torch\n\ndevice"),
        ("import ast\nfrom torch import nn\n", "import ast\nimport torch\nfrom torch import nn\n\ndevice"),
        ('"""Text."""\nfrom __future__ import annotations\nimport torchaudio\n', "annotations\nimport torch\nimport torchaudio\n\ndevice"),
    ],
)
def test_torch_is_imported_among_its_kind(imports: str, expected: str, tmp_path: Path) -> None:
    text = imports + "\n\ndef f(model, batch):\n    return model(batch.cuda())\n"
    assert expected in fixed(tmp_path / "a.py", text.encode(), "--unsafe").decode()


def test_an_import_that_nothing_uses_any_more_goes(tmp_path: Path) -> None:
    text = "import torch\nfrom torch.cuda.amp import GradScaler, autocast\n\nscaler = GradScaler()\nwith autocast():\n    pass\n"
    after = fixed(tmp_path / "a.py", text.encode(), "--unsafe").decode()
    assert "torch.cuda.amp" not in after
    kept = text.replace("scaler =", "__all__ = ['GradScaler']\nscaler =")
    assert "import GradScaler\n" in fixed(tmp_path / "a.py", kept.encode(), "--unsafe").decode()


# --- the fixer by itself ---------------------------------------------------------------------------------------------


def finding(code: str, *edits: Edit, safety: Safety = Safety.SAFE) -> Finding:
    return Finding(code, "", edits[0].span, Severity.ERROR, World.AS_WRITTEN, fix=Fix(edits, safety))


def mended(text: str, *rounds: list[Finding], allowed: Safety = Safety.SAFE) -> tuple[str, list[str]]:
    """The text after fixes that a linter of these findings, lint by lint, asks for; and why others were left."""
    answers = list(rounds)

    def lint(source: Source) -> Sequence[Finding]:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    done = fix(Document(text.encode(), "a.py", source_of), lint, Config(), allowed)
    return done.document.source.text, [one.why for one in done.left]


def test_a_fix_that_does_not_parse_is_dropped() -> None:
    text, why = mended("x = 1\n", [finding("MPS101", Edit(Span(1, 0, 1, 1), "1 +"))])
    assert text == "x = 1\n" and "would not parse" in why[0]


def test_a_fix_that_brings_another_finding_is_dropped_and_the_others_stay() -> None:
    bad = finding("MPS101", Edit(Span(1, 0, 1, 1), "y"))
    good = finding("MPS102", Edit(Span(2, 0, 2, 1), "z"))
    other = finding("MPS103", Edit(Span(1, 0, 1, 1), "q"), safety=Safety.DISPLAY)
    text, why = mended("x = 1\nx = 2\n", [bad, good], [other], [other, good], [bad], [bad])
    assert text == "x = 1\nz = 2\n" and why == ["its fix was dropped: it would bring MPS103"]


def test_what_is_only_shown_is_never_applied() -> None:
    text, why = mended("x = 1\n", [finding("MPS101", Edit(Span(1, 0, 1, 1), "y"), safety=Safety.DISPLAY)], allowed=Safety.UNSAFE)
    assert text == "x = 1\n" and why == ["its fix is not applied"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 0, 1, 3), (1, 3, 1, 5), False), ((1, 0, 1, 3), (1, 2, 1, 5), True), ((1, 2, 1, 2), (1, 2, 1, 2), True),
        ((1, 0, 1, 3), (1, 3, 1, 3), False), ((1, 0, 1, 3), (1, 1, 1, 1), True), ((1, 0, 2, 0), (1, 4, 1, 6), True),
    ],
)
def test_edits_that_touch_the_same_text_overlap(one: tuple, other: tuple, expected: bool) -> None:
    left, right = Edit(Span(*one), "a"), Edit(Span(*other), "b")
    assert overlap(left, right) is overlap(right, left) is expected
    assert not overlap(left, left)


def test_edits_are_put_in_from_the_end() -> None:
    edits = [Edit(Span(1, 0, 1, 1), "long"), Edit(Span(1, 4, 1, 5), "3"), Edit(Span(2, 0, 3, 0), "")]
    assert apply(["x = 1", "gone", "end"], ["\n", "\n", ""], edits) == "long = 3\nend"
    assert io.StringIO(apply(["a"], [""], [Edit(Span(1, 1, 1, 1), "\nb")])).read() == "a\nb"

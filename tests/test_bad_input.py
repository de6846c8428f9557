"""Odd, broken and hostile files: no crash, and both fronts report the same places."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LINE = re.compile(r"(?P<path>.*?):(?P<line>\d+):(?P<column>\d+): (?P<code>[A-Z]+\d+) ")

Place = tuple[int, int, str]

CODES = "MPS102,MPS201"
"""Only these: places are compared here, and what other rules think of such code is theirs to test."""

CUDA = [(2, 20, "MPS102")]
BODY = "import torch\nx = torch.zeros(2).cuda()\n"

READABLE: dict[str, tuple[bytes, list[Place]]] = {
    "empty": (b"", []),
    "blank": (b"\n\n  \n", []),
    "comment": (b"# torch.zeros(2).cuda()", []),
    "only_bom": (b"\xef\xbb\xbf", []),
    "plain": (BODY.encode(), CUDA),
    "no_last_newline": (BODY.rstrip().encode(), CUDA),
    "crlf": (BODY.replace("\n", "\r\n").encode(), CUDA),
    "lone_cr": (BODY.replace("\n", "\r").encode(), CUDA),
    "mixed_newlines": (b"import torch\r\nx = torch.zeros(2).cuda()\ry = 1\n", CUDA),
    "bom": (b"\xef\xbb\xbf" + BODY.encode(), CUDA),
    "bom_on_the_line": (b"\xef\xbb\xbfimport torch; torch.zeros(2).cuda()\n", [(1, 30, "MPS102")]),
    "form_feed": (b"\x0cimport torch\n\x0c\nx = torch.zeros(2).cuda()\n", [(3, 20, "MPS102")]),
    "odd_line_ends": ("import torch\ns = '\x1c\x85\u2028'; torch.zeros(2).cuda()\n".encode(), [(2, 27, "MPS102")]),
    "latin_1": (
        "# coding: latin-1\nimport torch; é = 'é'; torch.zeros(2).cuda()\n".encode("latin-1"),
        [(2, 39, "MPS102")],
    ),
    "cp1252_second_line": (
        "#!/x\n# coding: cp1252\nimport torch; '€'; torch.zeros(2).cuda()".encode("cp1252"),
        [(3, 35, "MPS102")],
    ),
    "shift_jis": (
        "# coding: shift_jis\nimport torch; '日本'; torch.zeros(2).cuda()".encode("shift_jis"),
        [(2, 36, "MPS102")],
    ),
    "identifiers": ("import torch\ngröße = 2; torch.zeros(größe).cuda()\n".encode(), [(2, 31, "MPS102")]),
    "emoji": ("import torch\ns = '😀é\u0301'; x = torch.zeros(2).cuda()\n".encode(), [(2, 31, "MPS102")]),
    "tabs": (b"import torch\nif 1:\n\tx\t=\ttorch.zeros(2)\\\n\t\t.cuda()\n", [(4, 4, "MPS102")]),
    "chain": (b"import torch\nx = (\n  torch.zeros(2)  # ok\n    .cuda()\n)\n", [(4, 6, "MPS102")]),
    "escaped_surrogate": (
        b"import torch\ns = '\\ud800'; x = torch.zeros(2).cuda(); torch.load('\\udfff')\n",
        [(2, 34, "MPS102"), (2, 42, "MPS201")],
    ),
    "semicolons": (
        b"import torch; torch.zeros(2).cuda(); torch.load('a'); torch.zeros(2).cuda(); x = 1; y = 2\n",
        [(1, 30, "MPS102"), (1, 38, "MPS201"), (1, 70, "MPS102")],
    ),
    "behind_a_long_string": (
        b"import torch\nx = torch.zeros(2).cuda('''\n'''); torch.load('a'); '''\n'''; y = torch.zeros(2).cuda()\n",
        [(2, 20, "MPS102"), (3, 7, "MPS201"), (4, 25, "MPS102")],
    ),
    "class_on_a_line": (
        b"import torch\nclass A: x = torch.zeros(2).cuda(); y = torch.load('a'); z = torch.zeros(2).cuda()\n",
        [(2, 29, "MPS102"), (2, 41, "MPS201"), (2, 77, "MPS102")],
    ),
    "stars": (
        b"import torch\nx[*torch.zeros(2).cuda()]\nprint(*torch.zeros(2).cuda(), **torch.zeros(2).cuda())\n",
        [(2, 19, "MPS102"), (3, 23, "MPS102"), (3, 48, "MPS102")],
    ),
    "f_strings": (
        "import torch\ns = f'é{torch.zeros(2).cuda()}' f\"{torch.load('a')!r:>{torch.zeros(2).cuda()}}\"\n".encode(),
        [(2, 24, "MPS102"), (2, 36, "MPS201"), (2, 71, "MPS102")],
    ),
    "redundant_parentheses": (
        b"import torch\nx = (((torch.zeros(2))).cuda)()\n(torch).load('a')\n(torch.load)('a')\n",
        [(2, 25, "MPS102"), (3, 1, "MPS201"), (4, 2, "MPS201")],
    ),
    "deep_calls": (b"import torch\nx = " + b"abs(" * 80 + b"torch.zeros(2).cuda()" + b")" * 80, [(2, 340, "MPS102")]),
    "deep_blocks": (
        b"import torch\n" + b"".join(b" " * n + b"if x:\n" for n in range(90)) + b" " * 90 + b"torch.zeros(2).cuda()\n",
        [(92, 106, "MPS102")],
    ),
    "long_line": (b"import torch\nx = [" + b"'x', " * 20_000 + b"torch.zeros(2).cuda()]\n", [(2, 100_021, "MPS102")]),
    "many_lines": (b"import torch\n" + b"\n" * 20_000 + b"torch.zeros(2).cuda()\n", [(20_002, 16, "MPS102")]),
    "elif_chain": (
        b"import torch\nif a: pass\n" + b"elif a: pass\n" * 100 + b"else: torch.zeros(2).cuda()\n",
        [(103, 22, "MPS102")],
    ),
}

SYNTAX_ERRORS: dict[str, tuple[bytes, int]] = {
    "broken": (b"import torch\ntorch.load('a')\ndef f(:\n", 3),
    "unclosed": (b"import torch\nx = torch.load('a'\n", 2),
    "unterminated": ("é = 1\ns = 'é\n".encode(), 2),
    "python_2": (b"print 'x'\n", 1),
    "mixed_indent": (b"if x:\n\ty\n        z\n", 3),
    "too_many_parentheses": (b"x = 1\ny = " + b"(" * 250 + b")" * 250, 2),
    "unindented": (b"if x:\ny\n", 2),
}

REFUSED_BY_PYTHON: dict[str, bytes] = {
    "nul": b"x = 1\n\0\n",
    "undecodable": b"import torch\nx = '\xff'\n",
    "wrong_cookie": b"# coding: ascii\nx = '\xe9'\n",
    "no_such_cookie": b"# coding: no-such\nx = 1\n",
    "no_text_cookie": b"# coding: hex\nx = 1\n",
    "bom_and_cookie": b"\xef\xbb\xbf# coding: latin-1\nx = 1\n",
    "utf_16": "x = 1\n".encode("utf-16"),
    "lone_surrogate": b"# coding: raw_unicode_escape\nx = '\\ud800'\n",
    "deep_minus": b"x = " + b"-" * 100_000 + b"1\n",
    "binary": bytes(range(256)),
}
"""flake8 reads some of these as latin-1, crashes at others, or calls them E999; Python runs none."""

DEEP: dict[str, bytes] = {
    "terms": b"import torch\nx = torch.zeros(2).cuda()\ny = " + b" + ".join([b"x"] * 900) + b"\n",
    "attributes": b"import torch\nx = torch.zeros(2).cuda()\ny = x" + b".a" * 900 + b"\n",
    "calls": b"import torch\nx = torch.zeros(2).cuda()\ny = x" + b".to(y)" * 400 + b"\n",
    "terms_no_parser_reads": b"x = " + b"+".join([b"x"] * 20_000) + b"\n",
}
"""Python parses most of these; what walks their tree by recursion may still give up."""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False
    )


def flake8(*paths: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "flake8", "--isolated", "--select", f"{CODES},MPS000,E9", "-j1", *paths, cwd=cwd)


def check(*paths: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run("-m", "flake8_mps", "check", "--select", CODES, *paths, cwd=cwd)


def places(output: str) -> dict[str, list[Place]]:
    """Line, column and code of every report, by the file's name without its suffix."""
    found: dict[str, list[Place]] = {}
    for line in output.splitlines():
        match = LINE.match(line)
        assert match, line
        found.setdefault(Path(match["path"]).stem, []).append((int(match["line"]), int(match["column"]), match["code"]))
    return found


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / f"{name}.py").write_bytes(data)


def test_both_fronts_report_the_same_places(tmp_path: Path) -> None:
    write(tmp_path, {name: data for name, (data, _) in READABLE.items()})
    expected = {name: places for name, (_, places) in READABLE.items() if places}
    ours, theirs = check(".", cwd=tmp_path), flake8(".", cwd=tmp_path)
    assert places(ours.stdout) == expected
    assert places(theirs.stdout) == expected
    assert (ours.returncode, theirs.returncode, theirs.stderr) == (1, 1, "")
    total = sum(map(len, expected.values()))
    assert ours.stderr.startswith(f"{total} findings in {len(expected)} of {len(READABLE)} files (")
    assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())


@pytest.mark.parametrize("name", [name for name, (data, places) in READABLE.items() if places])
def test_standard_input_reports_the_same_places(tmp_path: Path, name: str) -> None:
    data, expected = READABLE[name]
    command = [sys.executable, "-m", "flake8_mps", "check", "--select", CODES, "-"]
    ours = subprocess.run(command, input=data, capture_output=True, check=False)
    assert places(ours.stdout.decode()) == {"stdin": expected}


def test_a_syntax_error_is_told_at_its_line(tmp_path: Path) -> None:
    write(tmp_path, {name: data for name, (data, _) in SYNTAX_ERRORS.items()} | {"sound": BODY.encode()})
    ours, theirs = check(".", cwd=tmp_path), flake8(".", cwd=tmp_path)
    assert ours.returncode == 2
    assert places(ours.stdout) == {"sound": CUDA}
    lines = dict(re.findall(r"^\./(\w+)\.py:(\d+):\d+: cannot be parsed", ours.stderr, re.MULTILINE))
    assert lines == {name: str(line) for name, (_, line) in SYNTAX_ERRORS.items()}
    reported = {(name, line, code) for name, found in places(theirs.stdout).items() for line, _, code in found}
    expected = {(name, line, "E999") for name, (_, line) in SYNTAX_ERRORS.items()}
    assert reported == expected | {("sound", 2, "MPS102")}


def test_what_python_refuses_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(tmp_path, REFUSED_BY_PYTHON | {"sound": BODY.encode()})
    ours = check(".", cwd=tmp_path)
    assert ours.returncode == 2
    assert places(ours.stdout) == {"sound": CUDA}
    *told, count, summary = ours.stderr.splitlines()
    assert sorted(re.match(r"\./(\w+)\.py:\d+:\d+: \w", line)[1] for line in told) == sorted(REFUSED_BY_PYTHON)
    assert count == f"{len(REFUSED_BY_PYTHON)} files or cells could not be read"
    assert summary == "1 finding in 1 of 1 file (1 error): 1 MPS102"


@pytest.mark.parametrize("name", REFUSED_BY_PYTHON)
def test_where_flake8_fails_it_is_not_our_doing(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: REFUSED_BY_PYTHON[name]})
    result = flake8(f"{name}.py", cwd=tmp_path)
    assert "flake8_mps" not in result.stdout + result.stderr
    assert "MPS000" not in result.stdout


@pytest.mark.parametrize("name", DEEP)
def test_a_deep_tree_crashes_nothing_of_ours(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: DEEP[name], "sound": BODY.encode()})
    ours, theirs = check(".", cwd=tmp_path), flake8(f"{name}.py", cwd=tmp_path)
    assert "Traceback" not in ours.stderr
    assert places(ours.stdout)["sound"] == CUDA
    if "nested too deeply" in ours.stderr:
        assert ours.returncode == 2
    elif "cuda" in DEEP[name].decode():
        assert places(ours.stdout)[name] == CUDA
    assert "flake8_mps" not in theirs.stdout + theirs.stderr
    if "MPS" in theirs.stdout:
        assert places(theirs.stdout)[name] == CUDA


# --- wrong options ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["level", "torch", "macos"])
def test_a_wrong_option_is_told_before_any_file_is_read(tmp_path: Path, option: str) -> None:
    write(tmp_path, {"broken": b"def f(:\n"})
    ours = check(f"--{option}=loud", "broken.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (2, "")
    assert ours.stderr.splitlines()[-1].startswith(f"flake8-mps check: error: --{option}: 'loud' is not ")
    theirs = flake8(f"--mps-{option}=loud", "broken.py", cwd=tmp_path)
    assert theirs.returncode == 1
    assert f"--mps-{option}: 'loud' is not " in theirs.stdout
    assert "E999" not in theirs.stdout
    assert "Traceback" not in theirs.stdout + theirs.stderr


def test_a_wrong_option_in_flake8s_config(tmp_path: Path) -> None:
    write(tmp_path, {"sound": BODY.encode()})
    (tmp_path / ".flake8").write_text("[flake8]\nmps-level = loud\n")
    result = run("-m", "flake8", "sound.py", cwd=tmp_path)
    assert result.returncode == 1
    assert "--mps-level: 'loud' is not one of info, warning, error" in result.stdout
    assert "sound.py" not in result.stdout


# --- a rule that raises ----------------------------------------------------------------------------------------------


BREAK_A_RULE = """
import runpy, sys
from flake8_mps.rule import load_rules

def check(self, found, facts):
    raise KeyError("first line\\nsecond line")

rule = next(rule for rule in load_rules() if rule.code == "MPS201")
type(rule).check = check
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    "front",
    [["flake8", "--isolated", "--select", "MPS", "-j1"], ["flake8_mps", "check", "--select", CODES]],
    ids=["flake8", "check"],
)
def test_a_rule_that_raises_is_one_line_and_the_rest_goes_on(tmp_path: Path, front: list[str]) -> None:
    text = "import torch\nx = torch.zeros(2).cuda()\ntorch.load('a')\ntorch.load('b')\n"
    write(tmp_path, {"a": text.encode(), "b": BODY.encode()})
    result = run("-c", BREAK_A_RULE, *front, "a.py", "b.py", cwd=tmp_path)
    assert result.returncode == 1
    assert places(result.stdout)["b"] == CUDA
    codes = sorted(code for _, _, code in places(result.stdout)["a"])
    assert codes == ["MPS000", "MPS102"]
    (internal,) = [line for line in result.stdout.splitlines() if "MPS000" in line]
    assert internal.startswith("a.py:")
    assert "MPS201" in internal

"""What a Source is made of: bytes, characters, positions, noqa, and the cells of notebooks."""

from __future__ import annotations

import ast
import json
import pickle
import warnings
from pathlib import Path

import pytest

from flake8_mps.finding import Finding, Severity, Span, World
from flake8_mps.notebook import NotPython, read_notebook
from flake8_mps.source import Source, Unreadable, parse, read_source, searchable


def source_of(text: str) -> Source:
    return Source(text, ast.parse(text), "a.py")


def first(source: Source, kind: type[ast.AST]) -> ast.AST:
    return next(node for node in ast.walk(source.tree) if isinstance(node, kind))


def text_at(source: Source, span: Span) -> str:
    assert span.line == span.end_line
    return source.lines[span.line - 1][span.column:span.end_column]


# --- bytes to characters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbf", ""),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        (b"x = 1\ry = 2\r", "x = 1\ny = 2\n"),
        (b"x = 1\r\r\ny = 2\n\r", "x = 1\n\ny = 2\n\n"),
        (b"x = 'a\x0cb\x1cc'\n", "x = 'a\x0cb\x1cc'\n"),
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = 'é'\n"),
        (b"#!/usr/bin/env python\n# -*- coding: cp1252 -*-\nx = '\x80'\n", None),
        ("x = 'é😀'\n".encode(), "x = 'é😀'\n"),
    ],
)
def test_bytes_become_the_text_that_python_sees(tmp_path: Path, data: bytes, text: str | None) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(data)
    source = read_source(str(file))
    assert source.text == (text if text is not None else "#!/usr/bin/env python\n# -*- coding: cp1252 -*-\nx = '€'\n")
    assert source.path == str(file)
    assert ast.dump(source.tree) == ast.dump(ast.parse(source.text))
    assert source.unreadable_cells == ()


@pytest.mark.parametrize(
    ("data", "line", "column", "reason"),
    [
        (b"x = 1\ndef f(:\n", 2, 6, "invalid syntax"),
        ("é = 'ü' 'abc\n".encode(), 1, 8, "unterminated string literal"),
        (b"if x:\n\ty\n        z\n", 3, 0, "inconsistent use of tabs"),
        (b"x = 1\ny = \0 2\n", 2, 4, "NUL byte"),
        (b"x = 1\r\ny = '\xff'\r\n", 2, 5, "byte 0xff is not utf-8"),
        ("x = 1\ny = 'é".encode() + b"\xe9'\n", 2, 6, "byte 0xe9 is not utf-8"),
        (b"x = 1\n" * 9 + b"\xff\n", 10, 0, "byte 0xff is not utf-8"),
        (b"# coding: ascii\nx = '\xe9'\n", 2, 5, "byte 0xe9 is not ascii"),
        (b"# coding: no-such-codec\n", 1, 0, "no-such-codec"),
        (b"# coding: hex\n", 1, 0, "hex"),
        (b"# coding: undefined\n", 1, 0, "undefined"),
        (b"# coding: unicode_escape\nx = '\\x'\n", 2, 5, "byte 0x5c is not unicodeescape"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, 0, "utf-8"),
        (b"# coding: raw_unicode_escape\nx = '\\ud800'\n", 2, 5, "half a surrogate pair"),
        ("x = 1\n".encode("utf-16"), 1, 0, "byte 0xff is not utf-8"),
        (b"x = " + b"-" * 100_000 + b"1\n", 1, 0, "nested too deeply"),
        (b"x = " + b"+".join([b"x"] * 20_000) + b"\n", 1, 0, "nested too deeply"),
        (b"x = " + b"(" * 250 + b")" * 250, 1, 204, "too many nested parentheses"),
        (b"x = " + b"9" * 5000, 1, 0, "Exceeds the limit"),
    ],
)
def test_what_is_no_python_is_unreadable_and_says_where(
    tmp_path: Path, data: bytes, line: int, column: int, reason: str
) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        read_source(str(file))
    problem = caught.value
    assert (problem.path, problem.line, problem.column, problem.cell) == (str(file), line, column, None)
    assert reason in problem.reason
    assert "\n" not in str(problem)
    assert str(problem) == f"{file}:{line}:{column + 1}: {problem.reason}"
    assert str(pickle.loads(pickle.dumps(problem))) == str(problem)


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_what_cannot_be_opened_is_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_source(str(tmp_path / name))


def test_warnings_of_the_file_are_not_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse("x = '\\d'\n", "a.py").body


# --- positions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "token", "column"),
    [
        ("x.cuda()", "x.cuda", 0),
        ("f(x).cuda()", "cuda", 5),
        ("\tx.cuda()".replace("\t", "if 1:\t"), "x.cuda", 6),
        ("s = 'é😀'; f(x).cuda()", "cuda", 15),
        ("größe = f(größe).cuda()", "cuda", 17),
        ("(f(x)\n  .cuda())", "cuda", 3),
        ("(x\n  .cuda)()", "cuda", 3),
        ("f(x).ﬁle", "ﬁle", 5),
        ("é = f(x).ﬁle", "ﬁle", 9),
        ("é = f(x).ｃｕｄａ()", "ｃｕｄａ", 9),
    ],
)
def test_a_token_is_counted_in_characters(text: str, token: str, column: int) -> None:
    source = source_of(text)
    node = first(source, ast.Attribute)
    span = source.token(node)
    assert (text_at(source, span), span.column) == (token, column)


@pytest.mark.parametrize(("text", "token"), [("f(device=x)", "device"), ("é(ﬁ=x)", "ﬁ"), ("é(ü=x, b=é)", "ü")])
def test_a_keyword_is_its_name(text: str, token: str) -> None:
    source = source_of(text)
    assert text_at(source, source.token(first(source, ast.keyword))) == token


def test_a_span_may_cross_lines_and_ends_behind_its_last_character() -> None:
    source = source_of("é = f(\n  'ü', x)\n")
    assert source.span(first(source, ast.Call)) == Span(1, 4, 2, 9)


def test_lines_end_at_newlines_only() -> None:
    assert source_of("a\x0c\nb = '\u2028\x1c\x85'\n").lines == ["a\x0c", "b = '\u2028\x1c\x85'", ""]


def test_a_searchable_text_keeps_every_position() -> None:
    assert searchable("x = '\ud800\0é'\n") == "x = '??é'\n"
    assert searchable("x = 'é'\n") == "x = 'é'\n"


def test_a_plain_file_has_no_cells() -> None:
    assert source_of("x = 1\n").locate(Span(1, 0, 1, 1)) == (None, Span(1, 0, 1, 1))


# --- noqa ------------------------------------------------------------------------------------------------------------


def suppressed(text: str, line: int, code: str = "MPS101") -> bool:
    span = Span(line, 0, line, 1)
    return source_of(text).suppressed(Finding(code, "m", span, Severity.ERROR, World.AS_WRITTEN))


@pytest.mark.parametrize(
    ("comment", "hidden"),
    [
        ("# noqa", True),
        ("# NoQA", True),
        ("# noqa: MPS101", True),
        ("# noqa:MPS101", True),
        ("# noqa: E501,MPS101", True),
        ("# noqa: E501 MPS101", True),
        ("# noqa: MPS1", True),
        ("# noqa: MPS101  CUDA only: nvml", True),
        ("# noqa: MPS101: CUDA only", True),
        ("# noqa: CUDA only", True),  # no code at all: flake8 takes it for a bare noqa
        ("# reason first  # noqa: MPS101", True),
        ("# noqa: MPS102", False),
        ("# noqa: E501", False),
        ("# mps", False),
        ("", False),
    ],
)
def test_noqa_on_the_line(comment: str, hidden: bool) -> None:
    assert suppressed(f"x = 1  {comment}\ny = 2\n", 1) is hidden
    assert not suppressed(f"x = 1  {comment}\ny = 2\n", 2)


def test_noqa_spans_strings_and_backslashes_and_nothing_else() -> None:
    assert suppressed("x = '''a\nb\n'''  # noqa: MPS101\n", 1)
    assert suppressed("x = \\\n  1  # noqa: MPS101\n", 1)
    assert not suppressed("f(\n  1,  # noqa: MPS101\n)\n", 1)
    assert suppressed("f(\n  1,  # noqa: MPS101\n)\n", 2)


@pytest.mark.parametrize("line", ["# flake8: noqa", "# flake8: noqa: MPS101", "  # FLAKE8: NOQA", "# flake8:noqa"])
def test_noqa_for_the_file(line: str) -> None:
    assert suppressed(f"x = 1\n{line}\n", 1)
    assert suppressed(f"x = 1\n{line}\n", 1, "MPS202")


def test_noqa_for_the_file_must_have_its_own_line() -> None:
    assert not suppressed("x = 1\ny = 2  # flake8: noqa\n", 1)


def test_noqa_on_a_last_line_without_newline() -> None:
    assert suppressed("x = 1  # noqa: MPS101", 1)


# --- notebooks -------------------------------------------------------------------------------------------------------


def notebook(tmp_path: Path, *cells: str | list[str] | dict, **metadata: object) -> Source:
    written = [cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell} for cell in cells]
    return save(tmp_path, {"nbformat": 4, "metadata": metadata, "cells": written})


def save(tmp_path: Path, document: object) -> Source:
    file = tmp_path / "a.ipynb"
    file.write_text(json.dumps(document), encoding="utf-8")
    return read_notebook(str(file))


def positions(source: Source, name: str) -> list[tuple[int | None, int, int]]:
    """Cell, line and column of every use of a name."""
    uses = [node for node in ast.walk(source.tree) if isinstance(node, ast.Name) and node.id == name]
    located = [source.locate(source.span(node)) for node in uses]
    return sorted((cell, span.line, span.column) for cell, span in located)


def test_names_flow_from_cell_to_cell_and_positions_stay_in_theirs(tmp_path: Path) -> None:
    markdown = {"cell_type": "markdown", "source": "# x"}
    source = notebook(tmp_path, "x = 1", markdown, ["y = 2\n", "é = x; x\n"], "", "\n\nx\n")
    assert positions(source, "x") == [(1, 1, 0), (2, 2, 4), (2, 2, 7), (4, 3, 0)]
    assert source.unreadable_cells == ()
    assert source.path.endswith("a.ipynb")


def test_nbformat_3(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": "x"},
        {"cell_type": "code", "input": ["y = 1\n", "x"], "language": "python"},
        {"cell_type": "code", "input": "x", "language": "ruby"},
    ]
    source = save(tmp_path, {"nbformat": 3, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]})
    assert positions(source, "x") == [(1, 2, 0)]


@pytest.mark.parametrize("cells", [[], [""], ["\n\n"], ["# only a comment"], [{"cell_type": "raw", "source": "x ="}]])
def test_an_empty_notebook_is_an_empty_module(tmp_path: Path, cells: list) -> None:
    source = notebook(tmp_path, *cells)
    assert (source.tree.body, source.unreadable_cells) == ([], ())


@pytest.mark.parametrize(
    ("cell", "places"),
    [
        ("%matplotlib inline\nx", [(2, 0)]),
        ("!pip install 'it\nx", [(2, 0)]),
        ("!pip install a \\\n   'b\nx", [(3, 0)]),
        ("!echo (\nx\n!echo ]\nx", [(2, 0), (4, 0)]),
        ("pip install torch\nx", [(2, 0)]),
        ("load_ext autoreload\nautoreload 2\nx", [(3, 0)]),
        ("y = !ls\nx", [(2, 0)]),
        ("y = %pwd\nx", [(2, 0)]),
        ("y['a'] = !ls\nx", [(2, 0)]),
        ("x?", []),
        ("x.cuda??\nx", [(2, 0)]),
        ("?x\nx", [(2, 0)]),
        ("%timeit?\nx", [(2, 0)]),
        ("if a:\n    !ls\nelse:\n    %cd x\nx", [(5, 0)]),
        ("for a in b:\n  %time x\n  x", [(2, 8), (3, 2)]),
        ("%time x", [(1, 6)]),
        ("%time y = x", [(1, 10)]),
        ("%time for a in x: a", [(1, 15)]),
        ("%timeit -n 10 -r3 -o x", [(1, 21)]),
        ("%timeit x(1, \\\n   x)", [(1, 8), (2, 3)]),
        ("y = %timeit -o x", [(1, 15)]),
        ("%prun -l 10 -s cumulative x", [(1, 26)]),
        ("%time x )\nx", [(2, 0)]),
        ("%timeit\nx", [(2, 0)]),
        ("%%time\nx", [(2, 0)]),
        ("\n%%capture out\n%%time\n!ls\nx", [(5, 0)]),
        ("%%timeit -n 3 x\nx", [(1, 14), (2, 0)]),
        ("%%prun -s time\nx", [(2, 0)]),
        ("%%bash\nx", []),
        ("%%html\n<b>x</b>", []),
        ("%%writefile x.py\nx", []),
        ("%%time\n%%bash\nx", []),
        ("await x", [(1, 6)]),
        ("async with x as y:\n  pass\nasync for y in x: pass", [(1, 11), (3, 15)]),
        ("    y = 1\n    x\n", [(2, 4)]),
        ("a = '''\n%time y\n!ls\n'''\nx", [(5, 0)]),
        ("y = (1\n  %x)\nx", [(2, 3), (3, 0)]),
        ("y = 1 \\\n  %x\n!ls", [(2, 3)]),
        ("# x?\nx", [(2, 0)]),
        ("/f x\n,f x\nx", [(3, 0)]),
        ("x = 1\r\nx\r\n", [(1, 0), (2, 0)]),
    ],
)
def test_magics_step_aside_and_no_column_moves(tmp_path: Path, cell: str, places: list[tuple[int, int]]) -> None:
    source = notebook(tmp_path, cell)
    assert source.unreadable_cells == ()
    assert positions(source, "x") == [(1, *place) for place in places]


@pytest.mark.parametrize(
    ("cell", "line", "column", "reason"),
    [
        ("x = 1\ndef f(:\n", 2, 6, "invalid syntax"),
        ("!ls\nfor x in y:\n  %time z\nx = = 1", 4, 4, "invalid syntax"),
        ("y = (1  # why?\nz = 2", 1, 4, "never closed"),
        ("x = '\0'", 1, 5, "NUL"),
        ("y\nx = '\ud800'", 2, 5, "surrogate"),
        ("x = " + "-" * 100_000 + "1", 1, 0, "nested too deeply"),
        ("y = 1\n  x", 2, 1, "unexpected indent"),
        ("print 'x'", 1, 0, "print"),
    ],
)
def test_a_cell_that_does_not_parse_is_left_out_and_told(
    tmp_path: Path, cell: str, line: int, column: int, reason: str
) -> None:
    source = notebook(tmp_path, "x = 1", cell, "x")
    assert positions(source, "x") == [(1, 1, 0), (3, 1, 0)]
    (problem,) = source.unreadable_cells
    assert (problem.cell, problem.line, problem.column) == (2, line, column)
    assert reason in problem.reason
    assert str(problem).startswith(f"{source.path}:cell 2:{line}:{column + 1}: ")


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"", 1, 0),
        (b"{\n  'cells': []}", 2, 2),
        (b"<<<<<<< HEAD\n", 1, 0),
        (b"\xff\xff", 1, 0),
        (b"[" * 100_000, 1, 0),
        (b"[]", 1, 0),
        (b"null", 1, 0),
        (b"{}", 1, 0),
        (b'{"cells": 1}', 1, 0),
        (b'{"cells": [1]}', 1, 0),
        (b'{"cells": [{"cell_type": "code"}]}', 1, 0),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', 1, 0),
    ],
)
def test_what_is_no_notebook_is_unreadable(tmp_path: Path, data: bytes, line: int, column: int) -> None:
    file = tmp_path / "a.ipynb"
    file.write_bytes(data)
    with pytest.raises(Unreadable, match="is no notebook") as caught:
        read_notebook(str(file))
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_notebook_may_begin_with_a_bom(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"cells": []}).encode())
    assert read_notebook(str(file)).text == ""


def test_other_languages_are_not_python(tmp_path: Path) -> None:
    with pytest.raises(NotPython, match="julia"):
        notebook(tmp_path, "x = 1", kernelspec={"language": "julia"})
    with pytest.raises(NotPython, match="R, not in Python"):
        notebook(tmp_path, "x <- 1", language_info={"name": "R"})
    assert notebook(tmp_path, "x = 1", language_info={"name": "ipython3"}).tree.body


def test_a_cell_of_another_language_is_no_python(tmp_path: Path) -> None:
    sql = {"cell_type": "code", "source": "SELECT 1 FROM", "metadata": {"vscode": {"languageId": "sql"}}}
    assert notebook(tmp_path, sql).unreadable_cells == ()


def test_noqa_in_a_cell(tmp_path: Path) -> None:
    source = notebook(tmp_path, "!ls\nx = 1  # noqa: MPS101\nx = 2")
    hidden = [
        source.suppressed(Finding("MPS101", "m", Span(line, 0, line, 1), Severity.ERROR, World.AS_WRITTEN))
        for line in (1, 2, 3)
    ]
    assert hidden == [False, True, False]

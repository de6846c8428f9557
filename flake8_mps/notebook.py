"""A notebook as one Python module: cells in order, IPython's own syntax out of the way, no column moved.

Python's parser says where a cell stops being Python; only there is a magic looked for. A ``%`` or ``?`` in a string
or in the middle of an expression is thus never taken for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .source import Origin, Source, Unreadable, parse, read_bytes, source_of, universal_newlines

RUNS_ITS_BODY = frozenset(
    "capture debug ipytest memit prun pyinstrument python python3 scalene time timeit wandb".split()
)
"""Cell magics whose body is Python; all others (``%%bash``, ``%%html``, ``%%writefile``) hide it."""

_CELL_MAGIC = re.compile(r"%%(\w+)")
_OPTION = r"(?:-[nrpv]\s*\d+|-[lsTDfm]\s*\S+|--?[\w-]+)\s+"
_TIMED = re.compile(rf"%%?(?:time|timeit|prun|memit|lprun|mprun)\s+(?:{_OPTION})*(?P<code>[^-\s].*)")

_STANDS_FOR_ANYTHING = "_"
_BARE_COMMANDS = "autoreload|cat|cd|conda|cp|env|load_ext|ls|mamba|matplotlib|mkdir|more|mv|pip|rm|rmdir|run|uv"
_MAGICS = (
    re.compile(r"(?P<left>\s*)(?P<magic>[%!?,;/].*)"),
    re.compile(r"(?P<left>[^=#]*[^=#!<>]=\s*)(?P<magic>[%!].*)"),
    re.compile(r"(?P<left>\s*)(?P<magic>[\w.*%=\[\] ]+\?\??\s*)$"),
    re.compile(rf"(?P<left>\s*)(?P<magic>(?:{_BARE_COMMANDS})\s+[^=(\s].*)"),
)


class NotPython(Unreadable):
    """A notebook in another language: nothing in it can be checked, and nothing in it is wrong."""


class _Line(NamedTuple):
    number: int
    text: str


def read_notebook(path: str, name: str | None = None) -> Source:
    """The module that the code cells of the notebook at ``path`` make together; ``name`` is what to call it.

    Raises as ``notebook_of`` does, and Unreadable where the system refuses. Standard input may also be the cells joined
    to one Python file, as some editors give them.
    """
    name, data = name or path, read_bytes(path)
    if path == "-" and not data.lstrip().startswith(b"{"):
        return source_of(data, name)
    return notebook_of(data, name)


def notebook_of(data: bytes, path: str) -> Source:
    """The module that the code cells of a notebook with these bytes make together.

    Raises Unreadable for a file that is no notebook, NotPython for one in another language.
    A cell that does not parse is left out and listed in ``unreadable_cells``.
    """
    lines: list[str] = []
    origins: list[Origin] = []
    unreadable: list[Unreadable] = []
    for cell, text in _code_cells(_load(data, path), path):
        try:
            code = _as_python(text, path)
        except Unreadable as problem:
            unreadable.append(Unreadable(path, problem.line, problem.column, problem.reason, cell))
        else:
            lines += [line.text for line in code]
            origins += [Origin(cell, line.number) for line in code]
    module = "".join(f"{line}\n" for line in lines)
    return Source(module, parse(module, path), path, origins=origins, unreadable_cells=tuple(unreadable))


# --- the file --------------------------------------------------------------------------------------------------------


def _load(data: bytes, path: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        reason = f"is no notebook: {error.msg}; save it again from Jupyter"
        raise Unreadable(path, error.lineno, error.colno - 1, reason) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(path, 1, 0, f"is no notebook: {error}; save it again from Jupyter") from None
    metadata = _dig(document, "metadata")
    language = _dig(metadata, "language_info", "name") or _dig(metadata, "kernelspec", "language")
    if isinstance(language, str) and "python" not in language.lower():
        raise NotPython(path, 1, 0, f"is a notebook in {language}, not in Python; it was passed over")
    return document


def _dig(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _code_cells(document: Any, path: str) -> Iterator[tuple[int, str]]:
    """The number (among code cells, as nbqa counts) and text of each code cell.

    In nbformat 4 and in 3, which has worksheets and says input for source.
    """
    try:
        sheets = document.get("worksheets", [document])
        cells = (cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code")
        for number, cell in enumerate(cells, 1):
            if _language(cell) == "python":
                text = cell["source"] if "source" in cell else cell["input"]
                yield number, universal_newlines("".join(text))
    except (AttributeError, KeyError, TypeError):
        reason = "is no notebook: it has no list of cells with their text; save it again from Jupyter"
        raise Unreadable(path, 1, 0, reason) from None


def _language(cell: dict[str, Any]) -> str:
    return _dig(cell, "metadata", "vscode", "languageId") or cell.get("language", "python")


# --- one cell --------------------------------------------------------------------------------------------------------


def _as_python(text: str, path: str) -> list[_Line]:
    """The lines of a cell as Python. Raises Unreadable at what is neither Python nor IPython."""
    lines = _unindented(_body([_Line(*line) for line in enumerate(text.split("\n"), 1)]))
    while True:
        try:
            parse("\n".join(line.text for line in lines), path)
            return lines
        except Unreadable as problem:
            index = min(problem.line, len(lines)) - 1
            if not _neutralise(lines, index):
                raise Unreadable(path, lines[index].number, problem.column, problem.reason) from None


def _body(lines: list[_Line]) -> list[_Line]:
    """A cell behind its cell magics; nothing where one of them hides the body."""
    lines = lines.copy()
    for index, line in enumerate(lines):
        magic = _CELL_MAGIC.match(line.text)
        if magic and magic[1] not in RUNS_ITS_BODY:
            return []
        if magic:
            setup = _timed_code(line.text) if magic[1] == "timeit" else None
            lines[index] = _Line(line.number, setup or "")
        elif line.text.strip():
            break
    return lines


def _unindented(lines: list[_Line]) -> list[_Line]:
    """IPython runs a cell that is indented as a whole; a block of its own lets Python do so."""
    first = next((line for line in lines if line.text.strip() and not line.text.lstrip().startswith("#")), None)
    if first and first.text[0].isspace():
        return [_Line(first.number, "if True:"), *lines]
    return lines


def _neutralise(lines: list[_Line], index: int) -> bool:
    """Replaces the magic at a line that Python refuses, in place; False if there is none."""
    start, end = index, index + 1
    while start and lines[start - 1].text.endswith("\\"):
        start -= 1
    while lines[end - 1].text.endswith("\\") and end < len(lines):
        end += 1
    for pattern in _MAGICS:
        if match := pattern.match(lines[start].text):
            lines[start:end] = _without_magic(match, lines[start:end])
            return True
    return False


def _without_magic(match: re.Match[str], lines: list[_Line]) -> list[_Line]:
    """The lines with a name in place of the magic, or with the code that the magic runs left where it stands."""
    first, *rest = lines
    left, code = match["left"], _timed_code(match["magic"], rest)
    if code is None:
        return [_Line(first.number, left + _STANDS_FOR_ANYTHING), *(_Line(line.number, "") for line in rest)]
    block = [] if left.strip() else [_Line(first.number, left + "if True:")]
    return [*block, _Line(first.number, left + code), *rest]


def _timed_code(magic: str, rest: Sequence[_Line] = ()) -> str | None:
    """The code that ``%timeit`` and the like run, behind spaces for the magic; None for what is no Python."""
    timed = _TIMED.match(magic)
    if timed and _parses("\n".join([timed["code"], *(line.text for line in rest)])):
        return " " * timed.start("code") + timed["code"]
    return None


def _parses(code: str) -> bool:
    try:
        parse(code, "")
    except Unreadable:
        return False
    return True

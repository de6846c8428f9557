"""``flake8-mps fix PATH...``: findings mended in their files."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..config import CODES, OPTIONS, Config
from ..discovery import Discovery
from ..finding import Finding, Safety
from ..notebook import NotPython, notebook_of
from ..rule import refuse_unknown_codes
from ..source import Source, Unreadable, source_of
from . import CLEAN, FINDINGS, TROUBLE

if TYPE_CHECKING:
    from ..fixer import Document, Fixed


def add(commands: Any) -> None:
    parser = commands.add_parser("fix", help="mend what can be mended, in place", allow_abbrev=False)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a .py or .ipynb file, or a folder")
    parser.add_argument("--diff", action="store_true", help="print what would be changed, for patch, and change nothing")
    parser.add_argument("--unsafe", action="store_true", help="make fixes too that may change values or where things are")
    for option in OPTIONS:
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    for name, effect in ("select", "mend only"), ("ignore", "leave"):
        parser.add_argument(f"--{name}", metavar="CODES", action="append", help=f"{effect} these: MPS102, MPS3, ...")
    parser.set_defaults(run=_fix, parser=parser)


def _fix(arguments: argparse.Namespace) -> int:
    config = Config.from_strings(**{name: getattr(arguments, name) for name in (*(one.name for one in OPTIONS), *CODES)})
    refuse_unknown_codes(config, "--")
    from ..fixer import fix, read_document
    from ..linter import lint

    problems: list[Unreadable] = []
    applied: Counter[str] = Counter()
    left = files = changed = 0
    allowed = Safety.UNSAFE if arguments.unsafe else Safety.SAFE

    def complain(problem: Unreadable) -> None:
        print(problem, file=sys.stderr)
        problems.append(problem)

    def findings(source: Source) -> Sequence[Finding]:
        return [one for one in lint(source, config, fixes=True) if not source.suppressed(one)]

    for path in (file.path for file in Discovery(complain).files(arguments.paths)):
        try:
            before = read_document(path, notebook_of if path.endswith(".ipynb") else source_of)
            files += 1
            done = fix(before, findings, config.for_file(path), allowed)
            if arguments.diff:
                _print_diff(before, done.document)
            elif done.document is not before:
                done.document.write()
        except NotPython as foreign:
            print(foreign, file=sys.stderr)
            continue
        except Unreadable as problem:
            complain(problem)
            continue
        _report(done, sys.stderr if arguments.diff else sys.stdout)
        applied.update(done.applied)
        changed += done.document is not before
        left += len(done.left)
        for problem in done.document.source.unreadable_cells:
            complain(problem)
    would = "would fix" if arguments.diff else "fixed"
    print(f"{would} {_by_code(applied)} in {changed} of {files} files; {left} left", file=sys.stderr)
    return TROUBLE if problems or not files else FINDINGS if left else CLEAN


def _report(done: Fixed, stream: Any) -> None:
    """What was fixed in a file, by code, and each finding that is left, with the reason."""
    source = done.document.source
    if done.applied:
        print(f"{source.path}: fixed {_by_code(done.applied)}", file=stream)
    for finding, why, _ in done.left:
        cell, span = source.locate(finding.span)
        place = source.path if cell is None else f"{source.path}:cell {cell}"
        print(f"{place}:{span.line}:{span.column + 1}: {finding.code} left, {why}: {finding.message}", file=stream)
    stream.flush()


def _by_code(codes: Counter[str]) -> str:
    if not codes:
        return "nothing"
    return f"{codes.total()} ({', '.join(f'{number} {code}' for code, number in sorted(codes.items()))})"


def _print_diff(before: Document, after: Document) -> None:
    """A unified diff, byte for byte as the file has it, so that ``patch`` takes it."""
    old, new = (document.data.decode("latin-1").split("\n") for document in (before, after))
    name = before.path.lstrip("/").encode("utf-8", "surrogateescape").decode("latin-1")
    out = []
    for line in difflib.unified_diff(*map(_with_ends, (old, new)), f"a/{name}", f"b/{name}"):
        out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    sys.stdout.flush()
    sys.stdout.buffer.write("".join(out).encode("latin-1"))
    sys.stdout.flush()


def _with_ends(lines: list[str]) -> list[str]:
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])

"""Lines of real code on which nothing is reported, drawn at random: read them to see what the linter misses.

``python benchmarks/silent_lines.py --seed 1 --count 100 path/to/code ...`` prints ``file:line: text`` for lines that
mention what Macs trip over, outside comments, docstrings and texts of several lines, and carry no finding at the
default level. Each such line is as likely as any other, and the same seed over the same code draws the same lines, but
for those where the findings changed. Whether silence is right is for the reader to say.
"""

from __future__ import annotations

import argparse
import ast
import functools
import io
import random
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import Source

MENTIONS = re.compile(r"cuda|float64|\bdouble\b|\btorch\.load\b|autocast|GradScaler")


def mentioning(text: str) -> dict[int, str]:
    """The lines, by 1-based number, of which a mention is left once comments, docstrings and long texts are taken away.

    Raises SyntaxError, or ValueError for a text with a null byte, where it is no Python.
    """
    if not MENTIONS.search(text):
        return {}
    lines = io.StringIO(text).read().split("\n")
    read = [line if MENTIONS.search(line) else "" for line in lines]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            read[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)  # type: ignore[operator]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (row, column), (last, _) = token.start, token.end
        if token.type == tokenize.COMMENT:
            read[row - 1] = read[row - 1][:column]
        elif last > row:
            read[row - 1 : last] = [""] * (last - row + 1)
    return {number: lines[number - 1].strip() for number, line in enumerate(read, 1) if MENTIONS.search(line)}


@functools.cache
def reported(path: Path) -> frozenset[int]:
    """The lines of a file that carry a finding, suppressed or not."""
    text = path.read_text(encoding="utf-8")
    return frozenset(finding.span.line for finding in lint(Source(text, ast.parse(text), str(path)), Config()))


def silent_lines(folders: list[Path], seed: int) -> Iterator[tuple[Path, int, str]]:
    """All silent lines of the Python files of folders, in an order that the seed decides."""
    lines: list[tuple[Path, int, str]] = []
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        try:
            lines += ((path, number, line) for number, line in mentioning(path.read_text(encoding="utf-8")).items())
        except (SyntaxError, ValueError, tokenize.TokenError):
            continue
    random.Random(seed).shuffle(lines)
    return ((path, number, line) for path, number, line in lines if number not in reported(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    for _, (path, number, line) in zip(range(arguments.count), silent_lines(arguments.folders, arguments.seed)):
        print(f"{path}:{number}: {line}")


if __name__ == "__main__":
    main()

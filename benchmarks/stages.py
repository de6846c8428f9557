"""Where the time goes inside flake8-mps: files gated out, parsed and interpreted, and the seconds of each stage.

Run by bench.py inside the environment of flake8-mps, or by hand: ``python benchmarks/stages.py path/to/code``.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from flake8_mps.config import Config
from flake8_mps.linter import Statistics, lint
from flake8_mps.source import Source


def measure(tree: Path) -> Statistics:
    """Lints every Python file of a tree as flake8 would, handing over the syntax tree that flake8 has made anyway."""
    statistics = Statistics()
    for path in sorted(tree.rglob("*.py")):
        try:
            text = path.read_text(encoding="utf-8")
            syntax = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        lint(Source(text, syntax, str(path)), Config(), statistics)
    return statistics


def table(found: Statistics, megabytes: float) -> str:
    """The statistics as lines of text; a share is of all the seconds listed."""
    total = sum(found.seconds.values()) or 1.0
    lines = [f"  {found.files} files: {found.gated} gated out, {found.parsed} parsed, {found.interpreted} functions interpreted"]
    for stage, seconds in found.seconds.items():
        lines.append(f"  {stage:<14}{seconds:>8.3f} s {seconds / megabytes:>8.3f} s/MB {seconds / total:>6.0%}")
    return "\n".join(lines)


def main() -> None:
    for name in sys.argv[1:]:
        tree = Path(name)
        megabytes = sum(path.stat().st_size for path in tree.rglob("*.py")) / 1e6
        print(table(measure(tree), megabytes or 1.0))


if __name__ == "__main__":
    main()

"""Where the time goes inside flake8-mps: files gated out, parsed and interpreted, and the seconds of each stage.

Run by bench.py inside the environment of flake8-mps, or by hand: ``python benchmarks/stages.py path/to/code``.
``--timing`` adds what each rule costs, ``--growth`` what a long file costs beside a short one.
"""

from __future__ import annotations

import argparse
import ast
import time
from collections.abc import Iterator
from pathlib import Path

from flake8_mps.config import Config
from flake8_mps.linter import Statistics, lint, passes, search
from flake8_mps.rule import load_rules
from flake8_mps.source import Source

COPIES = (1, 10, 100)
SHOWN = 12


def sources(tree: Path) -> Iterator[Source]:
    """Every Python file of a tree as flake8 hands it over, with the syntax tree that flake8 has made anyway."""
    for path in sorted(tree.rglob("*.py")):
        try:
            text = path.read_text(encoding="utf-8")
            yield Source(text, ast.parse(text), str(path))
        except (SyntaxError, ValueError):
            continue


def measure(tree: Path, timing: bool = False) -> Statistics:
    statistics = Statistics(by_rule={} if timing else None)
    for source in sources(tree):
        lint(source, Config(), statistics)
    return statistics


def table(found: Statistics, megabytes: float) -> str:
    """The statistics as lines of text; a share is of all the seconds listed."""
    total = sum(found.seconds.values()) or 1.0
    lines = [f"  {found.files} files: {found.gated} gated out, {found.parsed} parsed, {found.interpreted} functions interpreted"]
    for stage, seconds in found.seconds.items():
        lines.append(f"  {stage:<14}{seconds:>8.3f} s {seconds / megabytes:>8.3f} s/MB {seconds / total:>6.0%}")
    return "\n".join(lines)


# --- rules -----------------------------------------------------------------------------------------------------------


def looked_at(source: Source, without: str = "") -> int:
    """The lines of a file that are searched or followed, with all rules but one."""
    if not search(without).passes(source.text):
        return 0
    hits = search(without).hits(source)
    followed = (range(hits.units[index].start, hits.units[index].end + 1) for index in hits.followed)
    return len({*hits.lines, *(line for lines in followed for line in lines)})


def rules(tree: Path, found: Statistics) -> str:
    """The dearest rules: the seconds of their own checks, and the lines looked at for no other rule."""
    alone = dict.fromkeys((rule.code for rule in load_rules()), 0)
    total = 0
    for source in (source for source in sources(tree) if passes(source.text)):
        lines = looked_at(source)
        total += lines
        for code in alone:
            alone[code] += lines - looked_at(source, code)
    seconds = found.by_rule or {}
    order = sorted(alone, key=lambda code: (alone[code] / (total or 1) + seconds.get(code, 0.0), code), reverse=True)
    rows = [f"  {code:<14}{seconds.get(code, 0.0):>8.3f} s {alone[code]:>9} lines {alone[code] / (total or 1):>6.1%}" for code in order]
    return "\n".join([f"  rule          its checks  looked at for it alone, of {total} lines", *rows[:SHOWN]])


# --- growth ----------------------------------------------------------------------------------------------------------


def growth(tree: Path) -> str:
    """What a file costs that holds several copies of another: the one of the tree that costs most for its length."""
    best, chosen = 0.0, None
    for source in (source for source in sources(tree) if 5_000 < len(source.text) < 50_000):
        seconds = _seconds(source)
        if seconds / len(source.text) > best:
            best, chosen = seconds / len(source.text), source
    if chosen is None:
        return "  no file of 5 to 50 kB"
    lines = [f"  copies of {Path(chosen.path).relative_to(tree)}, {len(chosen.text)} characters, in one file"]
    for copies in COPIES:
        text = (chosen.text + "\n") * copies
        seconds = _seconds(Source(text, ast.parse(text), chosen.path))
        lines.append(f"  {copies:>4} copies    {seconds:>8.3f} s {seconds / copies * 1000:>8.2f} ms for each")
    return "\n".join(lines)


def _seconds(source: Source) -> float:
    """CPU seconds, the best of two: the first also reads what later ones find in memory."""
    taken = []
    for _ in range(2):
        start = time.process_time()
        lint(Source(source.text, source.tree, source.path), Config())
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--timing", action="store_true", help="what each rule costs")
    parser.add_argument("--growth", action="store_true", help=f"what {', '.join(map(str, COPIES))} copies in one file cost")
    options = parser.parse_args()
    for tree in options.trees:
        megabytes = sum(path.stat().st_size for path in tree.rglob("*.py")) / 1e6
        found = measure(tree, options.timing)
        print(table(found, megabytes or 1.0))
        if options.timing:
            print(rules(tree, found))
        if options.growth:
            print(growth(tree))


if __name__ == "__main__":
    main()

"""What flake8-mps adds to flake8: CPU time and peak memory, beside what other plugins add to the same flake8.

Each row is one plugin in an environment of its own, against a flake8 without plugins: the same command over the same
files, in alternating runs. The first row is flake8 against itself: differences no larger than its spread are noise.
"""

from __future__ import annotations

import argparse
import functools
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from environments import KEPT, Unavailable, environment, environment_of_this_tree, package
from measure import Comparison, compare, flake8

PACKAGES = ["basicsr==1.4.2", "open_clip_torch==3.3.0"]
OWN = "flake8-mps"


@dataclass(frozen=True)
class Row:
    """A plugin: the name of its environment and of its package, and the prefix of its codes."""

    name: str
    prefix: str


PLUGINS = [Row("flake8", "MPS"), Row(OWN, "MPS"), Row("flake8-bugbear", "B"), Row("torchfix", "TOR")]


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help=f"code to lint; if none is named: {', '.join(PACKAGES)}")
    parser.add_argument("--package", action="append", default=[], metavar="NAME==VERSION", help="one from pip's index")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="pairs of runs for each row (default 5)")
    parser.add_argument("--only", action="append", choices=[row.name for row in PLUGINS], help="this row; repeatable")
    parser.add_argument("--max-ratio", type=float, metavar="R", help=f"exit 1 if {OWN}'s median CPU ratio is above R")
    parser.add_argument("--timing", action="store_true", help="what each rule costs")
    parser.add_argument("--growth", action="store_true", help="what 1, 10 and 100 copies of a file in one cost")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs: at least 1")
    if missing := [str(folder) for folder in options.folders if not folder.is_dir()]:
        parser.error(f"not a folder: {', '.join(missing)}")
    if not options.folders and not options.package:
        options.package = PACKAGES
    return options


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def trees(options: argparse.Namespace) -> dict[str, Path]:
    """The folders to lint, by the name to print. A package that cannot be had is named and left out."""
    found = {str(folder): folder.resolve() for folder in options.folders}
    for requirement in options.package:
        try:
            found[requirement] = package(requirement)
        except Unavailable as why:
            note(f"left out: {requirement}: {why}")
    return found


def environments(wanted: list[Row]) -> tuple[Path, str, dict[Row, Path]]:
    """The Python of bare flake8, the version of that flake8, and the Python of every row, all with that same flake8."""
    bare = environment("flake8", "flake8>=7")
    asked = subprocess.run([bare, "-m", "flake8", "--version"], capture_output=True, text=True, check=True)
    version = asked.stdout.split()[0]
    pythons = {}
    for row in wanted:
        try:
            if row.name == "flake8":
                pythons[row] = bare
            elif row.name == OWN:
                pythons[row] = environment_of_this_tree(f"flake8=={version}")
            else:
                pythons[row] = environment(row.name, row.name, f"flake8=={version}")
        except Unavailable as why:
            note(f"left out: {row.name}: {why}")
    return bare, version, pythons


def line(name: str, found: Comparison) -> str:
    """One row of the table."""
    base, other = found.seconds()
    least, median, greatest = found.ratios()
    reports = found.pairs[0][1].reports
    return (
        f"  {name:<16}{reports:>8}{base:>10.2f}{other:>10.2f}   {least:>6.3f} {median:>6.3f} {greatest:>6.3f}"
        f"{found.memory_ratio():>10.3f}"
    )


HEADER = "  plugin           reports    bare s    with s      min median    max    memory"


def measure(tree: Path, bare: Path, pythons: dict[Row, Path], runs: int) -> float:
    """Prints the table of one tree. Returns the median CPU ratio of flake8-mps, 0 where it was not asked for."""
    ratio = 0.0
    for row, python in pythons.items():
        run = functools.partial(flake8, prefix=row.prefix, tree=tree)
        found = compare(functools.partial(run, bare), functools.partial(run, python), runs)
        print(line("flake8 again" if row == PLUGINS[0] else row.name, found), flush=True)
        if row.name == OWN:
            ratio = found.ratios()[1]
    return ratio


def stages(python: Path, tree: Path, *switches: str) -> str:
    """What stages.py says about a tree, run where flake8-mps is installed."""
    command = [python, Path(__file__).with_name("stages.py"), tree, *switches]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        return f"  stages.py failed: {asked.stderr.strip().splitlines()[-1]}"
    return asked.stdout.rstrip()


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    wanted = [row for row in PLUGINS if not options.only or row.name in options.only]
    bare, version, pythons = environments(wanted)
    system = f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}"
    print(f"flake8 {version} -j1 --isolated, {system}")
    print(f"CPU seconds (user + system); ratios with/without, {options.runs} alternating pairs; kept in {KEPT.name}/")
    found = trees(options)
    ratios = []
    for name, tree in found.items():
        files = list(tree.rglob("*.py"))
        megabytes = sum(path.stat().st_size for path in files) / 1e6
        print(f"\n{name}: {len(files)} files, {megabytes:.2f} MB\n{HEADER}", flush=True)
        ratios.append(measure(tree, bare, pythons, options.runs))
        if own := next((python for row, python in pythons.items() if row.name == OWN), None):
            switches = [f"--{name}" for name in ("timing", "growth") if getattr(options, name)]
            print(f"\n  inside {OWN}:\n{stages(own, tree, *switches)}", flush=True)
    if not (found and pythons):
        note("nothing was measured")
        return 1
    if options.max_ratio and max(ratios) > options.max_ratio:
        note(f"{OWN}: median CPU ratio {max(ratios):.3f} is above {options.max_ratio}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

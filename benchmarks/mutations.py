"""Recall by mutation: plants single mistakes in portable code and counts how many of them the linter finds.

Code is portable where the linter finds nothing, so that whatever it finds after one edit is that edit's doing. Found is
a mutant with a finding of a code that is expected for its kind. Which mistakes do damage that shows in the file is
decided by ``damage.py``, which knows nothing of the linter; those that do not are counted apart.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from damage import Damage
from environments import ROOT, Unavailable, package
from mutators import KINDS, Mutation, Page, mutations, parses

from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import Source, Unreadable, parse, read_source

SEED = 20
PACKAGES = ["open_clip_torch==3.3.0", "basicsr==1.4.2", "diffusers==0.42.1"]
OWN = [*sorted((ROOT / "fixtures").glob("*/ported")), ROOT / "fixtures" / "portable_choices.py"]
EXPECTED = {
    "cast": {"MPS301", "MPS302", "MPS303", "MPS304"},
    "move": {"MPS401", "MPS402", "MPS405", "MPS406"},
    "device": {"MPS401", "MPS402", "MPS405", "MPS406"},
    "map_location": {"MPS201"},
    "float64": {"MPS301", "MPS302"},
    "cpu": {"MPS404"},
    "buffer": {"MPS402"},
    "choice": {"MPS103", "MPS101"},
}


@dataclass(frozen=True)
class Mutant:
    """One planted mistake and what the linter said of it."""

    path: Path
    mutation: Mutation
    line: int
    shows: bool
    codes: tuple[str, ...]
    diff: str

    @property
    def found(self) -> bool:
        return bool(EXPECTED[self.mutation.kind] & set(self.codes))


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help=f"portable code; none named: {', '.join(PACKAGES)}")
    parser.add_argument("--package", action="append", default=[], metavar="NAME==VERSION", help="one from pip's index")
    parser.add_argument("--seed", type=int, default=SEED, help=f"chooses files and mutations (default {SEED})")
    parser.add_argument("--per-kind", type=int, default=40, metavar="N", help="at most, of those that show and of others")
    parser.add_argument("--per-file", type=int, default=2, metavar="N", help="at most, of each kind")
    parser.add_argument("--files", type=int, default=1000, metavar="N", help="at most, of all folders together")
    parser.add_argument("--list-missed", action="store_true", help="print each missed mutant that shows, as a diff")
    parser.add_argument("--all-missed", action="store_true", help="and those whose damage does not show")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args(arguments)
    if missing := [str(folder) for folder in options.folders if not folder.exists()]:
        parser.error(f"not there: {', '.join(missing)}")
    if not options.folders and not options.package:
        options.package = PACKAGES
    return options


def files(options: argparse.Namespace) -> Iterator[Path]:
    """Our own fixtures first, then a file of each folder in turn, in an order that the seed decides."""
    for own in OWN:
        yield from sorted(own.glob("*.py")) if own.is_dir() else [own]
    roots = list(options.folders)
    for requirement in options.package:
        try:
            roots.append(package(requirement))
        except Unavailable as why:
            print(f"left out: {requirement}: {why}", file=sys.stderr)
    dice = random.Random(options.seed)
    shuffled = []
    for root in roots:
        found = sorted(root.resolve().rglob("*.py")) if root.is_dir() else [root]
        shuffled.append(dice.sample(found, len(found)))
    mixed = dict.fromkeys(path for path in chain(*zip_longest(*shuffled)) if path is not None)
    yield from list(mixed)[: options.files]


def codes(text: str, path: Path) -> tuple[str, ...] | None:
    """The codes that the linter reports in a text, those of its lines once; None for what cannot be read."""
    try:
        return tuple(finding.code for finding in lint(Source(text, parse(text, str(path)), str(path)), Config()))
    except Unreadable:
        return None


def mutants(paths: Iterable[Path], options: argparse.Namespace) -> Iterator[Mutant]:
    """The mutants of portable files, until there are enough of each kind."""
    dice = random.Random(options.seed)
    taken: Counter[tuple[str, bool]] = Counter()
    for path in paths:
        text = _text(path)
        if text is None or taken.total() == 2 * len(KINDS) * options.per_kind:
            continue
        page = Page(text)
        damage, here = Damage(page), Counter()
        offered = list(mutations(page))
        for mutation in dice.sample(offered, len(offered)):
            if here[mutation.kind] == options.per_file or all(
                taken[mutation.kind, shows] == options.per_kind for shows in (True, False)
            ):
                continue
            key = mutation.kind, damage.shows(mutation)
            if taken[key] == options.per_kind or not parses(mutation.apply(text)):
                continue
            if not here and codes(text, path) != ():
                break  # not portable
            taken[key] += 1
            here[mutation.kind] += 1
            yield _planted(path, page, mutation, key[1])


def _text(path: Path) -> str | None:
    """The text of a file of torch."""
    try:
        text = read_source(str(path)).text
    except Unreadable:
        return None
    return text if "torch" in text else None


def _planted(path: Path, page: Page, mutation: Mutation, shows: bool) -> Mutant:
    changed = mutation.apply(page.text)
    line = page.text.count("\n", 0, mutation.start) + 1
    diff = difflib.unified_diff(page.text.splitlines(), changed.splitlines(), lineterm="", n=0)
    shown = "\n".join(part for part in list(diff)[2:] if not part.startswith("@@"))
    return Mutant(path, mutation, line, shows, codes(changed, path) or (), shown)


def table(planted: list[Mutant]) -> str:
    """By kind: planted, found and the share of those whose damage shows; and of the others."""
    rows = [f"{'kind':<24}{'planted':>8}{'found':>7}{'share':>8}   does not show: planted, found"]
    for kind in (*KINDS, None):
        of_kind = [mutant for mutant in planted if kind in (mutant.mutation.kind, None)]
        showing = [mutant for mutant in of_kind if mutant.shows]
        hidden = [mutant for mutant in of_kind if not mutant.shows]
        found = sum(mutant.found for mutant in showing)
        share = f"{found / len(showing):.0%}" if showing else "-"
        rows.append(f"{kind or 'all':<24}{len(showing):>8}{found:>7}{share:>8}{len(hidden):>26}"
                    f"{sum(mutant.found for mutant in hidden):>7}")
    return "\n".join(rows)


def as_json(planted: list[Mutant]) -> str:
    return json.dumps([
        {"kind": m.mutation.kind, "path": str(m.path), "line": m.line, "shows": m.shows, "found": m.found,
         "codes": m.codes, "diff": m.diff} for m in planted
    ], indent=1)


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    planted = list(mutants(files(options), options))
    if options.json:
        print(as_json(planted))
        return 0
    for mutant in planted:
        if not mutant.found and (options.all_missed or options.list_missed and mutant.shows):
            said = f", found {' '.join(mutant.codes)}" if mutant.codes else ""
            print(f"{mutant.path}:{mutant.line}: {mutant.mutation.kind}{'' if mutant.shows else ' (does not show)'}{said}\n{mutant.diff}\n")
    print(table(planted))
    return 0


if __name__ == "__main__":
    sys.exit(main())

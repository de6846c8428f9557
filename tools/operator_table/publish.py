"""The table as flake8_mps/operators/ reads it: small, sorted, the same for the same wheels."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ABSENT = "-"


def write(path: Path, value: object) -> None:
    """JSON with one entry a line, so that what a new release changes can be read in a diff."""
    path.write_text(_lines(value) + "\n", encoding="utf-8")


def _lines(value: object, depth: int = 0) -> str:
    if depth < 2 and isinstance(value, dict):
        inside = (f"{json.dumps(key)}: {_lines(each, depth + 1)}" for key, each in value.items())
        return "{\n" + ",\n".join(inside) + "\n}"
    if depth == 1 and isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(map(_compact, value)) + "\n]"
    return _compact(value)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def overloads(names: Iterable[str]) -> str:
    """ "add.Tensor,out relu.,out": the overloads of a base name in one word, with nothing for the default overload."""
    found = defaultdict(list)
    for base, _, overload in (name.partition(".") for name in sorted(names)):
        found[base].append(overload)
    return " ".join(base if given == [""] else f"{base}.{','.join(given)}" for base, given in found.items())


def operators(states: dict[str, dict[str, str]]) -> dict[str, str]:
    """The overloads by their states, a letter a release, from `states[release][overload]`."""
    groups = defaultdict(list)
    for name in set().union(*states.values()):
        groups["".join(release.get(name, ABSENT) for release in states.values())].append(name)
    return {letters: overloads(names) for letters, names in sorted(groups.items())}


def steps(by_release: Iterable[Iterable[str]]) -> list[list[object]]:
    """Names by release as [number of the release since which it is so, names]; nothing before the first is empty."""
    words = [" ".join(sorted(names)) for names in by_release]
    changes = [(number, word) for number, word in enumerate(words) if word != (words[number - 1] if number else "")]
    return [list(change) for change in changes]


def words(names: Iterable[str]) -> str:
    """ "Tensor.svd svd": the names after "torch."."""
    return " ".join(sorted(name.removeprefix("torch.") for name in names))


def grouped(entries: dict[str, dict]) -> list[dict]:
    """Public names with one and the same entry as one: {"names": "Tensor.svd svd", ...}."""
    by_entry = defaultdict(list)
    for name, entry in entries.items():
        by_entry[_compact(entry)].append(name)
    found = [{"names": words(names), **json.loads(entry)} for entry, names in by_entry.items()]
    return sorted(found, key=lambda entry: entry["names"])


def reached(operators_of: dict[str, Iterable[str]]) -> dict[str, str]:
    """Public names by the operators they reach."""
    by_operators = defaultdict(list)
    for name, found in operators_of.items():
        by_operators[" ".join(sorted(found))].append(name)
    return {found: words(names) for found, names in sorted(by_operators.items())}

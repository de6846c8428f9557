"""The table: from what the releases implement and what public names reach to the files of flake8_mps/operators/."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from operator_table import conditions, publish
from operator_table.apis import Api, names
from operator_table.decide import PARTIAL, SUPPORTED, Verdict, of_calls
from operator_table.evidence import Evidence
from operator_table.recorder import FLOAT64, Reached

NOT_ON_MPS = {torch.float64, torch.complex128}
# Views, memory and copies: nearly everything reaches them.
MOVES = {
    "as_strided", "empty.memory_format", "empty_strided", "view", "_reshape_alias", "_copy_from", "unsqueeze", "resize_",
    "_local_scalar_dense",
}  # fmt: skip


def write(folder: Path, evidence: Sequence[Evidence], recorded: Sequence[Api], infos: Iterable) -> None:
    """Raises Undecided where a partial name is new."""
    apis = by_name(recorded)
    releases = [each.wheel.minor for each in evidence]
    counts = {each.wheel.minor: {"version": each.wheel.version, **each.counts} for each in evidence}
    states = {each.wheel.minor: dict(each.release.states) for each in evidence}
    entries = {name: entry for name, found in apis.items() if (entry := entry_of(name, found, evidence))}
    publish.write(folder / "apis.json", {"releases": releases, "apis": publish.grouped(entries)})
    publish.write(folder / "reached.json", publish.reached({name: leaves(found) for name, found in apis.items()}))
    publish.write(folder / "operators.json", {"counts": counts, "states": publish.operators(states)})
    publish.write(folder / "dtypes.json", publish.reached(dtypes_not_on_mps(infos)))


def by_name(recorded: Iterable[Api]) -> dict[str, list[Api]]:
    found = defaultdict(list)
    for api in recorded:
        for name in api.names:
            found[name].append(api)
    return dict(found)


def entry_of(name: str, apis: Sequence[Api], evidence: Sequence[Evidence]) -> dict | None:
    """As flake8_mps/operators/ reads it; None for a name that every release supports in every form."""
    releases = [each.release for each in evidence]
    calls = [call for api in apis for call in api.calls]
    verdicts = [of_calls(calls, release) for release in releases]
    exists = [each.has(name) for each in evidence]
    letters = "".join(verdict.state if there else publish.ABSENT for verdict, there in zip(verdicts, exists, strict=True))
    if set(letters) == {SUPPORTED}:
        return None
    shown = [verdict if there else Verdict(SUPPORTED) for verdict, there in zip(verdicts, exists, strict=True)]
    entry: dict[str, object] = {"states": letters, "by": publish.steps(verdict.operators for verdict in shown)}
    said = frozenset().union(*(verdict.messages for verdict in shown if verdict.state != PARTIAL))
    if said:
        entry["message"] = min(said)
    if found := conditions.of_api(name, apis, releases, verdicts):
        entry["conditions"] = [{**form, "states": _where(form["states"], exists)} for form in found]
    return entry


def _where(letters: str, exists: Iterable[bool]) -> str:
    return "".join(letter if there else publish.ABSENT for letter, there in zip(letters, exists, strict=True))


def leaves(apis: Iterable[Api]) -> set[str]:
    """The operators that decide whether a name is supported: those that are not composed of others."""

    def below(node: Reached) -> set[str]:
        parts = [part for part in node.parts if part.name != FLOAT64]
        return set().union(*map(below, parts)) if parts else {node.name} - {""}

    return set().union(*(below(call.reached) for api in apis for call in api.calls)) - MOVES


def dtypes_not_on_mps(infos: Iterable) -> dict[str, set[str]]:
    """By public name: the dtypes that PyTorch's tests use on the CPU and not on MPS (dtypesIfMPS), but for 64-bit floats."""
    found = {}
    for info in infos:
        lacking = info.supported_dtypes("cpu") - info.supported_dtypes("mps") - NOT_ON_MPS
        if lacking and not info.variant_test_name:
            found |= {name: {str(dtype).removeprefix("torch.") for dtype in lacking} for name in names(info)}
    return found

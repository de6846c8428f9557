"""What PyTorch implements for MPS, by release: aten operators, and the public names that reach them.

Read from PyTorch's macOS wheels by ``tools/update_operator_table.py``, which says how; nothing here was run on a Mac. A
name that is supported has a kernel for all it reaches; that the kernel is right, or takes every dtype, is not said. Three
files, each read when it is first asked for: ``apis.json`` (public names that some release does not support; the linter
needs no more), ``reached.json`` (the operators of every public name) and ``operators.json`` (every overload of aten).
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class State(enum.Enum):
    """What a release does with an operator or a public name when its tensors are on MPS."""

    KERNEL = "kernel"  # of a public name: a kernel, or all it is composed of
    COMPOSED = "composed"  # of an operator: no kernel of its own; supported as far as what it is composed of
    FALLBACK = "fallback"  # computed on the CPU, with a warning at most
    MISSING = "missing"  # NotImplementedError, or the CPU with PYTORCH_ENABLE_MPS_FALLBACK=1
    PARTIAL = "partial"  # some forms of the call are MISSING or FALLBACK; see Api.conditions
    ABSENT = "absent"  # this release's torch does not have the name
    UNKNOWN = "unknown"  # this release takes another way than the one that was recorded


LETTERS = {
    "k": State.KERNEL, "c": State.COMPOSED, "f": State.FALLBACK, "x": State.MISSING, "p": State.PARTIAL,
    "-": State.ABSENT, "?": State.UNKNOWN,
}  # fmt: skip
WORKS = State.KERNEL, State.COMPOSED


@dataclass(frozen=True)
class Operator:
    """An overload of aten as PyTorch's messages name it: "add.Tensor", "_linalg_eigh.eigenvalues"."""

    name: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Condition:
    """A form of a call that a release does not support, seen in its arguments: all that is given here must hold.

    `argument` has one of `values` (any value at all where `values` is empty, as for an argument that must not be given);
    it is at `position` (from 0, without self) if it can be given by position. `dimensions`: what the call's first tensor
    (its `self` for a method, the input of a layer's call for `torch.nn.X`) has, where that decides.
    """

    argument: str | None
    position: int | None
    values: tuple[Any, ...]
    dimensions: tuple[int, ...]
    states: Mapping[str, State]  # KERNEL, FALLBACK or MISSING
    operators: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Api:
    """A public name: "torch.linalg.eigh", "torch.Tensor.cumsum", "torch.nn.Conv3d", "torch.fft.fft".

    `operators`: by release, the overloads for which it is not supported; empty where it is. `added`: the first release
    since which it is supported in every release, or None.
    """

    name: str
    states: Mapping[str, State]
    operators: Mapping[str, tuple[str, ...]]
    conditions: tuple[Condition, ...] = ()

    @property
    def added(self) -> str | None:
        return added(self.states)


def added(states: Mapping[str, State]) -> str | None:
    """The first release from which on all are supported."""
    first = None
    for release, state in reversed(states.items()):
        if state not in WORKS:
            break
        first = release
    return first


def releases() -> tuple[str, ...]:
    """The releases of torch in the table, oldest first: ("1.12", ..., "2.15")."""
    return tuple(_file("apis")["releases"])


def names_not_everywhere() -> frozenset[str]:
    """The public names that some release does not support, or not in every form."""
    return frozenset(_unsupported())


@functools.cache
def api(name: str) -> Api | None:
    """What the releases do with a public name; None for one that the table does not know."""
    if (entry := _unsupported().get(name)) is not None:
        return _api(name, entry)
    return Api(name, _states("k" * len(releases())), _by_release([])) if name in _reached() else None


def apis() -> Iterable[Api]:
    """Every public name of the table."""
    return (found for name in sorted({*_unsupported(), *_reached()}) if (found := api(name)) is not None)


def reached(name: str) -> tuple[str, ...]:
    """The operators that a public name dispatches to on MPS, whether they have a kernel or not."""
    return tuple(_reached().get(name, "").split())


def operator(name: str) -> Operator | None:
    """An overload by its name, with or without "aten::" before it."""
    name = name.removeprefix("aten::")
    return Operator(name, _states(_overloads()[name])) if name in _overloads() else None


def operators() -> Iterable[Operator]:
    """Every overload that one of the releases has."""
    return (Operator(name, _states(letters)) for name, letters in sorted(_overloads().items()))


def counts() -> Mapping[str, Mapping[str, int]]:
    """By release: how many overloads have an MPS kernel by its yaml, its library and its Python files."""
    return _file("operators")["counts"]


@functools.cache
def _file(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def _unsupported() -> dict[str, dict[str, Any]]:
    return {name: entry for entry in _file("apis")["apis"] for name in entry["names"].split()}


@functools.cache
def _reached() -> dict[str, str]:
    return {name: found for found, names in _file("reached").items() for name in names.split()}


@functools.cache
def _overloads() -> dict[str, str]:
    """Overloads by name: "add.Tensor,out" stands for add.Tensor and add.out, "relu.,out" for relu and relu.out."""
    found = {}
    for letters, words in _file("operators")["states"].items():
        for word in words.split():
            base, _, overloads = word.partition(".")
            found |= {f"{base}.{overload}".rstrip("."): letters for overload in overloads.split(",")}
    return found


@functools.cache
def _states(letters: str) -> Mapping[str, State]:
    return {release: LETTERS[letter] for release, letter in zip(releases(), letters, strict=True)}


def _by_release(steps: list[list[Any]]) -> Mapping[str, tuple[str, ...]]:
    """From [[0, "cumsum"], [2, ""]], where a number is the release since which it is so."""
    found, known = {}, dict(steps)
    names: tuple[str, ...] = ()
    for number, release in enumerate(releases()):
        names = tuple(known[number].split()) if number in known else names
        found[release] = names
    return found


def _api(name: str, entry: dict[str, Any]) -> Api:
    is_method = name.startswith("torch.Tensor.")
    conditions = tuple(_condition(written, is_method) for written in entry.get("conditions", ()))
    return Api(name, _states(entry["states"]), _by_release(entry["by"]), conditions)


def _condition(written: dict[str, Any], is_method: bool) -> Condition:
    position = written.get("position")
    return Condition(
        argument=written.get("argument"),
        position=position - is_method if position is not None else None,
        values=tuple(written.get("values", ())),
        dimensions=tuple(written.get("dimensions", ())),
        states=_states(written["states"]),
        operators=_by_release(written["by"]),
    )

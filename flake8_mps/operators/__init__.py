"""What PyTorch implements for MPS, by release: aten operators, and the public names that reach them.

Read from PyTorch's macOS wheels by ``tools/update_operator_table.py``, which says how; nothing here was run on a Mac. A
name that is supported has a kernel for all it reaches; that the kernel is right, or takes every dtype, is not said.
Files, each read when it is first asked for: ``apis.json`` (public names that some release does not support; the linter
needs no more), ``reached.json`` (the operators of every public name), ``operators.json`` (every overload of aten) and
``dtypes.json``.
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
    REFUSED = "refused"  # there is a kernel, and it raises; PYTORCH_ENABLE_MPS_FALLBACK changes nothing
    PARTIAL = "partial"  # some forms of the call are one of the three above; see Api.conditions
    ABSENT = "absent"  # this release's torch does not have the name
    UNKNOWN = "unknown"  # this release takes another way than the one that was recorded


LETTERS = {
    "k": State.KERNEL, "c": State.COMPOSED, "f": State.FALLBACK, "x": State.MISSING, "r": State.REFUSED,
    "p": State.PARTIAL, "-": State.ABSENT, "?": State.UNKNOWN,
}  # fmt: skip
WORKS = State.KERNEL, State.COMPOSED
OMITTED = object()
"""Stands for an argument that a call leaves out."""


@dataclass(frozen=True)
class Operator:
    """An overload of aten as PyTorch's messages name it: "add.Tensor", "_linalg_eigh.eigenvalues"."""

    name: str
    states: Mapping[str, State]


@dataclass(frozen=True)
class Condition:
    """A form of a call that a release does not support, seen in its arguments: all that is given here must hold.

    `argument` is one of `values`, or is left out where `omitted`; with no `values`, any number or tuple of numbers but one
    of `but`. It is at `position` (from 0, without self) where it can be given by position. `dimensions`: how many the call's
    first tensor has (its `self` for a method, the input of a layer's call for `torch.nn.X`), where that decides; empty where
    it does not. `message`: how the text of the exception begins where a form is REFUSED.
    """

    argument: str | None
    position: int | None
    values: tuple[Any, ...]
    but: tuple[Any, ...]
    omitted: bool
    dimensions: tuple[int, ...]
    states: Mapping[str, State]  # KERNEL, FALLBACK, MISSING, REFUSED, or UNKNOWN where this form alone does not decide
    operators: Mapping[str, tuple[str, ...]]
    message: str = ""

    def matches(self, value: object) -> bool:
        """Whether the argument is one that decides when it is this literal, or OMITTED."""
        if value is OMITTED:
            return self.omitted
        if self.values:
            return any(type(value) is type(each) and value == each for each in self.values)
        return _is_number(value) and value not in self.but


def _is_number(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Api:
    """A public name: "torch.linalg.eigh", "torch.Tensor.cumsum", "torch.nn.Conv3d", "torch.fft.fft".

    `operators`: by release, the overloads for which it is not supported; empty where it is. `added`: the first release
    since which it is supported in every release, or None. `message`: how the text of the exception begins where it is REFUSED.
    """

    name: str
    states: Mapping[str, State]
    operators: Mapping[str, tuple[str, ...]]
    conditions: tuple[Condition, ...] = ()
    message: str = ""

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
    """Every public name of the table that is a function, a method or a layer: what no release can call, a dtype or an
    attribute that the recording met, is absent from all of them, and left out."""
    found = (api(name) for name in sorted({*_unsupported(), *_reached()}))
    return (one for one in found if one is not None and any(state is not State.ABSENT for state in one.states.values()))


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


def dtypes_not_on_mps(name: str) -> tuple[str, ...]:
    """Dtypes, as in "complex64", with which PyTorch's own tests call a public name on the CPU and not on MPS.

    float64 and complex128, which MPS never has, are not among them. Source: the OpInfos' `dtypesIfMPS`, of the release that
    the public names were recorded with; they say what is tested, so their absence says nothing.
    """
    return tuple(_turned(_file("dtypes")).get(name, "").split())


def counts() -> Mapping[str, Mapping[str, Any]]:
    """By release: its "version", and how many overloads its "yaml", "library" and "python" files register for MPS."""
    return _file("operators")["counts"]


@functools.cache
def _file(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def _unsupported() -> dict[str, dict[str, Any]]:
    return {f"torch.{name}": entry for entry in _file("apis")["apis"] for name in entry["names"].split()}


@functools.cache
def _reached() -> dict[str, str]:
    return _turned(_file("reached"))


def _turned(names_by_words: dict[str, str]) -> dict[str, str]:
    """{"torch.abs": "abs.out"} from {"abs.out": "Tensor.abs abs"}."""
    return {f"torch.{name}": words for words, names in names_by_words.items() for name in names.split()}


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
    return Api(name, _states(entry["states"]), _by_release(entry["by"]), conditions, entry.get("message", ""))


def _condition(written: dict[str, Any], is_method: bool) -> Condition:
    position = written.get("position")
    return Condition(
        argument=written.get("argument"),
        position=position - is_method if position is not None else None,
        values=_literals(written.get("values", ())),
        but=_literals(written.get("but", ())),
        omitted=written.get("omitted", False),
        dimensions=tuple(written.get("dimensions", ())),
        states=_states(written["states"]),
        operators=_by_release(written["by"]),
        message=written.get("message", ""),
    )


def _literals(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)

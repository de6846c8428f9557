"""What a release does with one call: the state of a name, decided by the arguments where only some forms are supported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import OMITTED, WORKS, Condition, State, api, releases

Version = tuple[int, int]
Given = Callable[[str, int | None], Any]
"""What a call is given for an argument, by its name or at its position: a literal, OMITTED, or None where that is not known."""

_NOTHING_KNOWN = State.UNKNOWN, State.ABSENT
FAILS = State.MISSING, State.FALLBACK  # what a kernel refuses, MPS504 knows


@dataclass(frozen=True)
class Form:
    """A call that a release does not support. ``shown`` is its name, with the argument that decides where one does.

    ``added`` is the first release since which it is supported, as far as that is known, or None; ``before`` the last one
    that does not. ``operators`` are the overloads that are missing, or computed on the CPU.
    """

    name: str
    shown: str
    state: State
    operators: tuple[str, ...]
    added: str | None
    before: str


def release_of(oldest: Version | None) -> str:
    """The release of the table that stands for the oldest torch to support: the newest where none is told."""
    known = releases()
    if oldest is None:
        return known[-1]
    return next((release for release in known if version(release) >= oldest), known[-1])


def version(release: str) -> Version:
    major, _, minor = release.partition(".")
    return int(major), int(minor)


def unsupported(name: str, release: str, given: Given) -> Form | None:
    """The form that a call has in a release that does not support it; None where it does, or where it is not known."""
    entry = api(name)
    if entry is None:
        return None
    state, decides, argument = entry.states[release], entry, ""
    if state is State.PARTIAL:
        found = next((one for one in entry.conditions if one.states[release] in FAILS and _holds(one, given)), None)
        if found is None:
            return None
        is_given = given(found.argument or "", found.position) is not OMITTED
        state, decides, argument = found.states[release], found, f"({found.argument}=...)" if is_given else ""
    if state not in FAILS:
        return None
    since, known = added_after(decides.states, release), releases()
    before = known[known.index(since) - 1] if since is not None else known[-1]
    return Form(name, short(name) + argument, state, decides.operators[release], since, before)


def _holds(condition: Condition, given: Given) -> bool:
    """Whether a call shows that it is of this form. How many dimensions a tensor has, no call shows."""
    if condition.dimensions or condition.argument is None:
        return False
    value = given(condition.argument, condition.position)
    return value is not None and condition.matches(value)


def added_after(states: Mapping[str, State], release: str) -> str | None:
    """The first release after one that fails from which on none is known to fail; None where the newest known fails."""
    since = None
    for later in reversed(tuple(states)[tuple(states).index(release) :]):
        if states[later] in WORKS:
            since = later
        elif states[later] not in _NOTHING_KNOWN:
            break
    return since


_SHORT = (("torch.nn.functional.", "F."), ("torch.nn.", "nn."), ("torch.Tensor.", "Tensor."))


def short(name: str) -> str:
    """A public name as people write it: ``F.ctc_loss``, ``nn.CTCLoss``, ``Tensor.mode``."""
    return next((shown + name.removeprefix(full) for full, shown in _SHORT if name.startswith(full)), name)

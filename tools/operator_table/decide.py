"""From what a call reaches and what a release implements: does the call work on MPS in that release?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from operator_table.recorder import FLOAT64, Reached

# Of an overload in a release.
KERNEL, COMPOSED, FALLBACK, MISSING = "k", "c", "f", "x"
# Of a call, or of all calls of a public name.
SUPPORTED, REFUSED, PARTIAL, UNKNOWN = "k", "r", "p", "?"
# From what is harmless to what decides: an operator that is missing is missing, whatever else is unknown.
ORDER = SUPPORTED + FALLBACK + UNKNOWN + REFUSED + MISSING
FAILS = REFUSED + MISSING


@dataclass(frozen=True)
class Release:
    """What a release implements: the letter of each overload, and the messages with which its kernels refuse.

    `later`: messages that only a newer release has. What such a call does in this one is not known. `alike`: whether it
    takes composites apart as the recorded release does. Nothing bears that out for old releases: there only what has the
    name of the operator that is called counts as missing, as `cumsum.out` for `cumsum`.
    """

    states: Mapping[str, str]
    messages: frozenset[str]
    later: frozenset[str] = frozenset()
    alike: bool = True


@dataclass(frozen=True)
class Verdict:
    """A letter, and for what is not supported the overloads it comes from and what they say, where they refuse."""

    state: str
    operators: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()


WORKS = Verdict(SUPPORTED)
# What torch.norm and all that uses it call since it is written in Python; old releases have `norm.ScalarOpt_dim` for it.
CALLED_SINCE = frozenset({"linalg_vector_norm"})


def need(node: Reached, release: Release) -> Verdict:
    """The worst that is reached. A dtype that MPS does not have is no matter of operators: see `asks_for_float64`."""
    if node.name == FLOAT64:
        return WORKS
    state = release.states.get(node.name)
    if state in (FALLBACK, MISSING):
        return Verdict(state, frozenset([node.name]))
    if state == KERNEL:
        if said := release.messages.intersection(node.refused):
            return Verdict(REFUSED, frozenset([node.name]), said)
        return Verdict(UNKNOWN) if release.later.intersection(node.refused) else WORKS
    if node.parts:
        return worst(need(part, release) for part in node.parts)
    # A composite that reached nothing had nothing to compute. Another that is composed in this release alone, or that it
    # does not have, decides nothing.
    return WORKS if not node.name or (state == COMPOSED and node.taken_apart) else Verdict(UNKNOWN)


def of_tree(root: Reached, release: Release) -> Verdict:
    """What a whole call needs; `root` holds the operators that were called from Python."""
    return worst(_if_related(part, need(part, release), release) for part in root.parts)


def _if_related(called: Reached, verdict: Verdict, release: Release) -> Verdict:
    if release.alike or verdict.state not in (FALLBACK, MISSING):
        return verdict
    if verdict.operators & CALLED_SINCE:
        return Verdict(UNKNOWN)
    related = all(_base(called.name) in _base(name) or _base(name) in _base(called.name) for name in verdict.operators)
    return verdict if related else Verdict(UNKNOWN)


def _base(name: str) -> str:
    """ "fft" for "_fft_r2c" and "fft_fft2": what names of one family have in common."""
    base = name.partition(".")[0].strip("_").removeprefix("linalg_").removeprefix("special_")
    return "fft" if base.startswith("fft_") else base


def asks_for_float64(node: Reached) -> bool:
    return node.name == FLOAT64 or any(asks_for_float64(part) for part in node.parts)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    found = WORKS
    for verdict in verdicts:
        if ORDER.index(verdict.state) > ORDER.index(found.state):
            found = verdict
        elif verdict.state == found.state:
            found = _joined(found.state, (found, verdict))
    return found


def of_calls(calls: Sequence, release: Release) -> Verdict:
    """What a public name does in a release: what is the same for all its calls, or partial.

    Trivial calls count only where there are no others. A call that could not be played to its end counts for what it
    reached until then only if that fails.
    """
    calls = [call for call in calls if not call.trivial] or calls
    seen = [(of_tree(call.reached, release), call.complete) for call in calls]
    failing = [verdict for verdict, _ in seen if verdict.state in FAILS]
    others = [verdict for verdict, complete in seen if verdict.state not in FAILS and complete]
    falling = [verdict for verdict in others if verdict.state == FALLBACK]
    if failing and not others:
        return worst(failing)
    if others and len(falling) == len(others):
        return _joined(FALLBACK, falling)
    if not any(verdict.state in SUPPORTED + FALLBACK for verdict in others):
        return Verdict(UNKNOWN)
    if failing or falling:
        return _joined(PARTIAL, failing or falling)
    return Verdict(UNKNOWN) if not others or any(verdict.state == UNKNOWN for verdict in others) else WORKS


def _joined(state: str, verdicts: Iterable[Verdict]) -> Verdict:
    verdicts = tuple(verdicts)
    operators = frozenset().union(*(verdict.operators for verdict in verdicts))
    return Verdict(state, operators, frozenset().union(*(verdict.messages for verdict in verdicts)))

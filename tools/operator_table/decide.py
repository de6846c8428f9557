"""From what a call reaches and what a release implements: does the call work on MPS in that release?"""

from __future__ import annotations

from collections.abc import Iterable

from operator_table.recorder import Reached

KERNEL, COMPOSED, FALLBACK, MISSING = "k", "c", "f", "x"
SUPPORTED, PARTIAL, UNKNOWN = "k", "p", "?"
# From what is harmless to what decides: an operator that is missing is missing, whatever else is unknown.
ORDER = SUPPORTED + FALLBACK + UNKNOWN + MISSING


def need(node: Reached, states: dict[str, str]) -> tuple[str, frozenset[str]]:
    """The worst that is reached, and the overloads it comes from."""
    state = states.get(node.name)
    if state == KERNEL:
        return SUPPORTED, frozenset()
    if state in (FALLBACK, MISSING):
        return state, frozenset([node.name])
    if node.parts:
        return worst(need(part, states) for part in node.parts)
    # A composite that reached nothing had nothing to compute; an operator that the release does not have decides nothing.
    return (SUPPORTED, frozenset()) if state == COMPOSED or not node.name else (UNKNOWN, frozenset([node.name]))


def worst(needs: Iterable[tuple[str, frozenset[str]]]) -> tuple[str, frozenset[str]]:
    found, names = SUPPORTED, frozenset()
    for state, who in needs:
        if ORDER.index(state) > ORDER.index(found):
            found, names = state, who
        elif state == found:
            names |= who
    return found, names


def of_calls(calls: Iterable, states: dict[str, str]) -> tuple[str, frozenset[str]]:
    """What an API does in a release: the same for all its calls, or partial. Names are of what is missing, else of what falls back."""
    needs = [(*need(call.reached, states), call.complete) for call in calls]
    missing = [who for state, who, _ in needs if state == MISSING]
    if missing:
        state = MISSING if len(missing) == len(needs) else PARTIAL
        return state, frozenset().union(*missing)
    if any(state == UNKNOWN or not complete for state, _, complete in needs) or not needs:
        return UNKNOWN, frozenset()
    falling = [who for state, who, _ in needs if state == FALLBACK]
    return (FALLBACK if len(falling) == len(needs) else SUPPORTED, frozenset().union(*falling)) if falling else (SUPPORTED, frozenset())

"""The whole table as one page, with nothing outside it: counts by release, and every name, with filters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from .. import __version__
from . import LETTERS, Api, Operator, State, apis, operators, releases

SHOWN = {
    State.KERNEL: ("✓", "runs on MPS: a kernel, or for a public name all that it is composed of"),
    State.COMPOSED: ("+", "an operator without a kernel of its own: supported as far as what it is composed of"),
    State.PARTIAL: ("◐", "some forms of the call are not supported, others are"),
    State.FALLBACK: ("↓", "computed on the CPU, with a warning at most"),
    State.MISSING: ("✕", "NotImplementedError, or the CPU with PYTORCH_ENABLE_MPS_FALLBACK=1"),
    State.REFUSED: ("!", "there is a kernel, and it raises; PYTORCH_ENABLE_MPS_FALLBACK changes nothing"),
    State.ABSENT: ("·", "this release's torch does not have the name"),
    State.UNKNOWN: ("?", "not known: this release takes another way than the one that was recorded"),
}
"""The sign and the meaning of each state, in the order of the legend: no two states differ by colour alone."""

_KINDS = {"apis": "public names", "operators": "aten operators"}


def render() -> str:
    page = Template(files(__package__).joinpath("table.html").read_text(encoding="utf-8"))
    newest_first = [(str(number), release) for number, release in enumerate(releases())][::-1]
    entries: dict[str, list[Api | Operator]] = {"apis": list(apis()), "operators": list(operators())}
    return page.substitute(
        style=files("flake8_mps").joinpath("page.css").read_text(encoding="utf-8"),
        first=releases()[0],
        last=releases()[-1],
        legend="".join(_meaning(state) for state in SHOWN),
        counts="".join(_counts(kind, found) for kind, found in entries.items()),
        kinds=_options((kind, _KINDS[kind]) for kind in entries),
        states=_options((letter, f"{SHOWN[state][0]} {state.value}") for letter, state in _letters().items()),
        releases=_options((number, f"torch {release}") for number, release in newest_first),
        changes=_options((number, f"changed since {release}") for number, release in newest_first[:-1]),
        data=_data(entries),
        version=escape(__version__),
    )


def _letters() -> dict[str, State]:
    return {letter: state for state in SHOWN for letter, written in LETTERS.items() if written is state}


def _sign(state: State) -> str:
    return f'<b class="sign {state.value}" aria-hidden="true">{SHOWN[state][0]}</b>'


def _meaning(state: State) -> str:
    return f"<li>{_sign(state)} <b>{state.value}</b> <small>{escape(SHOWN[state][1])}</small></li>"


def _options(options: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)


def _counts(kind: str, entries: list[Any]) -> str:
    """How many are in each state, by release."""
    by_release = {release: Counter(entry.states[release] for entry in entries) for release in releases()}
    head = "".join(f'<th scope="col">{release}</th>' for release in by_release)
    rows = "".join(
        f'<tr data-state="{state.value}"><th scope="row">{_sign(state)} {state.value}</th>'
        f"{''.join(f'<td>{counted[state]}</td>' for counted in by_release.values())}</tr>"
        for state in SHOWN
        if any(counted[state] for counted in by_release.values())
    )
    return (
        f'<h3>{len(entries)} {_KINDS[kind]}</h3>'
        f'<div class="scroll" tabindex="0"><table class="counts" id="counts-{kind}">'
        f'<thead><tr><th scope="col">torch</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


# --- what the page's script reads ------------------------------------------------------------------------------------


def _data(entries: Mapping[str, list[Any]]) -> str:
    """Of each kind the names by their states, a letter a release; and what a public name lacks, since a release."""
    written = {
        "releases": releases(),
        "states": {letter: (state.value, SHOWN[state][0]) for letter, state in _letters().items()},
        "names": {kind: _by_states(found) for kind, found in entries.items()},
        "why": {entry.name: steps for entry in entries["apis"] if (steps := _steps(entry))},
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _by_states(entries: list[Any]) -> dict[str, str]:
    letter_of = {state: letter for letter, state in LETTERS.items()}
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault("".join(letter_of[state] for state in entry.states.values()), []).append(entry.name)
    return {letters: " ".join(names) for letters, names in found.items()}


def _steps(entry: Api) -> list[tuple[int, str]]:
    """The operators that a name lacks, each time they change: (the release's number, the operators)."""
    steps: list[tuple[int, str]] = []
    for number, release in enumerate(releases()):
        words = ", ".join(entry.operators[release])
        if words != (steps[-1][1] if steps else ""):
            steps.append((number, words))
    return steps

"""Fixes put into a file: those that fit together, round after round, until none is left that makes it better.

    findings with fixes ──slots──> edits ──overlaps──> a round ──lint again──> kept, or dropped with the reason

Nothing is believed of a round before it was linted: what no longer parses, or what has a finding that was not there, is
taken apart, and the fixes that caused it are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..config import Config
from ..finding import Edit, Finding, Fix, Safety
from ..source import Source, Unreadable
from .documents import Document, read_document
from .imports import left_behind
from .slots import Ready, Slots
from .text import fits

__all__ = ["Document", "Fixed", "Left", "fix", "fix_one", "read_document"]

Lint = Callable[[Source], Sequence[Finding]]

_ROUNDS = 12  # a fix that calls for the next, ten deep, is a circle
_NO_FIX = "there is no automatic fix"
_UNSAFE = "its fix is unsafe: --unsafe"
_SHOWN = "its fix is not applied"


class Left(NamedTuple):
    """A finding that stays, why, and the fix that is only shown, if there is one."""

    finding: Finding
    why: str
    shown: Fix | None = None


@dataclass
class Fixed:
    """A document when all is done: how many findings of which codes are gone, and what is left in it."""

    document: Document
    applied: Counter[str] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)


class _Chosen(NamedTuple):
    finding: Finding
    ready: Ready


def fix(document: Document, lint: Lint, config: Config, allowed: Safety = Safety.SAFE) -> Fixed:
    """The document with every fix made that is at least as safe as ``allowed``.

    ``lint`` gives the findings of a source that are to be mended, with their fixes.
    """
    result = Fixed(document)
    refused: dict[tuple[str, str, int], str] = {}
    findings = lint(document.source)
    for _ in range(_ROUNDS):
        chosen = _choose(findings, result.document, config, allowed, refused)
        if not chosen:
            break
        kept, after, found = _round(result.document, chosen, findings, lint, config, refused)
        if not kept:
            break
        result.applied.update(Counter(one.code for one in findings) - Counter(one.code for one in found))
        result.document, findings = after, found
    result.left = _left(findings, result.document, config, allowed, refused)
    return result


def fix_one(
    document: Document, finding: Finding, findings: Sequence[Finding], lint: Lint, config: Config
) -> tuple[Document, Fix] | None:
    """The document with one of its findings mended, safely or not, and the fix; None where that leaves it unsound.

    ``findings`` are all of the document's, as ``lint`` gives them.
    """
    refused: dict[tuple[str, str, int], str] = {}
    chosen = _choose([finding], document, config, Safety.UNSAFE, refused)
    kept, after, _ = _round(document, chosen, findings, lint, config, refused) if chosen else ([], document, findings)
    return (after, kept[0].ready.fix) if kept else None


def _choose(
    findings: Sequence[Finding], document: Document, config: Config, allowed: Safety, refused: dict[tuple[str, str, int], str]
) -> list[_Chosen]:
    """The fixes of one round, which do not touch each other's text."""
    wanted = [one for one in findings if one.fix and one.fix.edits and one.fix.safety >= allowed and _key(one, document) not in refused]
    slots = Slots(document.source, config)
    slots.prepare(one.fix for one in wanted if one.fix)
    chosen: list[_Chosen] = []
    taken: list[Edit] = []
    for finding in wanted:
        assert finding.fix is not None
        ready = slots.fill(finding.fix)
        if ready.fix.safety >= allowed and fits(ready.fix.edits, taken):
            chosen.append(_Chosen(finding, ready))
            taken += ready.fix.edits
    return chosen


def _round(
    document: Document, chosen: list[_Chosen], findings: Sequence[Finding], lint: Lint, config: Config,
    refused: dict[tuple[str, str, int], str],
) -> tuple[list[_Chosen], Document, Sequence[Finding]]:
    """As many of the chosen fixes as leave the file sound, together if possible, else one after the other."""
    after, found, why = _tried(document, chosen, findings, lint, config)
    if not why or len(chosen) == 1:
        if why:
            refused[_key(chosen[0].finding, document)] = why
        return ([] if why else chosen), after, found
    kept: list[_Chosen] = []
    best = document, findings
    for one in chosen:
        after, found, why = _tried(document, [*kept, one], findings, lint, config)
        if why:
            refused[_key(one.finding, document)] = why
        else:
            kept.append(one)
            best = after, found
    return kept, *best


def _tried(
    document: Document, chosen: list[_Chosen], findings: Sequence[Finding], lint: Lint, config: Config
) -> tuple[Document, Sequence[Finding], str]:
    """The document with these fixes, its findings, and what speaks against it."""
    edits = [edit for one in chosen for edit in one.ready.fix.edits]
    imports = {name for one in chosen for name in one.ready.imports}
    device = next((one.ready.device for one in chosen if one.ready.device), None)
    first = min(edit.span.line for edit in edits)
    edits += Slots(document.source, config).brought(imports, device, _top(document.source, first))
    try:
        after = document.edited(edits)
        if behind := left_behind(document.source, after.source):
            after = after.edited(behind)
    except Unreadable as problem:
        return document, findings, f"its fix was dropped: the file would not parse ({problem.reason.partition(';')[0]})"
    found = lint(after.source)
    new = Counter(one.code for one in found) - Counter(one.code for one in findings)
    if new:
        return document, findings, f"its fix was dropped: it would bring {', '.join(sorted(new))}"
    if Counter((one.code, one.message) for one in found) == Counter((one.code, one.message) for one in findings):
        return document, findings, "its fix was dropped: it would change nothing"
    return after, found, ""


def _top(source: Source, line: int) -> int:
    """The first line of the statement at the top of the file that holds a line."""
    firsts = (min([one.lineno, *(d.lineno for d in getattr(one, "decorator_list", ()))]) for one in source.tree.body)
    return max((first for first in firsts if first <= line), default=line)


def _left(
    findings: Sequence[Finding], document: Document, config: Config, allowed: Safety, refused: dict[tuple[str, str, int], str]
) -> list[Left]:
    slots = Slots(document.source, config)
    slots.prepare(one.fix for one in findings if one.fix)
    left = []
    for finding in findings:
        ready = slots.fill(finding.fix) if finding.fix else None
        why = refused.get(_key(finding, document)) or _why(ready.fix if ready else None, allowed)
        left.append(Left(finding, why, ready.fix if ready and ready.fix.edits else None))
    return left


def _why(fix: Fix | None, allowed: Safety) -> str:
    if fix is None:
        return _NO_FIX
    if not fix.edits or fix.safety is Safety.DISPLAY:
        return fix.why or _SHOWN
    return _UNSAFE if fix.safety < allowed else "its fix does not fit with another; run again"


def _key(finding: Finding, document: Document) -> tuple[str, str, int]:
    """A finding by its code, its line and which of those it is: other fixes may move it to another line."""
    line = document.source.lines[finding.span.line - 1]
    return finding.code, line.strip(), finding.span.column - len(line) + len(line.lstrip())

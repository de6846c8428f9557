"""From findings to verdicts: slices run on the Mac and on the control, and what was seen is held against what a rule says.

| verdict   | when |
|---|---|
| confirmed | the control runs clean; the Mac fails with the type, the text and on the line that the rule expects |
| silent    | the control computed on CUDA what the Mac ran on the CPU, both observed |
| refuted   | the flagged piece was reached on the Mac, with nothing made up, and did not fail |
| undecided | anything else, with the reason |
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..finding import Finding, World
from ..rule import Expectation, Raises, Rule, Runs, RunsOnCpu, Warns
from ..source import Source
from .program import End, Observation, Program
from .runner import Runner
from .slicing import CannotSlice, Slice, slices

_MOST_SLICES = 10

# What no emulation shows here: rules by code, with the reason.
_NOT_SHOWN = {"MPS704": "workers are forked here, and macOS spawns them"}


class Verdict(enum.Enum):
    CONFIRMED = "confirmed"
    SILENT = "silent"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judged:
    """A finding with its verdict and what that rests on; ``slice`` is the program that decided, or the last one tried."""

    source: Source
    finding: Finding
    verdict: Verdict
    reason: str = ""
    assumptions: tuple[str, ...] = ()
    slice: Slice | None = None
    mac: Observation | None = None
    control: Observation | None = None


@dataclass(frozen=True)
class Claim:
    """A finding, what its rule expects a Mac to do, and whether that shows only after the flagged line."""

    source: Source
    finding: Finding
    expectations: frozenset[Expectation]
    later: bool
    others: frozenset[int] = frozenset()


def claims(source: Source, findings: Iterable[Finding], rules: Iterable[Rule]) -> list[Claim]:
    """What is to be judged: findings of rules that say what a Mac does."""
    findings = list(findings)
    by_code = {rule.code: rule for rule in rules}
    found = []
    for finding in findings:
        if (rule := by_code.get(finding.code)) is not None:
            expected = frozenset([rule.expect, *(one.expect for one in rule.bad if one.expect is not None)])
            later = any(one.marks and one.raising_line != one.marks[0].line for one in rule.bad)
            others = frozenset(
                one.span.line for one in findings
                if one is not finding and one.world is finding.world and _raises(by_code.get(one.code))
            )
            found.append(Claim(source, finding, expected, later, others))
    return found


def _raises(rule: Rule | None) -> bool:
    return rule is not None and isinstance(rule.expect, Raises)


# --- judging ---------------------------------------------------------------------------------------------------------


def judged(asked: list[Claim], runner: Runner) -> Iterator[Judged]:
    """The verdict on each claim, in order. All first slices run side by side, then the second ones of the undecided."""
    ways = [_Ways(claim) for claim in asked]
    while trying := [one for one in ways if one.next() is not None]:
        programs = [program for one in trying for program in one.programs()]
        seen = runner.run(programs)
        for one in trying:
            one.learn(control=next(seen), mac=next(seen))
    for one in ways:
        yield one.best


class _Ways:
    """The slices of one claim, tried until one decides."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.slice: Slice | None = None
        self.tried = 0
        self.ported = claim.finding.world is World.ONCE_PORTED
        self.left = self._slices()
        self.best = Judged(claim.source, claim.finding, Verdict.UNDECIDED, "no program reaches it")

    def _slices(self) -> Iterator[Slice]:
        try:
            yield from slices(self.claim.source, self.claim.finding, self.claim.others)
        except CannotSlice as reason:
            if not self.tried:
                self.best = Judged(self.claim.source, self.claim.finding, Verdict.UNDECIDED, str(reason))
        except RecursionError:
            self.best = Judged(self.claim.source, self.claim.finding, Verdict.UNDECIDED, "it is nested too deeply")

    def next(self) -> Slice | None:
        """The next program to try; None once it is decided or there is none."""
        if self.best.verdict is not Verdict.UNDECIDED or self.tried >= _MOST_SLICES or self._hopeless():
            return None
        self.slice = next(self.left, None)
        self.tried += 1
        return self.slice

    def _hopeless(self) -> bool:
        """Nothing that a run here can show is expected."""
        if (reason := _NOT_SHOWN.get(self.claim.finding.code)) is not None:
            self.best = Judged(self.claim.source, self.claim.finding, Verdict.UNDECIDED, reason)
            return True
        if all(isinstance(one, Runs) for one in self.claim.expectations):
            but = next(one.but for one in self.claim.expectations if isinstance(one, Runs))
            self.best = Judged(self.claim.source, self.claim.finding, Verdict.UNDECIDED, f"a run does not show it: {but}")
            return True
        return False

    def programs(self) -> tuple[Program, Program]:
        """The same slice for the control and for the Mac."""
        assert self.slice is not None
        parts = {
            "source": self.slice.text, "setup": self.slice.setup, "flagged": self.slice.flagged, "files": self.slice.files,
            "argv": self.slice.argv,
        }
        return Program(machine="cuda", **parts), Program(machine="mps", ported=self.ported, **parts)

    def learn(self, control: Observation, mac: Observation) -> None:
        """Takes the verdict, or keeps the reason of the first slice that got furthest."""
        assert self.slice is not None
        verdict, reason = decided(self.claim, self.slice, control, mac)
        if verdict is Verdict.REFUTED and self.ported:  # a device that names CUDA is one that porting would change
            verdict, reason = Verdict.UNDECIDED, "it ran clean once CUDA's names mean MPS"
        assumptions = self.slice.assumptions if verdict is not Verdict.UNDECIDED else ()
        now = Judged(self.claim.source, self.claim.finding, verdict, reason, assumptions, self.slice, mac, control)
        if verdict is not Verdict.UNDECIDED or self.best.slice is None:
            self.best = now


def decided(claim: Claim, program: Slice, control: Observation, mac: Observation) -> tuple[Verdict, str]:
    """The verdict that two runs of one slice allow, and why."""
    if control.end is not End.FINISHED:
        return Verdict.UNDECIDED, f"the slice fails on the control too: {_told(control)}"
    if not control.reached:
        return Verdict.UNDECIDED, "the control does not reach it"
    if mac.end is End.RAISED:
        if any(_raised_as(one, claim, program, mac) for one in claim.expectations):
            return Verdict.CONFIRMED, _told(mac)
        return Verdict.UNDECIDED, f"the Mac fails in another way: {_told(mac)}"
    if mac.end is not End.FINISHED:
        return Verdict.UNDECIDED, _told(mac)
    if not mac.reached:
        return Verdict.UNDECIDED, "the Mac does not reach it"
    return _of_clean_runs(claim, program, control, mac)


def _of_clean_runs(claim: Claim, program: Slice, control: Observation, mac: Observation) -> tuple[Verdict, str]:
    for expected in claim.expectations:
        if isinstance(expected, Warns) and _warns(expected, mac) and not _warns(expected, control):
            return Verdict.CONFIRMED, f"warns: {next(one.text for one in mac.warned if expected.text in one.text)}"
        if isinstance(expected, RunsOnCpu) and mac.devices == ("cpu",) and "cuda" in control.devices:
            return Verdict.SILENT, "ran on the CPU; the control computed it on cuda"
    certain = program.complete and not program.made and not program.conditions
    if not certain or not all(isinstance(one, Raises) for one in claim.expectations):
        return Verdict.UNDECIDED, "it ran clean, with made inputs" if program.made else "it ran clean, and that shows nothing"
    return Verdict.REFUTED, "reached, and ran without failing"


def _raised_as(expected: Expectation, claim: Claim, program: Slice, mac: Observation) -> bool:
    if not isinstance(expected, Raises):
        return False
    name = f"{expected.type.__module__}.{expected.type.__name__}".removeprefix("builtins.")
    where = claim.later or mac.line is not None and program.flagged.line <= mac.line <= program.flagged.end_line
    return name in mac.types and expected.text in mac.text and where


def _warns(expected: Warns, seen: Observation) -> bool:
    name = f"{expected.type.__module__}.{expected.type.__name__}".removeprefix("builtins.")
    return any(name in one.types and expected.text in one.text for one in seen.warned)


def _told(seen: Observation) -> str:
    if seen.raised:
        return f"{seen.raised}: {seen.text.splitlines()[0] if seen.text else ''}"
    return f"{seen.end.value}{': ' + seen.text if seen.text else ''}"

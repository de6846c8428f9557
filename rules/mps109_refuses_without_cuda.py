"""The program ends where CUDA is not available.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class RefusesWithoutCuda(Rule):
    code = "MPS109"
    name = "refuses-without-cuda"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("refusal")
    expect = Raises(AssertionError, "", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        message = "ends without CUDA, so on every Mac; accept any accelerator, or fall back to the CPU"
        yield self.finding(facts.source.token(facts.question(event.node)), message)

    bad = []
    good = []

"""A choice between CUDA and the CPU leaves out MPS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Rule, RunsOnCpu, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class CudaOrCpuChoice(Rule):
    code = "MPS103"
    name = "cuda-or-cpu-choice"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = conflicts("cuda-or-cpu")
    expect = RunsOnCpu()

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        source = facts.source
        span = source.attribute(event.node.func) if event.how == "method" else source.token(event.node)
        yield self.finding(span, "cuda or cpu: a Mac runs this on the CPU; add mps to the choice")

    bad = []
    good = []

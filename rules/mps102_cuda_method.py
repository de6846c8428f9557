"""A tensor or a module is moved by .cuda().
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class CudaMethod(Rule):
    code = "MPS102"
    name = "cuda-method"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("cuda-method")
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        severity = Severity.WARNING if facts.only_if_asked(event) else None
        yield self.finding(
            facts.source.attribute(event.node.func), ".cuda() raises without CUDA; write .to(device)", severity=severity
        )

    bad = []
    good = []

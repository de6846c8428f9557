"""float64 that NumPy chose is moved to the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class Float64FromNumpyMoved(Rule):
    code = "MPS302"
    name = "float64-from-numpy-moved"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("float64-moved")
    expect = Raises(TypeError, "MPS framework doesn't support float64")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            yield self.finding(facts.source.token(event.node), "NumPy made this float64, and MPS has none; cast to float32 before the move", trail=event.trail)

    bad = []
    good = []

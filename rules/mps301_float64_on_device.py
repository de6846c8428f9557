"""float64 is asked for on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class Float64OnDevice(Rule):
    code = "MPS301"
    name = "float64-on-device"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("float64-requested", "float64-kept")
    expect = Raises(TypeError, "MPS framework doesn't support float64")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            yield self.finding(facts.source.token(event.node), "MPS has no float64; use float32, or do this step on the CPU", trail=event.trail)

    bad = []
    good = []

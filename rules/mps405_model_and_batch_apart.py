"""A model and its input, or two operands, are on different devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class ModelAndBatchApart(Rule):
    code = "MPS405"
    name = "model-and-batch-apart"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("devices-meet")
    expect = Raises(RuntimeError, "")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            message = _MESSAGES[event.how]
            yield self.finding(facts.source.span(event.node), message, trail=event.trail)

    bad = []
    good = []


_MESSAGES = {
    "input": "the model is on the device, this input on the CPU; move it: x = x.to(device)",
    "module": "the input is on the device, the model on the CPU; move it: model.to(device)",
    "operands": "one operand is on the device, the other on the CPU; move both to the same device",
}

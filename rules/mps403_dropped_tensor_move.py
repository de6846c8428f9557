"""The result of a tensor's move or cast is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class DroppedTensorMove(Rule):
    code = "MPS403"
    name = "dropped-tensor-move"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("dropped-move")
    expect = Raises(RuntimeError, "")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.out_of_reach_once_ported(event):
            name = event.how
            message = f".{name}() gives a new tensor, and nobody keeps it; assign it: x = x.{name}(...)"
            yield self.finding(facts.source.attribute(event.node.func), message, trail=event.trail)

    bad = []
    good = []

"""A CUDA device is written into the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class HardCodedCudaDevice(Rule):
    code = "MPS101"
    name = "hard-coded-cuda-device"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("cuda-literal")
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        source = facts.source
        if event.how == "map_location" and facts.is_argument(event.node, "map_location"):
            return  # MPS202 names it there
        sure = event.how != "named" and not facts.by_default(event)
        text = source.text_of(event.node)
        message = f"{text} does not exist on a Mac; choose cuda, mps or cpu at run time"
        if facts.by_default(event):
            message = f"{text} by default does not exist on a Mac; choose cuda, mps or cpu at run time"
        yield self.finding(source.token(event.node), message, severity=None if sure else Severity.WARNING)

    bad = []
    good = []

"""A checkpoint is loaded to a CUDA device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Event, Facts


class MapLocationNamesCuda(Rule):
    code = "MPS202"
    name = "map-location-names-cuda"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = calls("torch.load", "torch.jit.load", "torch.hub.load_state_dict_from_url")
    expect = Raises(RuntimeError, "Attempting to deserialize object on a CUDA device", same_on_linux=True)

    def check(self, call, facts: Facts) -> Iterator[Finding]:
        position = {"torch.hub.load_state_dict_from_url": 2}.get(facts.name(call.func), 1)
        argument = facts.argument(call, "map_location", position)
        if argument is None or facts.guarded(call):
            return
        for node in facts.cuda_named_in(argument):
            yield self.finding(facts.source.token(node), 'no CUDA to load to on a Mac; write map_location="cpu"')

    bad = []
    good = []

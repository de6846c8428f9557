"""What is known to hold at a place in the code: "CUDA is there", "this is not a Mac", "a failure is caught".

A condition is a ``Flag`` value: what it says when it holds, and what when it does not. A place is out of reach in a
world when some guard there says what is not so in that world.
"""

from __future__ import annotations

import ast
from typing import NamedTuple


class Fact(NamedTuple):
    """One thing that holds. ``origin`` is the expression that asked, so that one cause can be told from another."""

    kind: str
    holds: bool = True
    origin: ast.expr | None = None


Guards = frozenset[Fact]
NOTHING: Guards = frozenset()

# What is so in each world. "cuda": a CUDA machine; "other": an accelerator that is neither; "mps": MPS is available;
# "mac": macOS; "x-device": the device at hand is an x. Of places: "caught" is where a failure is handled, "past" where
# the program goes on only because CUDA was there, "behind" where it has imported what no Mac can have, "never" where a
# whole condition cannot hold. "torch": a release that is supported. "onnxruntime": that one computes on a GPU. "option", "default" and "arrays" (of
# NumPy's, not tensors, are at hand) are so nowhere for sure. "several", more than one process, can be
# so on a Mac, but on the CPU alone: gloo takes tensors of "cpu" and "cuda" (backend_capability in distributed_c10d.py of
# torch/distributed, torch 2.13), and a Mac has one GPU.
AS_WRITTEN = {
    "cuda": False, "cuda-device": False, "other": False, "mps": True, "mac": True, "caught": False, "past": False,
    "never": False, "behind": False, "torch": True, "onnxruntime": False,
}
ONCE_PORTED = {
    "cuda": True, "cuda-device": False, "other": False, "mps": True, "mps-device": True, "cpu-device": False,
    "mac": True, "caught": False, "several": False, "behind": False, "torch": True, "onnxruntime": False,
}


def contradicts(guards: Guards, world: dict[str, bool]) -> bool:
    """True when a place with these guards is out of reach in the world."""
    for fact in guards:
        if world.get(fact.kind, fact.holds) != fact.holds:
            return True
    return False


def has(guards: Guards, kind: str, holds: bool = True) -> bool:
    return any(fact.kind == kind and fact.holds is holds for fact in guards)


def common(left: Guards, right: Guards) -> Guards:
    """What holds either way, whoever asked."""
    return frozenset(fact for fact in left if has(right, fact.kind, fact.holds))


def cause(guards: Guards) -> ast.expr | None:
    """The expression that asked for CUDA first in the file, when the place is reached only with it."""
    asked = [f.origin for f in guards if f.kind in ("cuda", "cuda-device", "caught") and f.holds and f.origin]
    return min(asked, key=lambda node: (node.lineno, node.col_offset), default=None)

"""What facts note while they follow values: the places that rules of kind ``conflicts(...)`` decide.

``TRIGGERS`` says by which shapes each kind of event can begin: their words tell which functions to follow at all.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ..finding import Step
from ..shapes import Where, calls, imports, keywords, lists, methods, statements
from .guards import NOTHING, Guards
from .tables import FACTORIES, OF_TENSORS

MOVES = methods("to", "cuda") | keywords("device")

# What a module computes is followed where its class makes tensors, or lists, of its own.
FORWARD = calls("forward", "ModuleList")
_MAKERS = (name for name, kind in FACTORIES.items() if kind != "like" and name != "torch.range")  # range() is Python's
MAKES = calls(*_MAKERS) | lists("self")

TRIGGERS: dict[str, Where] = {
    # A literal CUDA device that something uses with no regard to whether CUDA is there.
    "cuda-literal": MOVES | calls("torch.device"),
    # ``.cuda()`` with no regard to whether CUDA is there.
    "cuda-method": MOVES,
    # A tensor type of CUDA put to use.
    "cuda-type": methods("cuda", "type") | calls("torch.set_default_tensor_type"),
    # A choice between CUDA and the CPU that can never be MPS.
    "cuda-or-cpu": MOVES | calls("torch.device"),
    # The program ends where CUDA is not available.
    "refusal": calls("torch.cuda.is_available"),
    # A handler of CUDA's out-of-memory error.
    "memory-handler": methods("OutOfMemoryError") | imports("OutOfMemoryError"),  # named in whatever way, never called
    # float64 asked for by its torch name, on a device.
    "float64-requested": MOVES,
    # A tensor that was made float64 on the CPU, moved to a device as it is.
    "float64-kept": MOVES,
    # float64 that NumPy or Python chose, moved to a device.
    "float64-moved": MOVES,
    # Another dtype that MPS has not.
    "unsupported-dtype": MOVES,
    # float64 for whatever is made from here on, in a file that uses devices.
    "float64-default": calls("torch.set_default_dtype"),
    # A tensor made on the CPU, or kept there by a module, that meets the module's inputs.
    "made-on-cpu": Where(),
    "kept-on-cpu": Where(),
    # Layers in a plain list.
    "layers-in-list": Where(),
    # A tensor of a device made an array.
    "numpy-on-device": MOVES | methods("numpy"),
    # Integers for a layer that wants floats.
    "integers-into-layer": MOVES,
    # A moved tensor that nobody keeps.
    "dropped-move": MOVES | statements("float", "half", "double", "long", "int", "cpu"),
    # A call by a watched name, on the device; what is watched is a word of its own (shapes.py).
    "on-device": MOVES,
    # A module and its input, or two operands, on different devices.
    "devices-meet": MOVES | calls("torch.from_numpy", "torch.as_tensor"),
}


def is_distinct(name: str) -> bool:
    """True for a watched name that is worth following code for: ``pdist`` and ``linalg.eig``, not ``sort`` and ``norm``,
    which are many others' names too and noted where the code is followed for its moves."""
    owner, _, last = name.rpartition(".")
    return owner != "torch.Tensor" and last not in OF_TENSORS


@dataclass(eq=False, repr=False)  # one for each place: never changed, and not frozen only because that triples what it costs
class Event:
    """One noted place. ``how`` tells variants of a kind apart; ``guards`` is what holds there."""

    kind: str
    node: ast.AST
    how: str = ""
    guards: Guards = NOTHING
    trail: tuple[Step, ...] = ()
    detail: str = ""

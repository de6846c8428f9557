"""What code asks a value to be: an array of NumPy's, a tensor."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .guards import NOTHING, Fact
from .values import UNKNOWN, Flag, Name, Value

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter

_ARRAYS, _TENSORS = "numpy.ndarray", frozenset({"torch.Tensor", "torch.FloatTensor"})


def asked(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``isinstance(x, np.ndarray)``, ``torch.is_tensor(x)``: where "arrays" holds, the call is one with arrays."""
    kind = args.get(1, "class_or_tuple")
    arrays = frozenset({Fact("arrays", True, node)})
    if name == "torch.is_tensor" or isinstance(kind, Name) and kind.name in _TENSORS:
        return Flag(NOTHING, arrays)
    return Flag(arrays, NOTHING) if kind == Name(_ARRAYS) else UNKNOWN

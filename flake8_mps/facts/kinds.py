"""What code asks a value to be: an array of NumPy's, a tensor, one of CUDA's, a provider of ONNX Runtime's."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import tables
from .guards import NOTHING, Fact
from .values import UNKNOWN, Const, Flag, Items, Name, TensorType, Value

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


def compared(left: Value, right: Value, node: ast.expr) -> Flag | None:
    """``x.type() == "torch.cuda.HalfTensor"``, ``provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider")``."""
    kind = "cuda-device" if isinstance(right, TensorType) else "onnxruntime"
    if kind == "onnxruntime" and not _is_provider(left) and not _is_provider(right):
        return None
    past = {Fact("past", True, node)} if kind == "cuda-device" else set()  # a type of CUDA's is no choice of a device
    return Flag(frozenset({Fact(kind, True, node), *past}), NOTHING, False, False)


def _is_provider(value: Value) -> bool:
    """``"CUDAExecutionProvider"``, or several such: how ONNX Runtime computes, which no PyTorch device decides."""
    if isinstance(value, Items):
        return bool(value.items) and all(map(_is_provider, value.items))
    return isinstance(value, Const) and tables.PROVIDER.match(str(value.value)) is not None

"""Which operators a call reaches on a device that is not the CPU, all the way down, whatever that device implements.

A stand-in device (PyTorch's own hook for devices from outside, `PrivateUse1`) has an empty kernel for every operator, so
that no composite operator is taken apart before it is seen; tensors on it carry their values on the CPU. Each operator is
then taken apart by its composite kernel where it has one, and computed on the CPU where not. The result is a tree: from
it, and from what a release implements, follows what that release lacks for the call, without a run for each release.

Source: c10/core/DispatchKey.h and OperatorEntry.cpp, computeDispatchTableEntryWithDebug: a kernel for the backend goes
before CompositeExplicitAutograd, which goes before CompositeImplicitAutograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch._C import DispatchKey
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from operator_table.refusals import refused

DEVICE = torch.device("privateuseone:0")
CPU = torch.device("cpu")
COMPOSITE = (
    DispatchKey.CompositeExplicitAutogradNonFunctional,
    DispatchKey.CompositeExplicitAutograd,
    DispatchKey.CompositeImplicitAutograd,
)
# Views that their composite kernel makes in C++, without an operator: the tensor they return would have no values.
MADE_IN_CPP = {"alias", "detach", "_unsafe_view", "_reshape_alias", "lift", "lift_fresh"}
# Operators that ask C++ which device they are on and choose by it; what they choose for MPS, by hand.
# Sources: aten/src/ATen/native/Convolution.cpp (select_conv_backend), Copy.cpp, transformers/attention.cpp, Dropout.cpp
# (is_fused_kernel_acceptable), RNN.cpp (lstm, use_fused).
ATTENTION = ("matmul", "mul.Tensor", "_softmax")  # how it was composed before it had a kernel
GATES = ("linear", "add.Tensor", "mul.Tensor", "sigmoid", "tanh")
CHOICES: dict[str, Callable[..., tuple[str, ...]]] = {
    "convolution": lambda *args: ("_mps_convolution_transpose" if args[6] else "_mps_convolution",),
    "copy_": lambda *args: ("_copy_from",),
    "dropout": lambda *args: ("bernoulli_.float", "div_.Scalar", "mul.Tensor") if args[2] else (),
    "_fused_sdp_choice": lambda *args: (),
    "scaled_dot_product_attention": lambda *args: ("_scaled_dot_product_attention_math_for_mps",),
    "lstm.input": lambda *args: ("_lstm_mps",),
    **dict.fromkeys(("lstm.data", "lstm_cell", "gru.input", "gru.data", "gru_cell"), lambda *args: GATES),
}
INSTEAD = {"_scaled_dot_product_attention_math_for_mps": ATTENTION}
FLOAT64 = "float64"
WIDE = (torch.float64, torch.complex128)


@dataclass
class Reached:
    """An operator that was reached, and those its composite kernel reached in turn.

    `taken_apart`: it has a composite kernel here, so that `parts` is all that it needs. `refused`: what its kernel for MPS
    says to such arguments, in releases that say it. The name FLOAT64 stands for a dtype that was asked for: it, or complex128.
    """

    name: str
    parts: list[Reached] = field(default_factory=list)
    taken_apart: bool = False
    refused: tuple[str, ...] = ()


class Guard(torch._C._acc.DeviceGuard):
    """Without a guard for its device PyTorch refuses to switch to it."""

    def type_(self):
        return torch._C._autograd.DeviceType.PrivateUse1


class OnDevice(torch.Tensor):
    """A tensor that says it is on the stand-in device; its values are those of `inner`, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor):
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
            layout=inner.layout,
        )
        tensor.inner = inner
        return tensor

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), kwargs=None):
        return Recorder.current.run(operator, args, kwargs or {})


class Recorder(TorchDispatchMode):
    """While active, keeps the tree of what is reached: `recorder.root.parts`."""

    current: Recorder

    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Reached("")
        Recorder.current = self

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        return self.run(operator, args, kwargs or {})

    def run(self, operator, args, kwargs):
        args = tuple(_tensor(value, parameter) for value, parameter in zip(args, operator._schema.arguments))
        flat, _ = tree_flatten((args, kwargs))
        here = any(isinstance(value, OnDevice) or value == DEVICE for value in flat if not _plain(value))
        if not here or operator.namespace != "aten":
            return _on_cpu(operator, args, kwargs, wrap=here)
        name = overload(operator)
        if name in MADE_IN_CPP:
            return _on_cpu(operator, args, kwargs)
        node = Reached(name, refused=refused(name, args, kwargs))
        self.at.parts.append(node)
        if _asks_for_float64(name, flat, called=self.at is self.root):
            node.parts.append(Reached(FLOAT64))
        if name in CHOICES:
            node.taken_apart = True
            node.parts += [_chosen(choice, args, kwargs) for choice in CHOICES[name](*args)]
            return _on_cpu(operator, args, kwargs)
        for key in COMPOSITE:
            if torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), key):
                return self._taken_apart(node, operator, key, args, kwargs)
        return _on_cpu(operator, args, kwargs)

    def _taken_apart(self, node, operator, key, args, kwargs):
        node.taken_apart = True
        outer, self.at = self.at, node
        try:
            with self:
                return operator._op_dk(key, *args, **kwargs)
        finally:
            self.at = outer


def _asks_for_float64(name: str, flat: list, called: bool) -> bool:
    """By a cast, or by what is called from Python: other C++ code that asks for it asks for less on MPS. Not by what only
    makes a tensor: that was fitted to the lists which accuracy.py compares with. A likely reason, that PyTorch's tests of
    factories give dtypes of their own, was not looked up."""
    casts = name == "_to_copy" or name.startswith("to.")
    makes = "_like" in name or name.startswith(("new_", "randint"))
    return (casts or (called and not makes)) and any(isinstance(value, torch.dtype) and value in WIDE for value in flat)


def _chosen(name: str, args, kwargs) -> Reached:
    parts = [Reached(part) for part in INSTEAD.get(name, ())]
    return Reached(name, parts, taken_apart=True, refused=refused(name, args, kwargs))


def overload(operator) -> str:
    """ "add.Tensor" for torch.ops.aten.add.Tensor, "relu" for torch.ops.aten.relu.default."""
    name = operator._schema.name.partition("::")[2]
    return f"{name}.{operator._overloadname}" if operator._overloadname != "default" else name


def to_device(value):
    """What a sample holds for the CPU, for the stand-in device."""
    if isinstance(value, torch.Tensor):
        return OnDevice(value.detach())
    if value == "cpu" or (isinstance(value, torch.device) and value == CPU):
        return DEVICE
    return value


def install() -> None:
    """Makes the stand-in device known to PyTorch, with an empty kernel for every operator that is there. Once a process."""
    if hasattr(install, "library"):
        return
    torch._C._set_only_lift_cpu_tensors(True)  # else torch.tensor(data, device=...) goes past the recorder
    torch._C._acc.register_python_privateuseone_device_guard(Guard())
    torch._register_device_module("privateuseone", _NoModule())
    library = torch.library.Library("aten", "IMPL", "PrivateUse1")
    for name in torch._C._dispatch_get_all_op_names():
        if name.startswith("aten::") and torch._C._dispatch_has_kernel(name):
            library.impl(name.removeprefix("aten::"), _empty)
    install.library = library  # a library that is collected takes its kernels along


class _NoModule:
    """torch.privateuseone, which factories ask whether the device may be forked."""

    _is_in_bad_fork = staticmethod(lambda: False)
    is_initialized = staticmethod(lambda: True)
    is_available = staticmethod(lambda: True)
    _lazy_init = staticmethod(lambda: None)
    manual_seed_all = staticmethod(lambda seed: None)
    __name__ = "torch.privateuseone"


def _empty(*args, **kwargs):
    raise RuntimeError("an operator went past the recorder")


def _plain(value) -> bool:
    return value is None or isinstance(value, (int, float, complex, bool, str))


def _on_cpu(operator, args, kwargs, wrap: bool = True):
    """The operator computed on the values; results are tensors of the device, and inputs that are returned stay themselves."""
    flat, _ = tree_flatten((args, kwargs))
    own = {id(value.inner): value for value in flat if isinstance(value, OnDevice)}
    args, kwargs = tree_map(_inner, (args, kwargs))
    result = operator(*args, **kwargs)
    if not wrap:
        return result
    for tensor in own.values():
        _resized(tensor)

    def outer(value):
        if not isinstance(value, torch.Tensor) or isinstance(value, OnDevice):
            return value
        return own[id(value)] if id(value) in own else OnDevice(value)

    return tree_map(outer, result)


def _resized(tensor: OnDevice) -> None:
    """What out= made of a tensor's values, said by the tensor as well."""
    if tensor.shape != tensor.inner.shape:
        with no_dispatch(), torch._C._IncludeDispatchKeyGuard(DispatchKey.Meta):
            size, stride = tensor.inner.size(), tensor.inner.stride()
            torch.ops.aten.set_.source_Storage_storage_offset(tensor, tensor.untyped_storage(), 0, size, stride)


def _inner(value):
    if isinstance(value, OnDevice):
        return value.inner
    return CPU if isinstance(value, torch.device) and value.type == DEVICE.type else value


def _tensor(value, parameter):
    """A number that stands where a tensor is declared, as C++ would make it one."""
    declared = str(parameter.type) == "Tensor" and isinstance(value, (int, float, complex))
    return torch.tensor(value) if declared else value

"""Autocast on the GPU: which operators cast their inputs to what, as torch registers them for the device.

The operators are those that torch itself has registered for the dispatch key, which the CPU build has too: 95 for MPS
in torch 2.13, as in its macOS library. Their kernels in C++ ask tensors where they are and would cast nothing here, so
they are replaced by ours, for a key that no tensor of a CPU build ever has.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from . import tags
from .machines import Machine
from .tags import BASE

KEYS = {"mps": "AutocastMPS", "cuda": "AutocastCUDA"}
LOWER = frozenset(
    """_convolution _mps_convolution cudnn_convolution cudnn_convolution_transpose conv1d conv2d conv3d conv_tbc
    conv_transpose1d conv_transpose2d conv_transpose3d convolution prelu addmm addmv addr matmul einsum mm mv
    linalg_vecdot linear addbmm baddbmm bmm chain_matmul linalg_multi_dot _thnn_fused_lstm_cell
    _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell _scaled_dot_product_flash_attention
    scaled_dot_product_attention""".split()
)
"""AT_FORALL_LOWER_PRECISION_FP in torch/include/ATen/autocast_mode.h, and what autocast_mode.cpp adds for a device."""
PROMOTE = frozenset(
    "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add".split()
)
"""AT_FORALL_PROMOTE there. What is in neither is cast to float32."""
BANNED = frozenset({"binary_cross_entropy"})
BANNED_TEXT = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\nsafe to autocast."
)


@contextlib.contextmanager
def installed(machine: Machine) -> Iterator[None]:
    """Ours are in the place of torch's kernels for the machine's key until the end of the block."""
    library = torch.library.Library("aten", "IMPL")
    key = KEYS[machine.kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in torch._C._dispatch_get_registrations_for_dispatch_key(key):
            name = name.removeprefix("aten::")
            library.impl(name, _kernel(_overload(name), machine), key, allow_override=True)
    try:
        yield
    finally:
        library._destroy()


@contextlib.contextmanager
def reachable(machine: Machine) -> Iterator[None]:
    """For this thread: tensors of the host's are dispatched by the machine's key too, where autocast is on."""
    with torch._C._IncludeDispatchKeyGuard(getattr(torch._C.DispatchKey, KEYS[machine.kind])):
        yield


def of_the_host_off() -> Any:
    """``torch.autocast("cpu")`` is nothing to tensors of the GPU."""
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU))


def _overload(name: str) -> Any:
    base, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, base), overload or "default")


def policy(name: str) -> str:
    """``lower``, ``promote``, ``banned`` or ``float32``, by the name without its overload."""
    if name in LOWER:
        return "lower"
    return "promote" if name in PROMOTE else "banned" if name in BANNED else "float32"


def _kernel(overload: Any, machine: Machine) -> Callable:
    wanted = policy(overload.overloadpacket.__name__)
    key = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, KEYS[machine.kind]))

    @functools.wraps(overload._op)
    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(key), torch._C.DisableTorchFunction():
            eligible = [one for one in tags.tensors(args, kwargs) if _eligible(one)]
            if eligible and wanted == "banned":
                raise RuntimeError(BANNED_TEXT)
            if eligible:
                dtype = _dtype(wanted, machine, eligible)
                args, kwargs = tree_map_only(torch.Tensor, lambda one: _cast(one, dtype), (args, kwargs))
            return overload(*args, **kwargs)

    return kernel


def _eligible(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dtype is not torch.float64 and tags.name_of(tensor) is not None


def _dtype(wanted: str, machine: Machine, eligible: list[torch.Tensor]) -> torch.dtype:
    lower = torch.get_autocast_dtype(machine.kind)
    if wanted == "lower":
        return lower
    if wanted == "promote" and all(one.dtype is lower for one in eligible):
        return lower
    return torch.float32


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return BASE.to(tensor, dtype) if _eligible(tensor) and tensor.dtype is not dtype else tensor

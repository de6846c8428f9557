"""Operators that MPS has no kernel for, or computes on the CPU, by the table in ``flake8_mps.operators``."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import torch

from ...operators import State, operator, releases
from .machines import Machine
from .record import users_line
from .refusals import FALLBACK_WARNING, MISSING_OPERATOR, NotEmulated

ONLY_ON_THE_CPU = frozenset(
    """_slow_conv2d_forward _slow_conv2d_backward slow_conv3d_forward slow_conv_transpose2d slow_conv_transpose3d
    slow_conv_dilated2d slow_conv_dilated3d thnn_conv2d mkldnn_convolution mkldnn_rnn_layer
    mkldnn_rnn_layer_backward mkldnn_linear mkldnn_max_pool2d _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_flash_attention_for_cpu_backward _fused_sdp_choice _transform_bias_rescale_qkv
    _native_multi_head_attention _transformer_encoder_layer_fwd _thnn_fused_lstm_cell _thnn_fused_gru_cell
    narrow_copy _grid_sampler_2d_cpu_fallback _fft_c2r _fft_r2c _fft_c2c _to_sparse _adaptive_avg_pool2d
    _nested_tensor_from_mask _test_check_tensor _assert_async native_channel_shuffle""".split()
)
"""What the CPU's own implementation goes through, where MPS takes another way: that these are missing says nothing."""


SVD = (torch.linalg.svd, torch.svd, torch.Tensor.svd, torch.ops.aten.linalg_svd.default)
"""MPS has linalg_svd as an operator, which runs on the CPU. What reaches the singular values by another way fails."""
PSEUDOINVERSE = {False: torch.ops.aten.linalg_svd.default, True: torch.ops.aten._linalg_eigh.default}
"""What linalg_pinv is composed of, by ``hermitian``; a composed operator hides that from a dispatch mode."""
HIDDEN = {
    "aten::put": ["aten::put_"],
    **{f"aten::logspace.{overload}": ["aten::logspace.out"] for overload in (
        "Tensor_Tensor", "Tensor_Scalar", "Scalar_Tensor", "Tensor_Tensor_out", "Tensor_Scalar_out", "Scalar_Tensor_out",
    )},
}  # fmt: skip
"""What else composed operators are composed of."""
_OPTIONS = frozenset({"dtype", "layout", "device", "pin_memory"})


@functools.cache
def release() -> str:
    """The release of the installed torch, as the table has it."""
    installed = ".".join(torch.__version__.split(".")[:2])
    known = releases()
    return installed if installed in known else known[-1]


@functools.cache
def state(func: Any) -> tuple[State, str]:
    """What MPS does with an overload, and the name that its message gives."""
    namespace, name = func._schema.name.split("::")
    if namespace == "c10d":
        return State.MISSING, func.name()
    if namespace != "aten" or name in ONLY_ON_THE_CPU:
        return State.KERNEL, func.name()
    full = func.name()
    known = operator(full)
    if known is None or known.states.get(release()) not in (State.MISSING, State.FALLBACK, State.COMPOSED):
        return State.KERNEL, full
    found = known.states[release()]
    if found is State.COMPOSED:
        return _of_the_sibling(func, full)
    return found, _structured_name(func, full) if found is State.MISSING else full


def _siblings(func: Any) -> list[str]:
    """The overloads with ``out=`` that an operator without a kernel of its own calls, or is compiled into."""
    schema = func._schema
    arguments = [str(one.type) for one in schema.arguments if one.name not in _OPTIONS]
    found = []
    packet = getattr(torch.ops.aten, schema.name.removeprefix("aten::").rstrip("_"), func.overloadpacket)
    for overload in packet.overloads():
        other = getattr(packet, overload)._schema
        taken = [str(one.type) for one in other.arguments if not one.is_out and one.name not in _OPTIONS]
        if any(one.is_out for one in other.arguments) and taken == arguments:
            found.append(f"{other.name}.{other.overload_name}")
    return found


def _structured_name(func: Any, full: str) -> str:
    """A structured operator is missing by the name of its ``out=`` overload: ``_linalg_eigh.eigenvalues``."""
    if not _is_structured(func):
        return full
    known = ((other, operator(other)) for other in _siblings(func))
    return next((name for name, one in known if one and one.states[release()] is State.MISSING), full)


def _is_structured(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeExplicitAutogradNonFunctional")


def _of_the_sibling(func: Any, full: str) -> tuple[State, str]:
    """``logspace`` is composed of ``logspace.out``: what is missing there is missing here, by that name."""
    for other in [*_siblings(func), *HIDDEN.get(full, [])]:
        known = operator(other)
        if known is not None and known.states[release()] in (State.MISSING, State.FALLBACK):
            return known.states[release()], other
    return State.KERNEL, full


def _is_sparse(func: Any, found: list[torch.Tensor]) -> bool:
    """The table is that of dense tensors. Raises NotEmulated for layouts of which nothing is known."""
    layouts = {tensor.layout for tensor in found} - {torch.strided}
    if layouts - {torch.sparse_coo} or func.name().startswith("aten::_nested"):
        raise NotEmulated(f"{func.name()} of a tensor that is neither strided nor sparse COO")
    return bool(layouts)


def check(machine: Machine, func: Any, kwargs: dict, found: list[torch.Tensor]) -> bool:
    """Whether a Mac computes this on the CPU. Raises NotImplementedError where it does not compute it at all."""
    if not machine.is_mac or _is_sparse(func, found):
        return False
    found, name = state(func)
    if name == "aten::_linalg_svd.U" and getattr(machine.calls, "function", None) in SVD:
        found, name = state(torch.ops.aten.linalg_svd.default)
    if func is torch.ops.aten.linalg_pinv.atol_rtol_tensor:
        found, name = state(PSEUDOINVERSE[kwargs.get("hermitian", False)])
    if found is State.KERNEL:
        return False
    if found is State.MISSING and not machine.fallback:
        raise MISSING_OPERATOR.error(operator=name, commit=torch.version.git_version)
    if name not in machine.warned:
        machine.warned.add(name)
        file, line = users_line()
        warnings.warn_explicit(FALLBACK_WARNING.format(operator=name), UserWarning, file, line)
    return True

"""Operators that MPS has no kernel for, or computes on the CPU, by the table in ``flake8_mps.operators``."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import torch

from ...operators import State, operator, releases
from .machines import Machine
from .record import users_line
from .refusals import FALLBACK_WARNING, MISSING_OPERATOR

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
    if namespace != "aten" or name in ONLY_ON_THE_CPU:
        return State.KERNEL, name
    overload = func._schema.overload_name
    full = f"{name}.{overload}" if overload else name
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
    arguments = [str(one.type) for one in schema.arguments]
    found = []
    for overload in func.overloadpacket.overloads():
        other = getattr(func.overloadpacket, overload)._schema
        taken = [str(one.type) for one in other.arguments if not one.is_out]
        if any(one.is_out for one in other.arguments) and taken == arguments:
            found.append(f"{other.name.removeprefix('aten::')}.{other.overload_name}")
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
    for other in _siblings(func):
        known = operator(other)
        if known is not None and known.states[release()] in (State.MISSING, State.FALLBACK):
            return known.states[release()], other
    return State.KERNEL, full


def check(machine: Machine, func: Any, args: tuple) -> bool:
    """Whether a Mac computes this on the CPU. Raises NotImplementedError where it does not compute it at all."""
    if not machine.is_mac:
        return False
    found, name = state(func)
    if name == "_linalg_svd.U" and (len(args) < 3 or args[2]):
        found, name = state(torch.ops.aten.linalg_svd.default)  # reached for singular vectors, and no kernel but this
    if found is State.KERNEL:
        return False
    if found is State.MISSING and not machine.fallback:
        raise MISSING_OPERATOR.error(operator=name, commit=torch.version.git_version)
    if name not in machine.warned:
        machine.warned.add(name)
        file, line = users_line()
        warnings.warn_explicit(FALLBACK_WARNING.format(operator=name), UserWarning, file, line)
    return True

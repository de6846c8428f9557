"""When MPS refuses: what is looked at before a call, and before an operator. The texts are in ``refusals``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from . import mixed, tags
from .machines import Machine
from .refusals import (
    ADAPTIVE_POOL,
    ADAPTIVE_POOL_DIRECTION,
    CONV_DTYPE,
    CONV_TRANSPOSE_3D,
    LINEAR_DTYPE,
    LSTM_PROJECTIONS,
    PACKED_LENGTHS,
)

FLOATS = frozenset({torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex32})
HALVES = frozenset({torch.float16, torch.bfloat16})


def before_call(machine: Machine, func: Callable, args: tuple, kwargs: dict, gpu: bool) -> None:
    """Functions of torch that are written in C++, which may be composed otherwise for MPS than for the CPU."""
    check = _CALLS.get(func) if gpu and machine.is_mac else None
    if check is not None:
        check(*args, **kwargs)


def before_operator(machine: Machine, func: Any, name: str, args: tuple, kwargs: dict, found: list) -> None:
    """Operators of aten, at least one of whose tensors is on the GPU."""
    check = _OPERATORS.get(name) if machine.is_mac else None
    if check is not None:
        check(*args, **kwargs)
    mixed.check(machine, func, name, args, found)


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, **_: Any) -> None:
    """In the order of Linear.mm: each argument's dtype, then its device."""
    for argument, plural, tensor in (("input", "inputs", input), ("weight", "weights", weight), ("bias", "bias", bias)):
        if tensor is None:
            continue
        if tensor.dtype not in FLOATS and tags.name_of(tensor):
            raise LINEAR_DTYPE.error(argument=plural)
        mixed.linear(argument, tensor)


def _lstm(*args: Any, **kwargs: Any) -> None:
    """``lstm(input, hx, weights, has_biases, ...)`` and ``lstm(data, batch_sizes, hx, weights, has_biases, ...)``."""
    weights = args[3] if isinstance(args[1], torch.Tensor) else args[2]
    states = args[2] if isinstance(args[1], torch.Tensor) else args[1]
    if isinstance(states, Sequence) and len(states) == 2 and states[0].shape[-1] != states[1].shape[-1]:
        raise LSTM_PROJECTIONS.error()
    devices = {tags.name_of(tensor) for tensor in (args[0], *states, *weights)}
    if len(devices) > 1:
        raise mixed.PLACEHOLDER.error()


def _convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, **_) -> None:
    mixed.convolution(input, weight, bias)
    if input.dtype not in FLOATS:
        raise CONV_DTYPE.error()
    if transposed and input.dim() == 5 and input.dtype in HALVES:
        raise CONV_TRANSPOSE_3D.error()


def _adaptive_pool(input: torch.Tensor, output_size: Sequence[int], **_: Any) -> None:
    """Adaptive maxima: both sizes shrink, or both grow. set_kernel_params in AdaptivePooling.mm."""
    sizes = list(zip(input.shape[-2:], output_size, strict=True))
    if not (all(before >= after for before, after in sizes) or all(before <= after for before, after in sizes)):
        raise ADAPTIVE_POOL_DIRECTION.error()


def _adaptive_average(input: torch.Tensor, output_size: Sequence[int], **_: Any) -> None:
    """Averages: sizes must divide, too."""
    _adaptive_pool(input, output_size)
    for before, after in zip(input.shape[-2:], output_size, strict=True):
        if before >= after and after and before % after:
            raise ADAPTIVE_POOL.error(first="input", second="output")
        if before < after and before and after % before:
            raise ADAPTIVE_POOL.error(first="output", second="input")


def _lengths(input: torch.Tensor, lengths: torch.Tensor, batch_first: bool = False) -> None:
    if device := tags.name_of(lengths):
        scalar = lengths.type().split(".")[-1].removesuffix("Tensor")
        raise PACKED_LENGTHS.error(dim=lengths.dim(), device=device, scalar=scalar)


_CALLS: dict[Callable, Callable] = {
    torch._C._nn.linear: _linear,
    torch.lstm: _lstm,
}
_OPERATORS: dict[str, Callable] = {
    "convolution": _convolution,
    "_adaptive_avg_pool2d": _adaptive_average,
    "adaptive_max_pool2d": _adaptive_pool,
    "_pack_padded_sequence": _lengths,
}

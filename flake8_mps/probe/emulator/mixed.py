"""Tensors of two devices in one operator: which of MPS' texts it gives, by the family of the operator."""

from __future__ import annotations

from typing import Any

import torch

from . import tags
from .machines import Machine
from .refusals import (
    CONV_HOST_INPUT,
    CONV_TYPES,
    INDICES,
    INEXACT,
    LINEAR_DEVICE,
    MATRIX,
    PLACEHOLDER,
    TWO_DEVICES,
    NotEmulated,
)

ANYWHERE = frozenset(
    """copy_ _copy_from _copy_from_and_resize set_ _pack_padded_sequence _pack_padded_sequence_backward
    _pad_packed_sequence tensor_split _to_copy resize_as_ _has_compatible_shallow_copy_type set_data
    is_same_size _has_same_storage_numel _shape_as_tensor convolution _amp_update_scale_""".split()
)
"""Operators whose tensors may be, or are by design, on two devices; convolution has checks of its own."""
INDEXED = frozenset("index index_put index_put_ _index_put_impl_ _unsafe_index _unsafe_index_put".split())
MATRICES = {
    "mm": ("mat1", "mat2"), "addmm": ("self", "mat1", "mat2"), "bmm": ("self", "mat2"),
    "baddbmm": ("self", "batch1", "batch2"),
}
PLACEHOLDERS = frozenset({"embedding", "index_select"})


def check(machine: Machine, func: Any, name: str, args: tuple, found: list[torch.Tensor]) -> None:
    """Raises where tensors of one dimension or more are on two devices."""
    if name in ANYWHERE:
        return
    if name in INDEXED:
        return _indexed(machine, args)
    host = [tensor for tensor in found if not tags.name_of(tensor) and tensor.dim()]
    if not host:
        return
    if machine.is_mac and name in PLACEHOLDERS:
        raise PLACEHOLDER.error()
    if machine.is_mac and name in MATRICES:
        raise _matrix(name, args)
    error = TWO_DEVICES.error(device=machine.name)
    if machine.is_mac and torch.Tag.pointwise not in func.tags:
        error.add_note(INEXACT)
    raise error


def _indexed(machine: Machine, args: tuple) -> None:
    """Indices may be on the host, or with the tensor that is indexed."""
    self, indices = args[:2]
    if not tags.name_of(self) and any(tags.name_of(index) for index in tags.tensors(indices)):
        raise INDICES.error()
    if len(args) > 2 and args[2].dim() and tags.name_of(self) != tags.name_of(args[2]):
        raise TWO_DEVICES.error(device=machine.name)


def _matrix(name: str, args: tuple) -> Exception:
    for number, (argument, tensor) in enumerate(zip(MATRICES[name], args, strict=False), 1):
        if isinstance(tensor, torch.Tensor) and not tags.name_of(tensor):
            return MATRIX.error(number=number, argument=argument, operator=name)
    raise AssertionError(name)


def linear(argument: str, tensor: torch.Tensor) -> None:
    if not tags.name_of(tensor):
        raise LINEAR_DEVICE.error(argument=argument)


def convolution(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    """The input decides the backend: the host's refuses weights on MPS, and MPS compares types."""
    if not tags.name_of(input):
        if input.dim() == 5:
            raise NotEmulated("a 3-D convolution whose input is on the CPU and whose weight is on MPS")
        raise CONV_HOST_INPUT.error()
    for role, other in (("weight", weight), ("bias", bias)):
        if other is not None and _type(other) != _type(input):
            raise CONV_TYPES.error(input=_type(input), role=role, other=_type(other))


def _type(tensor: torch.Tensor) -> str:
    """As C++ names it: MPSFloatType on MPS, torch.FloatTensor on the host."""
    with tags.unseen():
        legacy = tags.BASE.type(tensor)
    return "MPS" + legacy.split(".")[-1].removesuffix("Tensor") + "Type" if tags.name_of(tensor) else legacy

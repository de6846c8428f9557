"""Calls that a kernel for MPS refuses although it is registered: its own check of the arguments, and what it says.

A check holds in every release whose library holds its message, so that no release is written down here. `when` gets the
arguments of the operator as they arrive (tensors on the stand-in device). Sources: aten/src/ATen/native/mps/operations/
(Convolution.mm, AdaptivePooling.mm, GridSampler.mm, RnnOps.mm, ScatterGather.mm, LinearAlgebra.mm).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from operator_table.macho import Library


@dataclass(frozen=True)
class Refusal:
    """`message`: how the text of the exception begins, as the library holds it."""

    message: str
    when: Callable[..., bool]


def _in_three_dimensions(input, *_) -> bool:
    return input.dim() == 5


def _sizes(input, output_size, *_) -> Iterator[tuple[int, int]]:
    return zip(input.shape[-2:], output_size)


def _grows_and_shrinks(*args) -> bool:
    return any(size > out for size, out in _sizes(*args)) and any(size < out for size, out in _sizes(*args))


def _shrinks_by_no_whole_number(*args) -> bool:
    sizes = list(_sizes(*args))
    return all(size >= out for size, out in sizes) and any(size % out for size, out in sizes)


def _grows_by_no_whole_number(*args) -> bool:
    sizes = list(_sizes(*args))
    return all(size <= out for size, out in sizes) and any(out % size for size, out in sizes)


def _projects(input, hidden, *_) -> bool:
    return hidden[0].shape[-1] != hidden[1].shape[-1]


def _same(position: int, *values: object) -> Callable[..., bool]:
    return lambda *args: len(args) > position and args[position] in values


_UNEVEN_SHRINKING = Refusal("Adaptive pool MPS: input sizes must be divisible by output sizes.", _shrinks_by_no_whole_number)
_UNEVEN_GROWING = Refusal("Adaptive pool MPS: output sizes must be divisible by input sizes.", _grows_by_no_whole_number)
_ONE_EACH = Refusal("Adaptive pool MPS: Input height and width must both be greater than, or equal to,", _grows_and_shrinks)

REFUSALS: dict[str, tuple[Refusal, ...]] = {
    "_mps_convolution": (Refusal("Conv3D is not supported on MPS", _in_three_dimensions),),
    "_mps_convolution_transpose": (Refusal("ConvTranspose 3D is not supported on MPS", _in_three_dimensions),),
    "_adaptive_avg_pool2d": (_UNEVEN_SHRINKING, _UNEVEN_GROWING, _ONE_EACH),
    "adaptive_avg_pool2d.out": (_UNEVEN_SHRINKING, _UNEVEN_GROWING, _ONE_EACH),
    "adaptive_max_pool2d": (_ONE_EACH,),
    "grid_sampler_2d": (
        Refusal("MPS: Unsupported Border padding mode", _same(3, 1)),
        Refusal("MPS: Unsupported Bicubic interpolation", _same(2, 2)),
    ),
    "_lstm_mps": (Refusal("LSTM with projections is not currently supported with MPS.", _projects),),
    "gather": (Refusal("sparse_grad not supported in MPS yet", lambda *args, sparse_grad=False: sparse_grad),),
    "_linalg_svd": (Refusal("linalg.svd: driver= is not supported on MPS.", lambda *args, driver=None: driver is not None),),
}


def refused(name: str, args, kwargs) -> tuple[str, ...]:
    """The messages with which a kernel would refuse these arguments."""
    return tuple(refusal.message for refusal in REFUSALS.get(name, ()) if refusal.when(*args, **kwargs))


def messages(library: Library) -> frozenset[str]:
    """Those that this library holds."""
    every = {refusal.message for refusals in REFUSALS.values() for refusal in refusals}
    return frozenset(message for message in every if library.holds(message))

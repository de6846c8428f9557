"""Dtypes that MPS has not. CUDA, the control, has them all."""

from __future__ import annotations

import torch

from .machines import active
from .refusals import FLOAT8, FLOAT64, UNSUPPORTED_DTYPE, UNSUPPORTED_DTYPES, NotEmulated


def check_birth(dtype: torch.dtype) -> None:
    """Raises what a Mac raises when a tensor of that dtype is made on MPS."""
    if not active().is_mac:
        return
    if dtype is torch.float64:
        raise FLOAT64.error()
    if dtype in FLOAT8:
        raise NotEmulated(f"{dtype} on MPS")
    if dtype in UNSUPPORTED_DTYPES:
        raise UNSUPPORTED_DTYPE.error(scalar=UNSUPPORTED_DTYPES[dtype])


check_move = check_cast = check_birth

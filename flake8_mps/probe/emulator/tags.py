"""Where a tensor lives: a name on the Python object of its storage.

Views, detached and reshaped tensors share that object, and so the name. A tensor without a storage, such as a sparse
one, lives where its values do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

BASE: Any = torch._C.TensorBase
HOST = "cpu"
_NAME = "_flake8_mps_device"
_functorch = torch._C._functorch


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Runs torch as it is: neither mode sees what is called here."""
    with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
        yield


def storage(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """The storage that carries the name; None for a tensor that has none, as a fake one."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    try:
        with torch._C.DisableTorchFunction():
            return BASE.untyped_storage(tensor if tensor.layout is torch.strided else _values(tensor))
    except (NotImplementedError, RuntimeError):
        return None


def _values(tensor: torch.Tensor) -> torch.Tensor:
    return BASE._values(tensor) if tensor.layout is torch.sparse_coo else BASE.values(tensor)


def name_of(tensor: torch.Tensor) -> str | None:
    """``mps:0`` or ``cuda:0`` where the tensor lives there; None on the host, and where torch itself knows best."""
    return getattr(storage(tensor), _NAME, None)


def put(tensor: torch.Tensor, name: str | None) -> torch.Tensor:
    """Says where a tensor lives, its indices too if it is sparse. Returns it."""
    if (held := storage(tensor)) is not None:
        setattr(held, _NAME, name)
    if tensor.layout is torch.sparse_coo and name:
        with torch._C.DisableTorchFunction():
            setattr(BASE.untyped_storage(BASE._indices(tensor)), _NAME, name)
    return tensor


def name_of_storage(held: torch.UntypedStorage) -> str | None:
    return getattr(held, _NAME, None)


def put_storage(held: torch.UntypedStorage, name: str | None) -> torch.UntypedStorage:
    setattr(held, _NAME, name)
    return held


def tensors(*trees: Any) -> list[torch.Tensor]:
    """All tensors in arguments, however nested."""
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, torch.Tensor)]

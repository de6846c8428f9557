"""Names: joined by dots, and those that tell what they hold."""

from __future__ import annotations

import ast
import functools

from . import tables


def dotted(node: ast.expr) -> str | None:
    """``self.model.device`` as text; None for anything but names joined by dots."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def last_name(node: ast.expr | None) -> str:
    """``load`` of ``torch.load``; the empty text for anything that ends in no name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@functools.cache
def names_device(name: str) -> bool:
    """True for the name of a variable, attribute or key that holds a device: ``device``, ``gpu_device``, ``DEVICE``."""
    return tables.DEVICE_NAME.search(name) is not None


def names_dtype(node: ast.expr) -> bool:
    """True for a variable or an attribute that holds a dtype by its name: ``dtype``, ``weight_dtype``, ``x.dtype``."""
    return last_name(node).endswith("dtype")


@functools.cache
def names_other_device(name: str) -> bool:
    """True for the name of a function that gives a device of an accelerator that no Mac has."""
    return tables.OTHER_DEVICE_FUNCTION.search(name) is not None


@functools.cache
def names_loader(name: str) -> bool:
    """True for the name of a data loader: ``loader``, ``train_loader``, ``val_dataloader``."""
    return tables.LOADER_NAME.search(name) is not None


@functools.cache
def asks_for_cuda(name: str) -> bool | None:
    """True for the name of a switch that asks for CUDA, False for one that asks for the CPU, None for any other."""
    if tables.CPU_OPTION.search(name):
        return False
    return True if tables.CUDA_OPTION.search(name) else None


_ASKS = (
    ("cuda", tables.ASKS_CUDA), ("mps", tables.ASKS_MPS), ("other", tables.ASKS_OTHER), ("several", tables.ASKS_SEVERAL),
)
_PREDICATES = (
    ("cuda", tables.CUDA_PREDICATE), ("mps", tables.MPS_PREDICATE), ("several", tables.SEVERAL_PREDICATE),
    ("other", tables.OTHER_PREDICATE),
)


@functools.cache
def question(name: str) -> str | None:
    """What a canonical or a bare name asks of the machine: "cuda", "mps", "other" or "several"; None for any other."""
    for kind, names in _ASKS:
        if name in names:
            return kind
    last = name.rpartition(".")[2]
    return next((kind for kind, pattern in _PREDICATES if pattern.match(last)), None)


def subject(asked: ast.AST | None) -> str | None:
    """The name whose device a condition asks for: of ``device.type``, ``device.startswith("cuda")``, ``str(device)``."""
    if isinstance(asked, ast.Call):
        asked = asked.func.value if isinstance(asked.func, ast.Attribute) else asked.args[0] if asked.args else None
    if isinstance(asked, ast.Attribute) and asked.attr == "type":
        asked = asked.value
    return dotted(asked) if isinstance(asked, ast.expr) else None

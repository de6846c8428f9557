"""Names, attributes and parts of values: what is looked up rather than computed."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from . import functions, tables
from .classes import ClassInfo
from .conditions import asked_by_name
from .names import dotted, last_name, names_device
from .values import (
    CPU, CPU_DEVICE, GPU, OUTSIDE_DEVICE, SOME, SOME_DEVICE, UNKNOWN, Array, Batch, Class, Device, Function, Imported, Instance, Items, Many, Module, Moved, Name,
    Namespace, Standing, Table, Tensor, Value, join,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter


def _from_outside(run: Interpreter, node: ast.Attribute) -> bool:
    """True for ``x.device`` of a parameter or an attribute of self; what something made here stands on is its own, and
    what a private module is handed on its package's."""
    if run.source.is_private:
        return False
    root: ast.expr = node
    while isinstance(root, (ast.Attribute, ast.Subscript)):
        root = root.value
    return isinstance(root, ast.Name) and (root.id in run.frame.inputs or root.id == run.frame.receiver) or (
        run.frame is run.module_frame or dotted(node) is not None and node.value is root and root.id not in run.env
    )


_MOVES = frozenset({"to", "cuda", "cpu", "mps", "double", "float", "half"})


def is_property(node: ast.FunctionDef) -> bool:
    return any(last_name(decorator) in ("property", "cached_property") for decorator in node.decorator_list)


def unbound(run: Interpreter, name: str) -> Value:
    """A name that no scope binds: a builtin, or something a star import brought."""
    if hasattr(builtins, name):
        return Name(f"builtins.{name}")
    return starred(run, name) if run.stars else UNKNOWN


def starred(run: Interpreter, name: str) -> Value:
    """What a star import brought under a name."""
    for module in run.stars:
        full = Name(f"{module}.{name}")
        if full.name in tables.FACTORIES or full.name in tables.DTYPES or full.name in tables.NUMPY or full.name in tables.STARRED:
            return full
        if run.project is not None and (value := run.project.value(run, full, run.source.tree)) is not full:
            return value
    return UNKNOWN


def attribute_of(run: Interpreter, receiver: Value, node: ast.Attribute) -> Value:
    """The value of ``receiver.attr``."""
    attr, kind = node.attr, type(receiver)
    if kind is Name:
        if receiver.name.startswith("builtins."):
            return UNKNOWN
        name = f"{receiver.name}.{attr}"
        name = tables.SAME_AS.get(name, name)
        return Name(name) if run.project is None else _of_project(run, Name(name), node)
    path = dotted(node) if attr in run.bound_attributes else None
    if path is not None:
        held = run.env.get(path)
        if held is not None:
            return held
    if receiver is UNKNOWN and path not in run.attributes:
        if attr == "device" and not _from_outside(run, node):
            return SOME_DEVICE
        return OUTSIDE_DEVICE if names_device(attr) else asked_by_name(attr)
    if kind is Tensor or kind is Moved:
        outside = attr == "device" and receiver.at == SOME and _from_outside(run, node)
        return OUTSIDE_DEVICE if outside else _tensor_attribute(run, receiver, attr)
    if kind is Array:
        return receiver if attr in ("T", "values", "flat", "real") else UNKNOWN
    if kind is Device:
        return receiver if attr == "type" else UNKNOWN
    if kind is Module and isinstance(receiver.cls, ClassInfo) and attr not in _MOVES:
        method = receiver.cls.method(attr)
        return Function(method.node, method.around, Instance(receiver.cls)) if method is not None else UNKNOWN
    if kind is Instance:
        method = receiver.info.method(attr)
        if method is not None and attr not in receiver.info.attributes:
            if is_property(method.node):
                return functions.call_function(run, method, [], {}, receiver.info)
            return Function(method.node, method.around, receiver)
        value = receiver.info.attribute(attr)
        if value is UNKNOWN and run.project is not None and not any(attr in info.rewritten for info in receiver.info.mro()):
            value = run.project.inherited(run, receiver.info, node)
        if value is not UNKNOWN:
            return value
    elif kind is Imported:
        return run.project.attribute(run, receiver, node)
    elif kind is Class and attr in receiver.info.attributes:
        return receiver.info.attributes[attr]
    elif kind is Namespace and attr in run.options:
        return run.devices.read(run.options[attr])
    elif path in run.attributes:
        return run.attributes[path]
    return OUTSIDE_DEVICE if names_device(attr) else asked_by_name(attr)


def _of_project(run: Interpreter, name: Name, node: ast.Attribute) -> Value:
    """``config.DEVICE``: what this file has set, or the other file says."""
    held = run.env.get(dotted(node)) if node.attr in run.bound_attributes else None
    return held or run.project.value(run, name, node)


def _tensor_attribute(run: Interpreter, receiver: Tensor | Moved, attr: str) -> Value:
    if attr in tables.TENSOR_ATTRIBUTES:
        return receiver
    if attr == "device":
        unknown = SOME_DEVICE if run.source.is_private and receiver.at != GPU else OUTSIDE_DEVICE
        return {CPU: CPU_DEVICE, SOME: SOME_DEVICE}.get(receiver.at, unknown)
    return asked_by_name(attr)


def unpack(value: Value, count: int) -> Iterator[Value]:
    """The parts of a value assigned to ``count`` targets."""
    if isinstance(value, Items) and len(value.items) == count:
        yield from value.items
        return
    for _ in range(count):
        if isinstance(value, Batch):
            yield value.each
        elif isinstance(value, Many):
            yield value.each
        elif isinstance(value, Tensor):  # q, k, v = x.chunk(3)
            yield replace(value, batched=False)
        else:
            yield UNKNOWN


def element(run: Interpreter, value: Value) -> Value:
    """What a loop over a value gives."""
    if isinstance(value, Many):
        return value.each
    if isinstance(value, Module):
        run.env[value.site] = Standing()  # for layer in net: layer.to(device)
        return UNKNOWN
    if isinstance(value, Items):
        merged: Value | None = None
        for item in value.items:
            merged = run.devices.merge(merged, item, None) if isinstance(item, Device) else join(merged, item)
        return merged or UNKNOWN
    if isinstance(value, Table):
        return UNKNOWN
    return value if isinstance(value, (Tensor, Array)) else UNKNOWN

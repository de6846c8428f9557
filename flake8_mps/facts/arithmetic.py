"""Operators on values: dtype promotion, and operands that stand on different devices."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ..finding import Step
from .values import (
    CPU, GPU, OUTSIDE, SOME, UNKNOWN, Array, Batch, Const, Device, Items, Moved, Tensor, Value, join_at, of_dtype, of_place,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64", "complex64", "complex128"})
MAYBE_MPS = (GPU, OUTSIDE)
ELSEWHERE = (GPU, OUTSIDE, SOME)  # for a tensor on the CPU: nobody writes device=x.device for what stays there
GIVEN = "given"  # the origin of a tensor that a module's caller gave it


def operate(run: Interpreter, node: ast.AST, operator: ast.operator, left: Value, right: Value) -> Value:
    """``left op right``; notes operands that cannot meet."""
    if isinstance(left, Device):  # "cuda:" + str(rank), "cuda:%d" % rank
        return left if isinstance(operator, (ast.Add, ast.Mod)) else UNKNOWN
    if isinstance(left, Items) and isinstance(right, Items) and isinstance(operator, ast.Add):
        return Items(left.items + right.items)
    left, right = as_tensor(left), as_tensor(right)
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return _tensors(run, node, operator, left, right)
    if isinstance(left, Array) or isinstance(right, Array):
        dtype = _numpy_dtype(operator, left, right)
        trail = next((v.trail for v in (left, right) if isinstance(v, Array) and v.dtype == dtype and v.trail), ())
        if dtype == "float64" and not trail:
            trail = (Step(node.lineno, "float64 from arithmetic on integers"),)  # type: ignore[attr-defined]
        return Array(dtype, trail, any(isinstance(value, Array) and value.shaped for value in (left, right)))
    return UNKNOWN


def as_tensor(value: Value) -> Value:
    """A batch or a moved thing taken for the tensor that it has to be here."""
    if isinstance(value, Moved):
        return UNKNOWN if value.as_statement and value.at == CPU else Tensor(value.at, trail=value.trail)
    return value.each if isinstance(value, Batch) else value


def _tensors(run: Interpreter, node: ast.AST, operator: ast.operator, left: Value, right: Value) -> Value:
    tensors = [value for value in (left, right) if isinstance(value, Tensor)]
    if len(tensors) == 1:
        tensor, other = tensors[0], right if tensors[0] is left else left
        if isinstance(other, Array):  # an array of dimensions takes part in promotion, a scalar does not
            wide = other.dtype == "float64" and other.shaped and tensor is left
            stands = of_place(tensor.trail)
            return Tensor(tensor.at, "float64", True, True, other.trail + stands) if wide else Tensor(tensor.at, trail=stands)
        known = tensor.dtype if isinstance(other, Const) and tensor.dtype in _FLOATS else None
        if other is UNKNOWN and tensor.at == CPU and not tensor.batched:
            return Tensor()  # a tensor without dimensions goes where the other one is
        return Tensor(tensor.at, known or (tensor.dtype if tensor.dtype == "float64" else None), tensor.batched,
                      tensor.host_data, tensor.trail, tensor.origin)
    together(run, node, tensors, "operands")
    return result_of(tensors)


def together(run: Interpreter, node: ast.AST, tensors: list[Tensor], how: str) -> None:
    """Notes tensors that stand on different devices; a 0-dimensional CPU tensor may meet any other."""
    host = next((t for t in tensors if t.at == CPU and t.batched), None)
    away = next((t for t in tensors if t.at in ELSEWHERE), None)
    if host is not None and away is not None:
        apart(run, node, host, how, of_place(away.trail, "the other "))


def apart(run: Interpreter, node: ast.AST, host: Tensor, how: str, away: tuple[Step, ...]) -> None:
    """Notes a tensor on the CPU that meets the device: in a module's own code where it was made or kept, else here.

    ``away`` is how what it meets came to the device.
    """
    info = run.frame.info
    if host.origin is GIVEN:
        return  # noted where it was given, if the module stands elsewhere
    if host.origin is None or not run.frame.in_forward and (info is None or not info.is_module):
        run.note("devices-meet", node, how, trail=of_place(host.trail) + away)
    else:
        meets = (Step(node.lineno, "meets the device", "place"),)  # type: ignore[attr-defined]
        run.note("kept-on-cpu" if isinstance(host.origin.ctx, ast.Store) else "made-on-cpu", host.origin, trail=meets)


def given(value: Value) -> Value:
    """What a module's caller gives it, as the module's own code sees it."""
    if isinstance(value, Tensor):
        return replace(value, origin=GIVEN) if value.at == CPU else value
    if isinstance(value, Batch):
        return Batch(given(value.each))
    return Items(tuple(map(given, value.items))) if isinstance(value, Items) else value


def looked_up(run: Interpreter, node: ast.AST, table: Value, index: Value) -> None:
    """``table[steps]``: what is on the CPU takes no indices from the device; the other way round is fine."""
    if isinstance(table, Tensor) and table.at == CPU:
        indices = map(as_tensor, index.items if isinstance(index, Items) else (index,))
        away = next((part for part in indices if isinstance(part, Tensor) and part.at in ELSEWHERE), None)
        if away is not None:
            apart(run, node, table, "index", of_place(away.trail, "the index "))


def in_place(run: Interpreter, node: ast.AST, held: Value, added: Value) -> None:
    """``total += loss``: a tensor that is written to is excused by no lack of dimensions."""
    held, added = as_tensor(held), as_tensor(added)
    if isinstance(held, Tensor) and isinstance(added, Tensor) and held.at == CPU and added.at in ELSEWHERE:
        run.note("devices-meet", node, "operands", trail=of_place(held.trail) + of_place(added.trail, "the other "))


def result_of(tensors: list[Tensor]) -> Tensor:
    """What an operation on these tensors gives: where they stand, and float64 if one is."""
    standing = [t for t in tensors if t.batched] or tensors
    at = standing[0].at
    for tensor in standing[1:]:
        at = join_at(at, tensor.at)
    dtypes = {t.dtype for t in standing}
    dtype = dtypes.pop() if len(dtypes) == 1 else "float64" if "float64" in dtypes else None
    trail = next((told for t in standing if t.dtype == dtype and (told := of_dtype(t.trail))), ())
    trail += next((told for t in standing if t.at == at and (told := of_place(t.trail))), ())
    host = any(t.host_data for t in standing)
    origin = standing[0].origin if len(standing) == 1 else GIVEN if any(t.origin is GIVEN for t in standing) else None
    return Tensor(at, dtype, any(t.batched for t in tensors), host, trail, origin)


def _numpy_dtype(operator: ast.operator, left: Value, right: Value) -> str | None:
    """NumPy's promotion, as far as both sides are known; a Python number is weak."""
    dtypes = [value.dtype for value in (left, right) if isinstance(value, Array)]
    if any(isinstance(value, Tensor) for value in (left, right)):
        return None
    if "float64" in dtypes:
        return "float64"
    if None in dtypes or any(not isinstance(value, (Array, Const)) for value in (left, right)):
        return None
    if any(dtype in _FLOATS for dtype in dtypes):
        return dtypes[0] if len(set(dtypes)) == 1 else None
    number = next((value.value for value in (left, right) if isinstance(value, Const)), 0)
    if isinstance(operator, ast.Div) or isinstance(number, float):
        return "float64"
    return dtypes[0] if len(set(dtypes)) == 1 else None


def indexed(value: Tensor | Array, index: ast.expr) -> Value:
    """A part of a tensor or an array; a slice or None gives it a dimension, ``...`` leaves those that it has."""
    if isinstance(value, Tensor):
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        shaped = any(isinstance(p, ast.Slice) or isinstance(p, ast.Constant) and p.value is None for p in parts)
        kept = value.batched and any(isinstance(p, ast.Constant) and p.value is ... for p in parts)
        return Tensor(value.at, value.dtype, shaped or kept, value.host_data, value.trail, value.origin)
    return value

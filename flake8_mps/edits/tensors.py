"""Tensors made in the right place and dtype: casts before moves, results kept, copies to the host."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..finding import CHOICE_TYPE, DEVICE, NN, TORCH, Edit, Finding, Fix
from . import (
    NoFix, argument_added, before, behind, followed, is_first, own_lines, renamed, replaced, safe, span, statement_of, text, unsafe,
    wrapped,
)
from .devices import of_input

if TYPE_CHECKING:
    from ..facts import Event, Facts

_LESS = {"float64": "float32", "double": "float32", "complex128": "complex64", "cdouble": "complex64"}
_WIDE = re.compile(r"(?P<torch>\b[\w.]+\.)?\b(?P<dtype>float64|double|complex128|cdouble)$")
_REAL = frozenset({"mps", "cpu", "cuda"})
_READS = (ast.Name, ast.Attribute, ast.Subscript)


# --- dtypes ----------------------------------------------------------------------------------------------------------


def narrower(facts: Facts, node: ast.AST, kept: str = "float32") -> Fix:
    """float32 for float64, complex64 for complex128, where it is asked for; ``kept`` for a tensor that is moved as it is."""
    source, parent = facts.source, facts.parent(node)
    if isinstance(node, ast.Attribute) and isinstance(parent, ast.Call) and parent.func is node:
        copied = facts.parent(parent)
        if node.attr == "double" and isinstance(copied, ast.Attribute) and copied.attr == "cpu" and not parent.args:
            return safe(renamed(source, node, "cpu"), renamed(source, copied, "double"))  # float64 is fine on the CPU
        if node.attr == "double":
            return unsafe(renamed(source, node, "float"))
        if node.attr == "to" and len(parent.args) == 1 and not any(one.arg == "dtype" for one in parent.keywords):
            return unsafe(argument_added(source, parent, f"dtype={TORCH}.{kept}"))
        raise NoFix("the dtype is asked for elsewhere")
    if not isinstance(node, ast.expr) or not (match := _WIDE.search(text(source, node))):
        raise NoFix("the dtype is named elsewhere")
    if (match["torch"] or "") in ("np.", "numpy."):
        raise NoFix("it is a dtype of NumPy")
    return unsafe(replaced(source, node, f"{TORCH}.{_LESS[match['dtype']]}"))


def default_dtype(facts: Facts, call: ast.Call) -> Fix:
    return unsafe(replaced(facts.source, call.args[0], f"{TORCH}.float32"))


def cast_first(facts: Facts, event: Event) -> Fix:
    """float32 before, or with, the move of what NumPy made float64."""
    source, call = facts.source, facts.parent(event.node)
    if not isinstance(call, ast.Call) or not isinstance(event.node, (ast.Attribute, ast.Name)):
        raise NoFix("the move is not written as a call")
    if event.how == "factory" or not isinstance(event.node, ast.Attribute):
        if any(one.arg == "dtype" for one in call.keywords):
            raise NoFix("its dtype is named already")
        return unsafe(argument_added(source, call, f"dtype={TORCH}.float32"))
    casts, cast = facts.parent(call), None
    if isinstance(casts, ast.Attribute) and casts.attr == "float" and isinstance(cast := facts.parent(casts), ast.Call) and not cast.args:
        moved, whole = span(source, call), span(source, cast)
        again = Edit(moved._replace(line=moved.end_line, column=moved.end_column, end_line=whole.end_line, end_column=whole.end_column), "")
        return unsafe(*followed(source, event.node.value, ".float()"), again)
    return unsafe(*followed(source, event.node.value, ".float()"))


_NUMBERS = {"ByteTensor": "uint8", "LongTensor": "int64", "IntTensor": "int32", "HalfTensor": "float16", "BoolTensor": "bool"}


def of_cuda_type(facts: Facts, event: Event) -> Fix:
    """A tensor type of CUDA as a dtype and a device."""
    source, node, parent = facts.source, event.node, facts.parent(event.node)
    if not isinstance(parent, ast.Call):
        raise NoFix("the type has a name of its own")
    dtype = f"{TORCH}.{_NUMBERS.get(event.detail.rpartition('.')[2], 'float32')}"
    if event.how == "cast" and isinstance(parent.func, ast.Attribute) and parent.func.attr == "type" and node in parent.args:
        return unsafe(renamed(source, parent.func, "to"), replaced(source, node, f"{DEVICE}, {dtype}"))
    if event.how == "called" and parent.func is node and len(parent.args) == 1 and not parent.keywords:
        given = parent.args[0]
        if isinstance(given, (ast.List, ast.ListComp, ast.Tuple)) or ast.unparse(given).endswith(".tolist()"):
            device = argument_added(source, parent, f"dtype={dtype}, device={DEVICE}")
            return unsafe(replaced(source, node, f"{TORCH}.tensor"), device)
    if event.how == "called" and parent.func is node and parent.args and all(_is_number(one) for one in parent.args):
        device = argument_added(source, parent, f"dtype={dtype}, device={DEVICE}")
        return unsafe(replaced(source, node, f"{TORCH}.empty"), device)
    if event.how == "default" and node in parent.args and event.detail.endswith("FloatTensor"):
        return unsafe(replaced(source, parent.func, f"{TORCH}.set_default_device"), replaced(source, node, DEVICE))
    raise NoFix("whether its argument is a size or the values is not to be seen here")


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int or isinstance(node, ast.Call) and ast.unparse(node.func) == "len"


# --- places ----------------------------------------------------------------------------------------------------------


def made_at_input(facts: Facts, event: Event, takes_none: bool) -> Fix:
    """A tensor of a module's method made where its input is."""
    call = facts.parent(event.node)
    near = of_input(facts, event.node)
    if not isinstance(call, ast.Call) or not near:
        raise NoFix("which input gives the device is the author's to say")
    if takes_none:
        return unsafe(*followed(facts.source, call, f".to({near})"), near=near)
    return unsafe(argument_added(facts.source, call, f"device={near}"), near=near)


def registered(facts: Facts, event: Event) -> Fix:
    """A buffer of the module for a tensor that is a plain attribute, and a ModuleList for a plain list."""
    source = facts.source
    statement = statement_of(facts, event.node)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1 or not isinstance(event.node, ast.Attribute):
        raise NoFix("it is not assigned by itself")
    own_lines(source, statement)
    value = statement.value
    if event.kind == "layers-in-list":
        return unsafe(*wrapped(source, value, f"{NN}.ModuleList(", ")"))
    target, given = span(source, statement.targets[0]), span(source, value)
    start = Edit(target._replace(end_line=given.line, end_column=given.column), f'self.register_buffer("{event.node.attr}", ')
    return unsafe(start, behind(given, ", persistent=False)"))


def kept(facts: Facts, call: ast.Call) -> Fix:
    """``x = x.to(device)`` for ``x.to(device)``."""
    statement, root = facts.parent(call), call.func
    while isinstance(root, ast.Attribute) and isinstance(root.value, ast.Call):
        root = root.value.func
    receiver = root.value if isinstance(root, ast.Attribute) else None
    if not isinstance(statement, ast.Expr) or not isinstance(receiver, _READS):
        raise NoFix("there is no name to keep it under")
    return unsafe(before(span(facts.source, call), f"{text(facts.source, receiver)} = "))


def on_host(facts: Facts, node: ast.AST) -> Fix:
    """``x.cpu().numpy()``, and ``np.asarray(x.cpu())``."""
    call = facts.parent(node)
    if isinstance(node, ast.Attribute) and node.attr == "numpy":
        return safe(*followed(facts.source, node.value, ".cpu()"))
    if not isinstance(call, ast.Call) or call.func is not node or not call.args or isinstance(call.args[0], (ast.List, ast.Starred)):
        raise NoFix("which argument is the tensor is not to be seen here")
    return safe(*followed(facts.source, call.args[0], ".cpu()"))


def together(facts: Facts, event: Event) -> Fix:
    """What stands on the CPU moved to what it meets."""
    node = event.node
    if isinstance(node, ast.Call):
        parts = [*node.args, *(one.value for one in node.keywords)]
    elif isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    else:
        parts = []
    host = [one for one in parts if facts.stands_on_cpu(one)]
    if not host or event.how not in ("input", "operands"):
        raise NoFix("on which of the two devices the work belongs is the author's to say")
    others = [one for one in parts if one not in host and isinstance(one, ast.Name) and facts.may_be_on_mps(one)]
    near = f"{text(facts.source, others[0])}.device" if others else ""
    edits = [edit for one in host for edit in followed(facts.source, one, f".to({near or DEVICE})")]
    return unsafe(*edits, near=near)


def named_device(facts: Facts, finding: Finding) -> Fix:
    """A name of a device in capitals, as PyTorch spells it."""
    for node in facts.source.nodes(ast.Constant):
        if facts.source.span(node) == finding.span and isinstance(node.value, str) and node.value.lower().partition(":")[0] in _REAL:
            choice = facts.parent(node)
            if isinstance(choice, ast.IfExp) and any(one is not node and is_first(one) for one in (choice.body, choice.orelse)):
                return unsafe(replaced(facts.source, choice, CHOICE_TYPE))  # of MPS and CUDA, by the system: the CPU is missing
            return safe(replaced(facts.source, node, text(facts.source, node).lower()))
    raise NoFix("which device is wanted is the author's to say")

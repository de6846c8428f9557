"""What an expression evaluates to. Calls have a page of their own, ``calls.py``, and so have conditions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import arithmetic, calls, conditions, tables
from .conditions import asked_by_name, condition, flag_of
from .devices import narrowed
from .functions import modules_in
from .guards import AS_WRITTEN, Fact, contradicts, has
from .lookups import attribute_of, element
from .names import names_device, names_loader
from .values import (
    CPU_DEVICE, OUTSIDE_DEVICE, SOME_LOADER, UNKNOWN, Array, Batch, Const, Device, Flag, Function, Items, Many, Name, Table, Tensor, Value,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter


def children(run: Interpreter, node: ast.expr) -> Value:
    """An expression that facts know nothing of: its parts are evaluated for what they do."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            run.eval(child)
    return UNKNOWN


# --- names and attributes --------------------------------------------------------------------------------------------


def _name(run: Interpreter, node: ast.Name) -> Value:
    value = run.lookup(node.id)
    if type(value) is Name and run.project is not None:
        value = run.project.value(run, value, node)
    if type(value) is Name:
        run.values[node] = value
        return run.devices.typed(run, value, node)
    if value is UNKNOWN and names_loader(node.id):
        return SOME_LOADER
    return value


def _attribute(run: Interpreter, node: ast.Attribute) -> Value:
    receiver = run.eval(node.value)
    value = attribute_of(run, receiver, node)
    if value is not UNKNOWN:
        run.values[node] = value
        if type(value) is Name:
            run.reach(node)
    if value is UNKNOWN and names_loader(node.attr):
        return SOME_LOADER
    return run.devices.typed(run, value, node) if type(value) is Name else value


# --- literals --------------------------------------------------------------------------------------------------------


def _constant(run: Interpreter, node: ast.Constant) -> Value:
    value = node.value
    if type(value) is str and len(value) < 16:
        kind = tables.DEVICE_KINDS.get(value.partition(":")[0])
        if kind is not None and tables.DEVICE_TEXT.match(value):
            return run.devices.literal(run, node, kind)
        if value == "gpu" and contradicts(run.guards, AS_WRITTEN):
            return run.devices.literal(run, node, "cuda")  # Lightning's word, and here that for CUDA alone
    elif type(value) is str and tables.CUDA_TYPE.match(value):
        return run.devices.tensor_type(run, value, node)
    return Const(value)


def _joined(run: Interpreter, node: ast.JoinedStr) -> Value:
    """An f-string; ``f"cuda:{rank}"`` is a device."""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            run.eval(part.value)
            if part.format_spec is not None:
                run.eval(part.format_spec)
    first = node.values[0] if node.values else None
    if isinstance(first, ast.Constant) and (first.value == "cuda:" or first.value == "cuda" and len(node.values) == 1):
        return run.devices.literal(run, node, "cuda")
    if len(node.values) == 2 and isinstance(first, ast.Constant) and first.value == "cuda":
        return run.devices.literal(run, node, "cuda")
    return UNKNOWN


def _sequence(run: Interpreter, node: ast.Tuple | ast.List | ast.Set) -> Value:
    items = tuple(run.eval(item.value if isinstance(item, ast.Starred) else item) for item in node.elts)
    if len(items) > 64 or any(isinstance(item, ast.Starred) for item in node.elts):
        return UNKNOWN
    return Items(items)


def _dict(run: Interpreter, node: ast.Dict) -> Value:
    items = {}
    for key, value_node in zip(node.keys, node.values):
        value = run.eval(value_node)
        if key is None:
            continue
        run.eval(key)
        if isinstance(key, ast.Constant):
            items[key.value] = value
            if isinstance(key.value, str):
                run.devices.named(run, key.value or "device", value)  # {"": device}: that of a whole model, in a device_map
    return Table(items)


# --- parts of values -------------------------------------------------------------------------------------------------


def _subscript(run: Interpreter, node: ast.Subscript) -> Value:
    value = run.eval(node.value)
    index = run.eval(node.slice)
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(value, Batch):
        return value.each
    if isinstance(index, (Flag, Name)) and isinstance(value, (Items, Table)):
        return _picked(run, node, value, flag_of(index, node.slice))
    if isinstance(value, Items) and isinstance(key, int) and -len(value.items) <= key < len(value.items):
        return value.items[key]
    if isinstance(value, Table) and key in value.items:
        return value.items[key]
    if isinstance(value, (Tensor, Array)):
        arithmetic.looked_up(run, node, value, index)
        return arithmetic.indexed(value, node.slice)
    if isinstance(value, Many):
        return value if isinstance(node.slice, ast.Slice) else value.each
    if isinstance(key, str) and names_device(key):
        return OUTSIDE_DEVICE
    return asked_by_name(key) if isinstance(key, str) else UNKNOWN


def _picked(run: Interpreter, node: ast.Subscript, value: Items | Table, flag: Flag) -> Value:
    """``("cpu", "cuda")[torch.cuda.is_available()]``: a choice with its arms in a tuple or a dict."""
    items = dict(enumerate(value.items)) if isinstance(value, Items) else value.items
    left, right = items.get(True), items.get(False)
    if len(items) != 2 or left is None or right is None:
        return UNKNOWN
    left = narrowed(left, flag.true(), "") if isinstance(left, Device) else left
    right = narrowed(right, flag.false(), "") if isinstance(right, Device) else right
    return run.choose(flag, left, right)


# --- choices ---------------------------------------------------------------------------------------------------------


def _conditional(run: Interpreter, node: ast.IfExp) -> Value:
    flag = condition(run, node.test)
    if isinstance(node.body, ast.Constant) and isinstance(node.orelse, ast.Constant):
        if (node.body.value, node.orelse.value) in ((True, False), (False, True)):
            return flag if node.body.value else flag.opposite()  # True if torch.cuda.is_available() else False
    guards, mark = run.guards, run.devices.mark()
    run.guards = conditions.holding(guards, flag, node.test)
    left = run.eval(node.body)
    left_arm = mark.until(run.devices)
    mark = run.devices.mark()
    run.guards = conditions.holding(guards, flag.opposite(), node.test)
    right = run.eval(node.orelse)
    right_arm = mark.until(run.devices)
    run.guards = guards
    if flag.when_true or flag.when_false:
        left_arm.excuse_if(right_arm, run.devices)
        right_arm.excuse_if(left_arm, run.devices)
    left, right = _cuda_or_cpu(run, flag, node.body, left, right), _cuda_or_cpu(run, flag.opposite(), node.orelse, right, left)
    return run.choose(flag, left, right, right_arm.portable)


def _cuda_or_cpu(run: Interpreter, flag: Flag, node: ast.expr, value: Value, other: Value) -> Value:
    """An arm of a choice. Against the CPU, what is there only with CUDA is CUDA, and so is a number: ``0 if cuda else
    "cpu"``. In transformers the number of the CPU is -1, against 0."""
    if has(flag.when_true, "cuda"):
        named = _is_only(value, "outside") or isinstance(value, Const) and type(value.value) is int
        if named and _is_only(other, "cpu") or value == Const(0) and other == Const(-1):
            return run.devices.literal(run, node, "cuda", flag.when_true)
    elif has(flag.when_true, "cuda", False) and value == Const(-1) and other == Const(0):
        return CPU_DEVICE
    return value


def _is_only(value: Value, kind: str) -> bool:
    return isinstance(value, Device) and value.kinds == {kind}


def _walrus(run: Interpreter, node: ast.NamedExpr) -> Value:
    value = run.eval(node.value)
    run.bind(node.target, value)
    return value


# --- operators, comprehensions, lambdas ------------------------------------------------------------------------------


def _binary(run: Interpreter, node: ast.BinOp) -> Value:
    return arithmetic.operate(run, node, node.op, run.eval(node.left), run.eval(node.right))


def _unary(run: Interpreter, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        return conditions.negation(run, node)
    value = run.eval(node.operand)
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        return Const(-value.value) if isinstance(node.op, ast.USub) else UNKNOWN
    return value if isinstance(value, (Tensor, Array)) else UNKNOWN


def _comprehension(run: Interpreter, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp) -> Value:
    kept, guards = run.env, run.guards
    run.env = run.env.copy()  # not enter(): its names are its own
    for generator in node.generators:
        values = run.eval(generator.iter)
        few = isinstance(values, Items) and len(values.items) <= 8 and any(modules_in(values))
        for item in values.items[:-1] if few else ():  # [net.to(device) for net in (G, D)]
            run.bind(generator.target, item)
            run.eval(node.value if isinstance(node, ast.DictComp) else node.elt)
        run.bind(generator.target, values.items[-1] if few else element(run, values))
        if isinstance(values, Flag):
            run.guards = conditions.holding(run.guards, values, generator.iter) | {Fact("past", True, generator.iter)}
        for test in generator.ifs:
            run.guards = conditions.holding(run.guards, condition(run, test), test)
    if isinstance(node, ast.DictComp):
        run.eval(node.key)
        each = run.eval(node.value)
    else:
        each = run.eval(node.elt)
    kept.update((key, value) for key, value in run.env.items() if not isinstance(key, str))  # modules moved
    inside, run.env, run.guards = run.guards, kept, guards
    if isinstance(node, ast.DictComp):
        return Batch(each) if isinstance(each, Tensor) else UNKNOWN
    if each is not UNKNOWN:
        return Many(each)
    return conditions.come_by(inside) if contradicts(inside - guards, AS_WRITTEN) else UNKNOWN  # empty on a Mac


def _lambda(run: Interpreter, node: ast.Lambda) -> Value:
    function = Function(node, run.env)
    run.pending.append((function, run.guards, None))
    return function


def _inner(run: Interpreter, node: ast.Await | ast.Starred) -> Value:
    return run.eval(node.value)


def _yield(run: Interpreter, node: ast.Yield | ast.YieldFrom) -> Value:
    if node.value is not None:
        run.eval(node.value)
    return UNKNOWN


EVALUATE: dict[type, Callable[[Interpreter, ast.expr], Value]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Constant: _constant,
    ast.JoinedStr: _joined,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.IfExp: _conditional,
    ast.BoolOp: conditions.boolean,
    ast.Compare: conditions.comparison,
    ast.NamedExpr: _walrus,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.Await: _inner,
    ast.Starred: _inner,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.Call: calls.call,
}

"""What conditions say of the machine."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

from . import kinds, releases, tables
from .guards import AS_WRITTEN, NOTHING, ONCE_PORTED, Fact, Guards, common, contradicts, has
from .names import asks_for_cuda, last_name, question
from .values import CPU, OUTSIDE_DEVICE, UNKNOWN, Const, Device, Flag, Items, Name, Tensor, Value, join

if TYPE_CHECKING:
    from .frames import Env
    from .interpreter import Interpreter

NO_FLAG = Flag(NOTHING, NOTHING)
ORDINAL = Name("torch.Tensor.get_device")  # what the method gives: -1 for the CPU


def filled_in(run: Interpreter, test: ast.expr, left: Env, right: Env) -> Env:
    """``if mask is None: mask = torch.ones(n)``: what a parameter is where it is left out, for want of a call that tells
    more."""
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name) or not _is_none(test.comparators[0]):
        return {}
    name, is_none = test.left.id, isinstance(test.ops[0], ast.Is)
    filled, other = (left.get(name), right.get(name)) if is_none else (right.get(name), left.get(name))
    left_out = name in run.frame.inputs or other == Const(None)
    return {name: filled} if isinstance(filled, Tensor) and filled.at == CPU and left_out else {}


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def condition(run: Interpreter, node: ast.expr) -> Flag:
    """What an expression says of the machine, taken as a condition."""
    return flag_of(run.eval(node), node)


def flag_of(value: Value, node: ast.expr) -> Flag:
    if isinstance(value, Flag):
        return value
    if isinstance(value, Name):
        return asks(value.name, node) or NO_FLAG
    if value is UNKNOWN or isinstance(value, Const) and isinstance(value.value, (bool, int)):
        return _option(node)
    return NO_FLAG


def asks(name: str, node: ast.AST | None) -> Flag | None:
    """The flag of a question about the machine, by the name of who answers it."""
    kind = question(name)
    return either(kind, node) if kind is not None else None


def asked_by_name(name: str) -> Value:
    """An attribute or key that this file does not set, called as transformers and others call their answers."""
    if name in ("is_cuda", "is_mps", "is_cpu"):
        return either(f"{name[3:]}-device", None)
    return asks(name, None) or UNKNOWN


def either(kind: str, origin: ast.AST | None) -> Flag:
    true, false = frozenset({Fact(kind, True, origin)}), frozenset({Fact(kind, False, origin)})
    return Flag(true, false, ONCE_PORTED[kind], AS_WRITTEN.get(kind))


def _option(node: ast.expr) -> Flag:
    """A switch of the user's, known only by its name: ``args.gpu``, ``use_cuda``, ``no_cuda``. Ported, it is on."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        name = str(node.slice.value)
    asks_for = asks_for_cuda(name)
    if asks_for is None:
        return NO_FLAG
    fact = frozenset({Fact("option", True, node)})
    return Flag(fact, NOTHING, True) if asks_for else Flag(NOTHING, fact, False)


def holding(guards: Guards, flag: Flag, asked: ast.expr) -> Guards:
    """What holds in an arm that is taken when ``flag`` holds; "never" when it cannot as written."""
    if flag.written is False:
        return guards | flag.when_true | {Fact("never", True, asked)}
    return guards | flag.when_true if flag.when_true else guards


def come_by(guards: Guards) -> Flag:
    """The condition of having come by a place where these hold."""
    if not guards:
        return NO_FLAG
    ported = False if contradicts(guards, ONCE_PORTED) else None
    return Flag(guards, NOTHING, ported, False if contradicts(guards, AS_WRITTEN) else None)


def chosen_flag(flag: Flag, left: Value | None, right: Value | None) -> Flag | None:
    """``ok = True`` in one arm and False in the other is the condition itself; False in one arm, the condition at least."""
    one, other = _truth_of(left), _truth_of(right)
    if flag == NO_FLAG or left is None or right is None:
        return None
    if one is not None and other is not None:
        return None if one == other else flag if one else flag.opposite()
    if one and isinstance(right, Flag):
        return _combine(flag, right, False)
    if other and isinstance(left, Flag):
        return _combine(flag.opposite(), left, False)
    if one is False:
        return _also(flag.opposite(), right)
    return _also(flag, left) if other is False else None


def _truth_of(value: Value | None) -> bool | None:
    """The truth of True, False and None as written; None for anything else."""
    written = isinstance(value, Const) and (value.value is None or isinstance(value.value, bool))
    return bool(value.value) if written else None  # type: ignore[union-attr]


def _also(flag: Flag, value: Value) -> Flag | None:
    """True only where ``flag`` holds, and not always there."""
    if isinstance(value, Flag):
        return _combine(flag, value, True)
    if value is not UNKNOWN:
        return None
    asked = [way for way in flag.true() if has(way, "option")]  # of the ways to be true, those in which it was asked for
    when_true = functools.reduce(common, asked) if asked else flag.when_true
    return Flag(when_true, NOTHING, flag.ported, False if contradicts(when_true, AS_WRITTEN) else None)


def returned_flag(returns: list[tuple[Value, Guards]], before: Guards) -> Flag | None:
    """What a function's answer says: of one that returns True where CUDA is there, and False elsewhere."""
    truths = [(_truth_of(value), guards - before) for value, guards in returns]
    yes = [guards for truth, guards in truths if truth]
    no = [guards for truth, guards in truths if truth is False]
    if not yes or not no or any(truth is None for truth, _ in truths):
        return None
    when_true, when_false = functools.reduce(common, yes), functools.reduce(common, no)
    if not when_true and not when_false:
        return None
    written = False if all(contradicts(guards, AS_WRITTEN) for guards in yes) else None
    ported = False if all(contradicts(guards, ONCE_PORTED) for guards in yes) else True
    return Flag(when_true, when_false, ported, written)


# --- and, or, not ----------------------------------------------------------------------------------------------------


def negation(run: Interpreter, node: ast.UnaryOp) -> Value:
    flag = condition(run, node.operand)
    return flag.opposite() if flag != NO_FLAG else UNKNOWN


def boolean(run: Interpreter, node: ast.BoolOp) -> Value:
    """``a and b``, ``a or b``: a flag where a side is one, devices where a side is one."""
    is_and, guards = isinstance(node.op, ast.And), run.guards
    values, total = [], None
    for part in node.values:
        value = run.eval(part)
        flag = flag_of(value, part)
        values.append(value)
        run.guards = holding(run.guards, flag if is_and else flag.opposite(), part)
        if not is_and and value in (UNKNOWN, OUTSIDE_DEVICE):
            run.guards = run.guards | {Fact("default", True, part)}  # args.device or "cuda"
        total = flag if total is None else _combine(total, flag, is_and)
    run.guards = guards
    if any(isinstance(value, Device) for value in values):
        return _devices(run, node, values, total)
    if total is not None and total != NO_FLAG:
        return total
    result: Value | None = None
    for value in values:
        result = join(result, value)
    return result or UNKNOWN


def combined(parts: list[tuple[Value, ast.expr]], is_and: bool) -> Value:
    """``all([a, b])``, ``any([a, b])``: what their operands say together."""
    flags = [flag_of(value, node) for value, node in parts]
    total = functools.reduce(lambda one, other: _combine(one, other, is_and), flags) if flags else NO_FLAG
    return total if total != NO_FLAG else UNKNOWN


def _combine(left: Flag, right: Flag, is_and: bool) -> Flag:
    if not is_and:  # a or b is not (not a and not b)
        return _combine(left.opposite(), right.opposite(), True).opposite()
    truths = _both(left.ported, right.ported), _both(left.written, right.written)
    ways = (*left.false(), *(left.when_true | way for way in right.false()))
    return Flag(
        left.when_true | right.when_true, common(left.when_false, right.when_false), *truths,
        (), ways if any(ways) and len(ways) <= 4 else (),
    )


def _both(left: bool | None, right: bool | None) -> bool | None:
    """``and`` of truths that may not be known: one False decides it."""
    if left is False or right is False:
        return False
    return None if None in (left, right) else True


def _devices(run: Interpreter, node: ast.BoolOp, values: list[Value], flag: Flag | None) -> Value:
    """``cuda and "cuda" or "cpu"``, ``args.device or "cuda"``: any of the devices named. What is named for want of an
    answer, in ``get_accelerator() or "cuda"``, is nothing to a Mac: it has one."""
    merged: Value | None = None
    for value in values:
        if not isinstance(value, (Flag, Const)):
            merged = value if merged is None else run.devices.merge(merged, value, flag)
    first = node.values[0]
    if values[0] in (UNKNOWN, OUTSIDE_DEVICE) and isinstance(first, ast.Call) and tables.DEVICE_FUNCTION.search(last_name(first.func)):
        run.devices.excuse(merged)
    return merged or UNKNOWN


# --- comparisons -----------------------------------------------------------------------------------------------------

_SAME = (ast.Eq, ast.Is, ast.In)
_OTHER = (ast.NotEq, ast.IsNot, ast.NotIn)
_MIRRORED = {ast.Lt: ast.Gt(), ast.LtE: ast.GtE(), ast.Gt: ast.Lt(), ast.GtE: ast.LtE()}


def comparison(run: Interpreter, node: ast.Compare) -> Value:
    """A comparison with a device's text, a platform's name, a count of GPUs or a bool."""
    left = run.eval(node.left)
    rights = [run.eval(part) for part in node.comparators]
    _compared_as_made(run, [node.left, *node.comparators], [left, *rights])
    if len(rights) != 1:
        return UNKNOWN
    operator, right, left_node = node.ops[0], rights[0], node.left
    told = isinstance(left, (Device, Const)) and not isinstance(right, Items) and not _is_literal(right)
    if told or isinstance(right, Flag) and type(operator) in _MIRRORED:
        left, right, left_node = right, left, node.comparators[0]  # "cuda" == device.type, gpu < torch.cuda.device_count()
        operator = _MIRRORED.get(type(operator), operator)
    flag = _compared(run, left, left_node, right, operator)
    if flag is None or flag == NO_FLAG:
        return UNKNOWN
    return flag.opposite() if isinstance(operator, _OTHER) else flag


def _compared_as_made(run: Interpreter, nodes: list[ast.expr], values: list[Value]) -> None:
    """``x.device == torch.device("cuda")`` puts no device to use."""
    for node, value in zip(nodes, values):
        if isinstance(node, ast.Attribute) and node.attr in ("type", "index"):
            node = node.value
        if isinstance(node, ast.Call) and isinstance(value, Device):
            run.devices.compared.update(place.origin for place in value.places if place.origin is not None)
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set)) and isinstance(value, Items):
            _compared_as_made(run, node.elts, list(value.items))


def _is_literal(value: Value) -> bool:
    return isinstance(value, Const) or isinstance(value, Device) and "outside" not in value.kinds


def _compared(run: Interpreter, left: Value, left_node: ast.expr, right: Value, operator: ast.cmpop) -> Flag | None:
    if (named := kinds.compared(left, right, left_node)) is not None:
        return named
    if isinstance(right, Device):
        return _is_device(right, left_node, left) if isinstance(operator, (*_SAME, *_OTHER)) else None
    if isinstance(right, Items):
        return _among(right, left_node)
    if left == releases.VERSION:
        return releases.compared(run, right, operator, left_node)
    flag = _has_ordinal(left_node) if left == ORDINAL else flag_of(left, left_node)
    if isinstance(left, Name) and left.name in tables.PLATFORM_NAMES:
        return _platform(right, left_node)
    if not isinstance(right, Const):
        return _is_more(flag, operator)
    if right.value == "nccl":  # there only with CUDA, and for several
        several = Flag(frozenset({Fact("several", True, left_node)}), NOTHING, False)
        return _combine(_at_most(either("cuda", left_node)), several, True)
    if right.value is None or isinstance(right.value, bool):
        if right.value is None and isinstance(left, Device):
            return _is_left_out(left)
        if right.value is None and last_name(left_node).endswith("stream") and "cuda.Stream" in run.source.text:
            return either("cuda-device", left_node).opposite()  # a stream of CUDA's, or none
        holds = bool(right.value)
        same = isinstance(operator, (*_SAME, *_OTHER))
        return (flag if holds else flag.opposite()) if same and flag != NO_FLAG else None
    if isinstance(right.value, int) and flag != NO_FLAG:
        return _count(flag, operator, right.value)
    if (several := _several(left_node, operator, right.value)) is not None:
        return several
    return _platform(right, left_node) if _mentions_platform(left_node) else None


def _is_device(device: Device, asked: ast.expr, held: Value = UNKNOWN) -> Flag | None:
    """``x.device.type == "cuda"`` and its kin: what kind of device is at hand."""
    kinds = device.kinds
    if len(kinds) != 1 or not kinds <= {"cuda", "mps", "cpu"}:
        return None
    flag = either(f"{next(iter(kinds))}-device", asked)
    if not isinstance(held, Device) or "outside" in held.kinds or held.kinds & {"mps", "portable"}:
        return flag
    there = [place.guards for place in held.places if place.kind == "cuda"]  # cuda-or-cpu: not cpu is CUDA, and is there
    if kinds == {"cpu"} and there and all(contradicts(guards, AS_WRITTEN) for guards in there):
        return Flag(flag.when_true, flag.when_false | functools.reduce(common, there), flag.ported, True)
    return flag


def _among(items: Items, asked: ast.expr) -> Flag | None:
    """``device.type in ("cuda", "xpu")``: not in it means none of them."""
    kinds = {kind for item in items.items if isinstance(item, Device) for kind in item.kinds}
    if not kinds or any(not isinstance(item, (Device, Const)) for item in items.items):
        return None
    known = kinds & {"cuda", "mps", "cpu"}
    when_true = {Fact(f"{kind}-device", False, asked) for kind in {"mps", "cpu"} - kinds}
    if kinds == {"cuda"}:
        when_true = {Fact("cuda-device", True, asked)}
    return Flag(frozenset(when_true), frozenset(Fact(f"{kind}-device", False, asked) for kind in known),
                "mps" in kinds, False if kinds == {"cuda"} else None)


def _count(flag: Flag, operator: ast.cmpop, number: int) -> Flag | None:
    """``torch.cuda.device_count() > 1``: true only with CUDA; false says nothing unless it counts from one."""
    on_device = has(flag.when_true, "cuda-device")
    if has(flag.when_true, "option") or on_device:  # args.gpu >= 0, x.get_device() != -1: a number that stands for a GPU
        named = isinstance(operator, ast.Eq) and number > -on_device
        asks_for = named or isinstance(operator, (ast.Gt, ast.GtE, ast.NotEq))
        return flag.opposite() if isinstance(operator, ast.NotEq) else flag if asks_for else flag.opposite()
    if isinstance(operator, ast.Gt) and number >= 0 or isinstance(operator, ast.GtE) and number >= 1:
        return flag if number + isinstance(operator, ast.Gt) == 1 else _at_most(flag)
    if isinstance(operator, ast.Lt) and number >= 1 or isinstance(operator, ast.LtE) and number >= 0:
        return flag.opposite() if number + isinstance(operator, ast.LtE) == 1 else _at_most(flag).opposite()
    if isinstance(operator, (ast.Eq, ast.NotEq)):
        return flag.opposite() if number == 0 else _at_most(flag)
    return None


def _is_left_out(device: Device) -> Flag | None:
    """``gpu is None`` of ``torch.cuda.current_device() if torch.cuda.is_available() else None``: there is no CUDA."""
    there = [place.guards for place in device.places]
    if not all(contradicts(guards, AS_WRITTEN) for guards in there):
        return None
    return Flag(NOTHING, functools.reduce(common, there), False, True)


def _has_ordinal(node: ast.expr) -> Flag:
    """``x.get_device() >= 0``: x is not on the CPU. On MPS the index is 0 (the texts of torch
    2.13 name it "mps:0"), so that it holds there too, where code for CUDA does not belong."""
    cuda = either("cuda-device", node)
    return Flag(cuda.when_true, cuda.when_false | {Fact("cpu-device", True, node)}, True, cuda.written)


def _is_more(flag: Flag, operator: ast.cmpop) -> Flag | None:
    """``torch.cuda.device_count() > gpu``: a GPU that is asked for by its number is there."""
    if not isinstance(operator, (ast.Gt, ast.LtE)) or not has(flag.when_true, "cuda") or has(flag.when_true, "option"):
        return None
    asked = {Fact("option", True, fact.origin) for fact in flag.when_true}
    more = Flag(flag.when_true | asked, NOTHING, flag.ported, flag.written)
    return more if isinstance(operator, ast.Gt) else more.opposite()


def _at_most(flag: Flag) -> Flag:
    """A condition that is false wherever ``flag`` is, and may be false elsewhere: several GPUs are no choice of one."""
    past = {Fact("past", True, fact.origin) for fact in flag.when_true if fact.kind == "cuda"}
    return Flag(flag.when_true | past, NOTHING, flag.ported or None, None if flag.written else flag.written)


def _several(asked: ast.expr, operator: ast.cmpop, number: object) -> Flag | None:
    """``world_size > 1``, ``get_world_size() != 1``, ``local_rank == -1``: whether there is more than one process."""
    name = last_name(asked.func if isinstance(asked, ast.Call) else asked)
    alone = 1 if tables.WORLD_SIZE.search(name) else -1 if tables.RANK.search(name) else None
    if alone is None or type(number) is not int:
        return None
    flag = either("several", asked)
    if number == alone and isinstance(operator, (ast.Eq, ast.NotEq, ast.LtE)) or number == alone + 1 and isinstance(operator, ast.Lt):
        return flag.opposite()
    more = number == alone and isinstance(operator, ast.Gt) or number == alone + 1 and isinstance(operator, ast.GtE)
    return flag if more else None


def _mentions_platform(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("system", "machine")


def _platform(value: Value, asked: ast.expr) -> Flag | None:
    """``sys.platform == "darwin"``, ``platform.system() != "Linux"``, ``os.name == "nt"``."""
    if not isinstance(value, Const) or not isinstance(value.value, str):
        return None
    text = value.value.lower()
    if text in ("darwin", "arm64"):
        return Flag(frozenset({Fact("mac", True, asked)}), frozenset({Fact("mac", False, asked)} if text == "darwin" else ()), True, True)
    if text in ("linux", "linux2", "win32", "windows", "nt"):
        return Flag(frozenset({Fact("mac", False, asked)}), NOTHING, False, False)
    return None


def starts_with(value: Value, node: ast.Call, argument: Value) -> Value:
    """``device.startswith("cuda")``, ``sys.platform.startswith("linux")``."""
    if isinstance(argument, Device):
        return _is_device(argument, node) or UNKNOWN
    if isinstance(value, Name) and value.name in tables.PLATFORM_NAMES:
        return _platform(argument, node) or UNKNOWN
    return UNKNOWN

"""Calls of the file's own functions and classes: each is run once for the same arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from . import conditions, tables
from .classes import ClassInfo
from .frames import Env, Frame
from .guards import NOTHING, ONCE_PORTED, Fact, Guards, contradicts
from .names import last_name, names_device
from .values import (
    OUTSIDE, OUTSIDE_DEVICE, SOME, SOME_DEVICE, UNKNOWN, Array, Batch, Const, Device, Flag, Function, Instance, Items,
    Module, Moved, Registered, Standing, Table, Tensor, Value, join,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter

MAX_DEPTH = 8
MAX_VARIANTS = 4


def initialise(run: Interpreter, info: ClassInfo, args: list[Value], keywords: dict[str, Value]) -> None:
    """Runs ``__init__`` once, for what it leaves in ``self``; its first caller gives the arguments."""
    if info.initialised:
        return
    info.initialised = True
    for base in info.mro()[1:]:
        initialise(run, base, [], {})
        for key, value in base.attributes.items():
            info.attributes.setdefault(key, value)
    if "__init__" in info.methods:
        call_function(run, Function(info.methods["__init__"], info.around), args, keywords, info=info)


def call_function(
    run: Interpreter, function: Function, args: list[Value], keywords: dict[str, Value], info: ClassInfo | None = None,
    call: ast.Call | None = None,
) -> Value:
    """The result of a call of one of the file's functions; the same arguments run it once. ``call`` shows which of them
    are the caller's own inputs."""
    node = function.node
    if run.depth >= MAX_DEPTH or node in run.running:
        return UNKNOWN
    method = info is not None and not is_static(node)
    bound = parameters(run, node, args, keywords, 1 if method else 0)
    forward = run.frame.in_forward
    if info is not None and info.is_module and not args and not keywords:
        forward = node.name.lstrip("_").startswith(_FORWARD)
    if forward and not isinstance(node, ast.Lambda):
        _inputs(run, node, bound)
    elif not isinstance(node, ast.Lambda):
        _asked_for_device(run, node, bound)
    key = (tuple(bound.values()), run.guards)
    seen = run.variants.setdefault(node, {})
    store = {k: v for k, v in bound.items() if isinstance(v, Module)}
    key = (key, tuple(run.standing(module) for module in store.values()))
    if key in seen:
        return _replay(run, seen[key], bound)
    if len(seen) >= MAX_VARIANTS:
        return UNKNOWN
    if info is not None and node.name != "__init__":
        initialise(run, info, [], {})
    inputs = _handed_on(run, node, call, 1 if method else 0) if call is not None and run.frame.inputs else set()
    seen[key] = bound, _run_function(run, function, bound, info if method else None, store, forward, inputs)
    return _replay(run, seen[key], bound)


def _replay(run: Interpreter, seen: tuple[Env, tuple[Value, Env, Guards]], bound: Env) -> Value:
    """Hands a result over, where its modules and those of the arguments stand, and what holds after the call."""
    before, (result, store, assured) = seen
    run.env.update(store)
    run.guards = run.guards | assured
    return result if before is bound else _retold(result, before, bound)


def _retold(result: Value, before: Env, bound: Env) -> Value:
    """A result of other arguments that were alike, with the story of these."""
    trails = [(getattr(before.get(name), "trail", ()), getattr(value, "trail", ())) for name, value in bound.items()]
    steps = {old: new for told, now in trails if told != now and len(told) == len(now) for old, new in zip(told, now)}

    def retell(value: Value) -> Value:
        if isinstance(value, (Array, Moved, Tensor)):
            return replace(value, trail=tuple(steps.get(step, step) for step in value.trail))
        if isinstance(value, Batch):
            return Batch(retell(value.each))
        return Items(tuple(map(retell, value.items))) if isinstance(value, Items) else value

    return retell(result) if steps else result


def _run_function(
    run: Interpreter, function: Function, bound: Env, info: ClassInfo | None, moved: dict, in_forward: bool, inputs: set[str]
) -> tuple[Value, Env, Guards]:
    node = function.node
    env: Env = dict(bound)
    for module in moved.values():
        env[module.site] = run.standing(module)
    outer = (run.globals,) if function.around is None else (function.around, run.globals)
    frame = Frame(outer, info, getattr(node, "name", ""))
    frame.in_forward = in_forward
    if info is not None and node.args.args:
        frame.receiver = node.args.args[0].arg
        env[frame.receiver] = Instance(info)
        for base in info.mro():
            env.update(base.store)
        env.update(_state(run, info, frame.receiver))
    before = dict(env)
    if run.rooted and run.depth == 0:
        inputs = set(bound)
    frame.inputs = {name for name in inputs if bound[name] is UNKNOWN or bound[name] in (_INPUT, _PLACED)}
    run.ran.add(node)
    kept = run.env, run.frame, run.guards, run.arms
    run.env, run.frame, run.arms = env, frame, 0
    run.guards = run.for_others(run.guards) | (info.behind if info is not None else NOTHING)
    run.running.add(node)
    run.depth += 1
    if isinstance(node, ast.Lambda):
        frame.returns.append((run.eval(node.body), run.guards))
    elif run.block(node.body):
        frame.returns.append((Const(None), run.last_guards))
    run.depth -= 1
    run.running.discard(node)
    env = run.env
    if info is not None and node.name == "__init__":
        _keep_attributes(run, info, env)
    run.env, run.frame, run.guards, run.arms = kept
    result = _result(run, node, frame.returns)
    sites = {key for key, value in env.items() if isinstance(value, Standing) and value is not before.get(key)}
    kept = _state_of(env, frame.receiver) if run.frame.info is info and frame.receiver == run.frame.receiver else {}
    assured = frozenset.intersection(*(guards for _, guards in frame.returns)) if frame.returns else NOTHING
    behind = frozenset(fact for fact in assured if fact.kind == "behind")
    if info is not None and node.name == "__init__":
        info.behind = behind
    after = run.for_others(assured - run.guards) - behind
    return result, {**kept, **{site: env[site] for site in sites}}, after


def _state(run: Interpreter, info: ClassInfo, receiver: str) -> Env:
    """What a method finds in ``self`` when another of its class calls it: what that one has left there."""
    return _state_of(run.env, receiver) if run.frame.info is info and run.frame.receiver == receiver else {}


def _state_of(env: Env, receiver: str | None) -> Env:
    prefix = f"{receiver}."
    return {k: v for k, v in env.items() if isinstance(v, Standing) or isinstance(k, str) and k.startswith(prefix)}


def _keep_attributes(run: Interpreter, info: ClassInfo, env: Env) -> None:
    prefix = (run.frame.receiver or "self") + "."
    for key, value in env.items():
        if isinstance(key, str):
            if key.startswith(prefix):
                moves_along = isinstance(value, Registered) and info.is_module
                info.attributes[key[len(prefix):]] = Tensor(OUTSIDE, value.dtype, True) if moves_along else value
        elif info.may_be_module:
            info.store[key] = Standing(OUTSIDE if info.is_module else None)  # where its user has put it
        else:
            info.store[key] = value


def _result(run: Interpreter, node: ast.AST, returns: list[tuple[Value, Guards]]) -> Value:
    """What a function gives: of tensors and modules what it gives once ported, of devices all it can give."""
    name = getattr(node, "name", "")
    if tables.DEVICE_FUNCTION.search(name):
        for value, _ in returns:
            run.devices.used(run, value, node, "named")
    elif any(isinstance(value, Device) for value, _ in returns):
        run.devices.chosen(run, run.devices.merge_all(returns), node)
    if (flag := conditions.returned_flag(returns, run.guards)) is not None:
        return flag
    live = [(v, g) for v, g in returns if not contradicts(g, ONCE_PORTED)] or returns
    if any(isinstance(value, Device) for value, _ in returns):
        return run.devices.merge_all(returns)
    if len(live) > 1 and isinstance(live[-1][0], Const) and live[-1][0].value is None:
        live = live[:-1]
    result: Value | None = None
    for value, _ in live:
        result = join(result, value)
    return result or Const(None)


def _handed_on(run: Interpreter, node: ast.FunctionDef | ast.Lambda, call: ast.Call, skip: int) -> set[str]:
    """The parameters that a call gives inputs of its own function."""
    names = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)[skip:]]
    given = [*zip(names, call.args), *((keyword.arg, keyword.value) for keyword in call.keywords)]
    own = {name for name, value in given if isinstance(value, ast.Name) and value.id in run.frame.inputs}
    return own.intersection((*names, *(parameter.arg for parameter in node.args.kwonlyargs)))


# --- parameters and results ------------------------------------------------------------------------------------------


def is_static(node: ast.AST) -> bool:
    """True for a function in a class that takes no self."""
    return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in getattr(node, "decorator_list", ()))


def parameters(
    run: Interpreter, node: ast.FunctionDef | ast.Lambda, args: list[Value], keywords: dict[str, Value], skip: int
) -> dict[str, Value]:
    """The values of a function's parameters: what the call gives, or what the signature says of them."""
    signature = node.args
    names = [*signature.posonlyargs, *signature.args][skip:]
    bound: dict[str, Value] = {}
    defaults = dict(zip([a.arg for a in names][::-1], signature.defaults[::-1]))
    defaults.update({a.arg: d for a, d in zip(signature.kwonlyargs, signature.kw_defaults) if d is not None})
    for index, parameter in enumerate([*names, *signature.kwonlyargs]):
        name = parameter.arg
        if name in keywords:
            bound[name] = keywords[name]
        elif index < len(args) and index < len(names):
            bound[name] = args[index]
        else:
            bound[name] = _unfilled(run, parameter, defaults.get(name), bool(args or keywords))
    if signature.vararg is not None:
        bound[signature.vararg.arg] = Items(tuple(args[len(names):])) if len(args) > len(names) else UNKNOWN
    if signature.kwarg is not None:
        bound[signature.kwarg.arg] = UNKNOWN
    return bound


_INPUT = Tensor(OUTSIDE, None, True)
_PLACED = Tensor(SOME, None, True)
_FORWARD = ("forward", "encode", "decode", "call")
_TENSOR_USE = re.compile(r"\b(\w+)\.(?:shape|size\(|device|dim\(|ndim|view\(|reshape\(|permute\(|transpose\(|unsqueeze\(|flatten\(|type_as\(|is_cuda)")
_DEVICE_OF = re.compile(r"\b(\w+)\.device\b")
_SHAPE_OF = re.compile(r"\b(\w+)\.(?:shape|size\(|dim\(|ndim|view\(|reshape\(|permute\(|transpose\(|unsqueeze\(|flatten\()")  # models have none
# Made an array as it comes, it was never on a GPU, CUDA's or another.
_ARRAY_USE = re.compile(r"\b(\w+)\.(?:detach\(\)\.)?numpy\(")
_REBOUND = r"(?m)^\s*{} = .*\n"  # on a line before


def _inputs(run: Interpreter, node: ast.FunctionDef, bound: dict[str, Value]) -> None:
    """The tensors that a module is given stand where it stands: that may be MPS. Known by what is done with them."""
    text = "\n".join(run.source.lines[node.lineno - 1 : node.end_lineno])
    tensors = set(_TENSOR_USE.findall(text)) | {name for name, value in bound.items() if value == Tensor()}
    arrays = {use[1] for use in _ARRAY_USE.finditer(text) if not re.search(_REBOUND.format(use[1]), text[: use.start()])}
    for name, value in bound.items():
        if (value is UNKNOWN or value == Tensor()) and name in tensors - arrays:
            bound[name] = _INPUT


def _asked_for_device(run: Interpreter, node: ast.FunctionDef, bound: dict[str, Value]) -> None:
    """Tensors whose ``x.device`` a function reads: nobody does that of what only ever stands on the CPU."""
    unknown = [name for name, value in bound.items() if value is UNKNOWN or value == Tensor()]
    lines = run.source.lines[node.lineno - 1 : node.end_lineno] if unknown else ()
    asked = {name for line in lines if ".device" in line for name in _DEVICE_OF.findall(line)}
    for name in asked.intersection(unknown):
        if bound[name] is not UNKNOWN or any(name in _SHAPE_OF.findall(line) for line in lines):
            bound[name] = _PLACED


def _unfilled(run: Interpreter, parameter: ast.arg, default: ast.expr | None, called: bool) -> Value:
    """A parameter that no call here fills: a device from outside, a device by default, or unknown."""
    value = run.values.get(("default", parameter)) if default is not None else None  # type: ignore[call-overload]
    if isinstance(value, Flag) or called and value is not None:
        return value
    if isinstance(value, Device):
        return Device(value.places | OUTSIDE_DEVICE.places)
    if names_device(parameter.arg):
        return SOME_DEVICE if run.source.is_private else OUTSIDE_DEVICE  # its package knows which devices it hands on
    annotation = parameter.annotation
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    if name == "Tensor":
        return Tensor()
    return OUTSIDE_DEVICE if name == "device" else UNKNOWN


def defaults(run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Evaluates the default arguments of a definition. A CUDA default harms only callers who leave it be."""
    signature = node.args
    if not signature.defaults and not signature.kw_defaults:
        return
    names = [*signature.posonlyargs, *signature.args]
    pairs = [
        *zip(names[len(names) - len(signature.defaults):], signature.defaults),
        *((a, d) for a, d in zip(signature.kwonlyargs, signature.kw_defaults) if d is not None),
    ]
    guards = run.guards
    for parameter, default in pairs:
        if type(default) is ast.Constant and type(default.value) is not str:
            run.values[("default", parameter)] = Const(default.value)  # type: ignore[index]
            continue
        run.guards = guards | {Fact("default", True, default)}
        value = run.eval(default)
        run.values[("default", parameter)] = value  # type: ignore[index]
        if isinstance(value, Device) and _is_put_to_use(node, parameter.arg) and not _is_called_here(run, node):
            run.devices.named(run, parameter.arg, value)
            run.run_with_defaults.add(node)
    run.guards = guards


def _is_called_here(run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a private function that its file calls: whether a default is left be is seen there."""
    is_private = node.name.startswith("_") and not node.name.startswith("__")
    return is_private and len(re.findall(rf"\b{node.name}\(", run.source.text)) > 1


def _is_put_to_use(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """False for a parameter that its function only compares, prints, or asks torch about."""
    todo: list[ast.AST] = [*node.body]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Name):
            if part.id == name and isinstance(part.ctx, ast.Load):
                return True
        elif isinstance(part, (ast.Compare, ast.JoinedStr)):
            continue
        elif not isinstance(part, ast.Call) or not tables.LEAVES_DEVICES.match(last_name(part.func)):
            todo.extend(ast.iter_child_nodes(part))
    return False


def modules_in(value: Value) -> Iterator[Module]:
    """The modules that a result holds."""
    if isinstance(value, Module):
        yield value
    elif isinstance(value, (Items, Table)):
        for item in value.items if isinstance(value, Items) else value.items.values():
            yield from modules_in(item)

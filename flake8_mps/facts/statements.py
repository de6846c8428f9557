"""What statements do: branches and loops, assignments, imports, definitions."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..shapes import FUNCTIONS
from . import arithmetic, conditions, endings, functions, lookups, methods, packages, releases, tables
from .classes import ClassInfo, describe
from .conditions import NO_FLAG
from .frames import Env, Frame
from .guards import NOTHING, Fact, Guards, common
from .values import UNKNOWN, Batch, Class, Const, Flag, Function, Items, Many, Name, Table, Tensor, Value

if TYPE_CHECKING:
    from .interpreter import Interpreter


def _if(run: Interpreter, node: ast.If) -> bool:
    flag = conditions.condition(run, node.test)
    opposite = flag.opposite()
    mark = run.devices.mark()
    guards = _going_on(run, node.test, flag, node.orelse)
    left_ends, left = run.branch(node.body, run.env.copy(), guards)
    left_arm = mark.until(run.devices)
    otherwise = _going_on(run, node.test, opposite, node.body)
    mark = run.devices.mark()
    right_ends, right = run.branch(node.orelse, run.env.copy(), otherwise)
    right_arm = mark.until(run.devices)
    asked = bool(flag.when_true or flag.when_false)
    left_arm.excuse_if(right_arm, run.devices, asked)
    right_arm.excuse_if(left_arm, run.devices, asked)
    if not left_ends and not right_ends:
        return False
    if left_ends and right_ends:
        run.enter(run.merge(flag, left, right, right_arm.portable))
        run.env.update(conditions.filled_in(run, node.test, left, right))
    else:
        env, run.guards, stays = (left, guards, flag) if left_ends else (right, otherwise, opposite)
        run.narrow(env, stays)
        run.enter(env)
    return True


def _going_on(run: Interpreter, test: ast.expr, flag: Flag, other: list[ast.stmt]) -> Guards:
    """What holds in the arm for ``flag``, given what the other arm does: it may end the program, or skip a test."""
    held = conditions.holding(run.guards, flag, test)
    if not other:
        return held
    if endings.gives_up(run, other[-1]):
        return run.guards | run.refuses(test, flag)
    if flag.written is False and endings.skips(run, other[-1]):
        return held | {Fact("past", True, test)}
    return held


def _assert(run: Interpreter, node: ast.Assert) -> bool:
    flag = conditions.condition(run, node.test)
    run.guards = run.guards | run.refuses(node.test, flag)
    return True


def _loop(run: Interpreter, body: list[ast.stmt], bind: Callable[[], None], orelse: list[ast.stmt]) -> bool:
    exits, run.frame.exits = run.frame.exits, []
    for _ in range(2):
        before = run.env
        bind()
        ends, after = run.branch(body, run.env.copy(), run.guards)
        for env, guards in [*([(after, run.guards)] if ends else []), *run.frame.exits]:
            run.enter(run.merge(conditions.come_by(guards - run.guards), env, run.env, False))
        run.frame.exits = []
        if all(before.get(key, _first(key, value)) == value for key, value in run.env.items()):
            break
    run.frame.exits = exits
    return run.block(orelse)


def _first(key: Any, value: Value) -> Value | None:
    """What a round stands for that binds a name first: the next one binds it again before it is read."""
    return value if type(key) is str and "." not in key else None


def _for(run: Interpreter, node: ast.For | ast.AsyncFor) -> bool:
    values = run.eval(node.iter)
    if isinstance(values, Items) and len(values.items) <= 8 and any(functions.modules_in(values)):
        return _each(run, node, values)
    element = lookups.element(run, values)
    guards = run.guards
    if isinstance(values, Flag):  # for i in range(torch.cuda.device_count())
        run.guards = conditions.holding(guards, values, node.iter) | {Fact("past", True, node.iter)}
    goes_on = _loop(run, node.body, lambda: run.bind(node.target, element), node.orelse)
    run.guards = guards
    return goes_on


def _each(run: Interpreter, node: ast.For | ast.AsyncFor, values: Items) -> bool:
    """A loop over a few modules, one after the other: ``for net in (G, D): net.to(device)``."""
    for item in values.items:
        run.bind(node.target, item)
        if not run.block(node.body):
            return False
    return run.block(node.orelse)


def _while(run: Interpreter, node: ast.While) -> bool:
    flag = conditions.condition(run, node.test)
    guards = run.guards
    run.guards = conditions.holding(guards, flag, node.test)
    goes_on = _loop(run, node.body, lambda: None, node.orelse)
    run.guards = guards
    return goes_on


def _leave_loop(run: Interpreter, node: ast.stmt) -> bool:
    run.frame.exits.append((run.env.copy(), run.guards))
    return False


def _try(run: Interpreter, node: ast.Try) -> bool:
    base = run.env.copy()
    guards = run.guards.union(*(endings.caught_by(run, handler) for handler in node.handlers))
    mark = run.devices.mark()
    ends, after = run.branch(node.body, run.env.copy(), guards)
    body_arm = mark.until(run.devices)
    done = conditions.come_by(run.last_guards - guards)  # the body, to its end
    if ends and node.orelse:
        ends, after = run.branch(node.orelse, after, run.guards | done.when_true)
    ways = [run.last_guards - (guards - run.guards)] if ends else []
    arms = []
    for handler in node.handlers:
        _handled(run, handler)
        env = run.merge(done, after, base, False) if ends else base.copy()
        if handler.name:
            env[handler.name] = UNKNOWN
        mark = run.devices.mark()
        handler_ends, env = run.branch(handler.body, env, run.guards)
        body_arm.excuse_if(mark.until(run.devices), run.devices)
        if handler_ends:
            arms.append(env)
            ways.append(run.last_guards)
    run.guards = run.guards | functools.reduce(common, ways) if ways else run.guards
    if ends:
        run.enter(after)
        for env in arms:
            run.enter(_after_try(run, done, run.env, env, base))
    elif arms:
        run.enter(arms[0])
    rest = run.block(node.finalbody)
    return rest and (ends or bool(arms))


def _handled(run: Interpreter, handler: ast.ExceptHandler) -> None:
    """Notes the handlers that wait for an error of CUDA's memory."""
    for node in handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]:
        if node is not None and run.eval(node) == Name("torch.OutOfMemoryError"):
            run.reach(node)
            run.note("memory-handler", node)


def _after_try(run: Interpreter, done: Flag, after: Env, handled: Env, base: Env) -> Env:
    """What the body imported stays imported; the rest is joined, by whether the body was ``done``."""
    joined = run.merge(done, after, handled, False)
    for key, value in after.items():
        if isinstance(value, Name) and base.get(key) is not value:
            joined[key] = value
    return joined


def _with(run: Interpreter, node: ast.With | ast.AsyncWith) -> bool:
    guards = run.guards
    for item in node.items:
        value = run.eval(item.context_expr)
        run.guards = run.guards | endings.swallows(run, item.context_expr)
        if item.optional_vars is not None:
            run.bind(item.optional_vars, value)
    ends = run.block(node.body)
    run.guards = guards
    return ends


def _matched(run: Interpreter, subject: ast.expr, pattern: ast.pattern) -> Guards:
    """What holds under ``case "cuda":``."""
    if not isinstance(pattern, ast.MatchValue):
        return NOTHING
    compared = ast.Compare(subject, [ast.Eq()], [pattern.value])
    return conditions.condition(run, compared).when_true


def _match(run: Interpreter, node: ast.Match) -> bool:
    run.eval(node.subject)
    base, envs, arms = run.env, [run.env.copy()], []
    for case in node.cases:
        mark = run.devices.mark()
        ends, env = run.branch(case.body, base.copy(), run.guards | _matched(run, node.subject, case.pattern))
        arms.append(mark.until(run.devices))
        if ends:
            envs.append(env)
    for arm in arms:
        for other in arms:
            arm.excuse_if(other, run.devices)
    for env in envs:
        run.enter(run.merge(NO_FLAG, env, run.env, False))
    return True


# --- simple statements -------------------------------------------------------------------------------------------


def _assign(run: Interpreter, node: ast.Assign) -> bool:
    value = run.eval(node.value)
    for target in node.targets:
        run.bind(target, value)
        if isinstance(target, ast.Name) and target.id == "pytestmark":  # a mark of every test below
            marks = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            run.guards = run.guards | endings.decorator_guards(run, marks)
    return True


def _annotated(run: Interpreter, node: ast.AnnAssign) -> bool:
    if node.value is not None:
        guards = run.guards
        if run.frame.has_fields:
            run.guards = guards | {Fact("default", True, node.value)}
        run.bind(node.target, run.eval(node.value))
        run.guards = guards
    return True


def _augmented(run: Interpreter, node: ast.AugAssign) -> bool:
    held, given = run.eval(node.target), run.eval(node.value)
    arithmetic.in_place(run, node, held, given)
    value = arithmetic.operate(run, node, node.op, held, given)
    run.bind(node.target, value)
    return True


def _expression(run: Interpreter, node: ast.Expr) -> bool:
    value = node.value
    if isinstance(value, ast.Constant):
        return True
    result = run.eval(value)
    if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or) and len(value.values) == 2:
        if endings.gives_up(run, ast.Expr(value.values[1])):  # torch.cuda.is_available() or sys.exit()
            run.guards = run.guards | run.refuses(value.values[0], conditions.condition(run, value.values[0]))
    if isinstance(value, ast.Call):
        methods.dropped(run, value, result)
        if isinstance(result, Tensor):
            run.devices.probed(value)
        _may_change(run, value)
        return not endings.never_returns(run, value)
    return True


def _may_change(run: Interpreter, call: ast.Call) -> None:
    """What a call is given and nothing kept of: ``move_all(batch, device)`` changes dicts and lists in place."""
    for argument in call.args:
        if isinstance(argument, ast.Name) and isinstance(run.env.get(argument.id), (Batch, Table, Many)):
            run.env[argument.id] = UNKNOWN


def _return(run: Interpreter, node: ast.Return) -> bool:
    value = run.eval(node.value) if node.value is not None else Const(None)
    run.frame.returns.append((value, run.guards))
    return False


def _raise(run: Interpreter, node: ast.Raise) -> bool:
    for part in (node.exc, node.cause):
        if part is not None:
            run.eval(part)
    return False


def _delete(run: Interpreter, node: ast.Delete) -> bool:
    for target in node.targets:
        if isinstance(target, ast.Name):
            run.env[target.id] = UNKNOWN
    return True


def _global(run: Interpreter, node: ast.Global) -> bool:
    run.frame.globals.update(node.names)
    return True


def _nonlocal(run: Interpreter, node: ast.Nonlocal) -> bool:
    run.frame.nonlocals.update(node.names)
    return True


def _import(run: Interpreter, node: ast.Import) -> bool:
    run.reach(node, {"behind"})
    for alias in node.names:
        run.modules.add(alias.name.partition(".")[0])
        if alias.asname:
            run.env[alias.asname] = Name(tables.SAME_AS.get(alias.name, alias.name))
        else:
            top = alias.name.partition(".")[0]
            run.env[top] = Name(top)
        packages.imported(run, node, alias.name)
    return True


def _import_from(run: Interpreter, node: ast.ImportFrom) -> bool:
    run.reach(node, {"behind"})
    module = "." * node.level + (node.module or "")
    if run.project is not None and node.level:
        module = run.project.absolute(node.level, node.module or "")
    if not node.level:
        run.modules.add(module.partition(".")[0])
    for alias in node.names:
        if alias.name == "*":
            run.stars.append(module)
            continue
        name = f"{module}.{alias.name}"
        run.env[alias.asname or alias.name] = releases.named(run, alias.name, node) or Name(tables.SAME_AS.get(name, name))
    packages.imported(run, node, module)
    return True


# --- functions and classes ---------------------------------------------------------------------------------------


def _def(run: Interpreter, node: ast.FunctionDef | ast.AsyncFunctionDef, info: ClassInfo | None = None) -> bool:
    guards = run.guards | endings.decorator_guards(run, node.decorator_list)
    functions.defaults(run, node)
    function = Function(node, run.around() if info is None else info.around)
    run.env[node.name] = run.declared(node.name) or function
    run.pending.append((function, guards, info))
    return True


def _has_fields(node: ast.ClassDef) -> bool:
    """True for a dataclass and its kin, whose annotated names are parameters with defaults."""
    names = [n.func if isinstance(n, ast.Call) else n for n in (*node.decorator_list, *node.bases)]
    texts = {n.attr if isinstance(n, ast.Attribute) else getattr(n, "id", "") for n in names}
    return bool(texts & {"dataclass", "define", "frozen", "attrs", "NamedTuple", "BaseModel", "BaseSettings"})


def _class(run: Interpreter, node: ast.ClassDef) -> bool:
    guards = run.guards
    run.guards = guards | endings.decorator_guards(run, node.decorator_list)
    info = describe(run, node, tuple(run.eval(base) for base in node.bases))
    kept = run.env, run.frame
    run.env, run.frame = {}, Frame((run.env, *run.frame.outer), run.frame.info)
    run.frame.has_fields = _has_fields(node)
    for statement in node.body:
        if isinstance(statement, FUNCTIONS):
            _def(run, statement, info)
        else:
            run.block([statement])
    info.attributes.update((name, value) for name, value in run.env.items() if name not in info.methods)
    (run.env, run.frame), run.guards = kept, guards
    run.env[node.name] = Class(info)
    return True


EXECUTE: dict[type, Callable[[Interpreter, ast.stmt], bool]] = {
    ast.If: _if,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Break: _leave_loop,
    ast.Continue: _leave_loop,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.FunctionDef: _def,
    ast.AsyncFunctionDef: _def,
    ast.ClassDef: _class,
}

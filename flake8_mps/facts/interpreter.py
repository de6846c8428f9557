"""Follows values through one file: statements, scopes, and calls of the file's own functions.

Module code runs first, then each function that holds something to decide, unless a call from the file has run it
already. Branches are run apart and joined; what a condition says of the machine is kept as guards. Values are those
of code *once ported*; guards and device literals keep what the code says *as written*, so one run serves both worlds.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from ..shapes import FUNCTIONS
from ..source import Source
from . import arithmetic, calls, conditions, expressions, lookups, methods, tables
from .classes import ClassInfo, describe
from .conditions import NO_FLAG
from .devices import Arm, DeviceLog
from .events import Event
from .names import dotted
from .guards import AS_WRITTEN, NOTHING, ONCE_PORTED, Fact, Guards, contradicts, has
from .values import (
    CPU, UNKNOWN, Batch, Class, Const, Device, Flag, Function, Instance, Items, Many, Module, Name, Standing,
    Table, Tensor, Value, join,
)

Env = dict  # names, dotted names such as "self.device", and the places that made modules, to values

MAX_DEPTH = 8
MAX_VARIANTS = 4


class Frame:
    """What one running function has gathered: its results, and the scopes around it."""

    def __init__(self, outer: tuple[Env, ...] = (), info: ClassInfo | None = None, name: str = "") -> None:
        self.outer = outer
        self.receiver: str | None = None  # the name of self
        self.name = name
        self.info = info
        self.returns: list[tuple[Value, Guards]] = []
        self.exits: list[Env] = []  # environments at break and continue
        self.globals: set[str] = set()


class Interpreter:
    """One run over one file. ``worth_running`` says whether a function's text holds anything to follow."""

    def __init__(self, source: Source, worth_running: Callable[[ast.AST], bool]) -> None:
        self.source = source
        self.worth_running = worth_running
        self.values: dict[ast.AST, Value] = {}
        self.guards_at: dict[ast.AST, Guards] = {}
        self.events: dict[tuple, Event] = {}
        self.devices = DeviceLog()
        self.options: dict[str, Value] = {}
        self.attributes: dict[str, Value] = {}
        self.literal_guards: dict[ast.AST, Guards] = {}  # where a CUDA literal is written
        self.receivers: dict[ast.AST, Value] = {}  # what a move or a cast was called on
        self.modules: set[str] = set()  # top-level packages imported
        self.stars: list[str] = []
        self.globals: Env = {}
        self.env: Env = self.globals
        self.guards: Guards = NOTHING
        self.frame = self.module_frame = Frame()
        self.depth = 0
        self.arms = 0  # how many branches and loops of the running function are open
        self.last_guards: Guards = NOTHING  # what held where the last block ended
        self.running: set[ast.AST] = set()
        self.variants: dict[ast.AST, dict] = {}
        self.pending: list[tuple[Function, Guards, ClassInfo | None]] = []
        self.ran: set[ast.AST] = set()
        self.noted: set[ast.AST] = set()  # refusals that are findings

    # --- the whole file ----------------------------------------------------------------------------------------------

    def run(self, wanted: Callable[[ast.AST], bool]) -> None:
        """Runs module code, then every function that is ``wanted`` and that no call has run."""
        self.block(self.source.tree.body)
        while self.pending:
            function, guards, info = self.pending.pop(0)
            if function.node not in self.ran and wanted(function.node):
                self.guards = guards
                self.call_function(function, [], {}, info=info)
                self.guards = NOTHING
        self.devices.decide(self)

    @property
    def is_torch(self) -> bool:
        """False for a file whose ``.cuda()`` is another framework's."""
        return "torch" in self.modules or not self.modules & tables.NOT_TORCH

    def hands_on(self, how: str) -> bool:
        """False for a device given to calls in a file that imports nothing that knows of torch, and for one of another
        framework's: its "cuda" is somebody else's."""
        if self.modules & tables.TORCH_FAMILY:
            return True
        return not self.modules & tables.NOT_TORCH and (how != "argument" or not self.modules)

    @property
    def default_place(self) -> str | None:
        """Where tensors are made without ``device=``; not known where the file sets a default."""
        return None if "set_default_" in self.source.text or "with torch.device" in self.source.text else CPU

    def note(self, kind: str, node: ast.AST, how: str = "", trail: tuple = (), detail: str = "") -> None:
        """Records an event once, with the guards that hold here."""
        key = (kind, node, how)
        if key not in self.events:
            self.events[key] = Event(kind, node, how, self.guards, trail, detail)

    def eval(self, node: ast.expr) -> Value:
        return expressions.EVALUATE.get(type(node), expressions.children)(self, node)

    # --- names -------------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> Value:
        value = self.env.get(name)
        if value is None:
            for scope in self.frame.outer:
                value = scope.get(name)
                if value is not None:
                    return value
            return lookups.unbound(self, name)
        return value

    def around(self) -> Env | None:
        """The variables that a function defined here closes over; None for those of the module, whatever they become."""
        return None if self.frame is self.module_frame else self.env

    def standing(self, module: Module) -> Standing:
        value = self.env.get(module.site)
        if value is None:
            value = next((scope[module.site] for scope in self.frame.outer if module.site in scope), None)
        return value if isinstance(value, Standing) else Standing()

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assigns to a name, an attribute, a subscript or a pattern of these."""
        kind = type(target)
        if kind is ast.Name:
            scope = self.globals if target.id in self.frame.globals else self.env
            scope[target.id] = self.devices.by_name(target.id, value)
            how = "named" if scope is self.globals else "local"
            self.devices.named(self, target.id, value, how=how)
        elif kind is ast.Attribute:
            self._bind_attribute(target, value)
        elif kind in (ast.Tuple, ast.List):
            for part, item in zip(target.elts, lookups.unpack(value, len(target.elts))):
                self.bind(part, item)
        elif kind is ast.Starred:
            self.bind(target.value, UNKNOWN)
        elif kind is ast.Subscript:
            self._bind_item(target, value)

    def _bind_attribute(self, target: ast.Attribute, value: Value) -> None:
        self.eval(target.value)
        path = dotted(target)
        if path:
            self.env[path] = value = self.devices.by_name(target.attr, value)
            if path.partition(".")[0] != self.frame.receiver:
                self.attributes[path] = join(self.attributes.get(path), value)
        self.devices.named(self, target.attr, value)

    def _bind_item(self, target: ast.Subscript, value: Value) -> None:
        self.eval(target.slice)
        held = self.eval(target.value)
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        if isinstance(key, str):
            self.devices.named(self, key, value)
        name = target.value.id if isinstance(target.value, ast.Name) else None
        if name is None:
            return
        if isinstance(held, Table) and key is not None:
            self.env[name] = Table({**held.items, key: value})
        elif isinstance(held, Batch) and isinstance(value, Tensor):
            self.env[name] = Batch(value)
        elif not isinstance(held, Tensor):
            self.env[name] = UNKNOWN

    # --- blocks and branches -----------------------------------------------------------------------------------------

    def block(self, statements: Iterable[ast.stmt]) -> bool:
        """Runs statements in turn; False when the end is not reached."""
        guards, ends = self.guards, True
        arms: list[Arm] = []  # if cuda: return x.cuda() / if mps: return x.to("mps") are two arms of one choice
        for statement in statements:
            run = _EXECUTE.get(type(statement))
            if run is None:
                continue
            before, mark = self.guards, self.devices.mark()
            ends = run(self, statement)
            if not ends:
                break
            if isinstance(statement, ast.If) and self.guards is not before:
                arms.append(mark.until(self.devices))
        for arm in arms:
            arm.excuse_since(self.devices)
        self.last_guards, self.guards = self.guards, guards
        return ends

    def enter(self, env: Env) -> None:
        """Goes on in this environment; for module code it is the globals of every function."""
        self.env = env
        if self.frame is self.module_frame:
            self.globals = env

    def branch(self, statements: Iterable[ast.stmt], env: Env, guards: Guards) -> tuple[bool, Env]:
        """Runs statements in an environment of their own."""
        kept_env, kept_guards = self.env, self.guards
        self.enter(env)
        self.guards = guards
        self.arms += 1
        ends = self.block(statements)
        self.arms -= 1
        env = self.env
        self.enter(kept_env)
        self.guards = kept_guards
        return ends, env

    def choose(self, flag: Flag, left: Value | None, right: Value | None, mps_on_right: bool = False) -> Value:
        """The value after a choice: ported, the arm that the condition takes; of devices, both."""
        if left is right and left is not None:
            return left
        if isinstance(left, Device) or isinstance(right, Device):
            return self.devices.merge(left, right, flag)
        if isinstance(left, Items) and isinstance(right, Items) and len(left.items) != len(right.items):
            return UNKNOWN
        if isinstance(left, Items) or isinstance(right, Items):
            size = len((left if isinstance(left, Items) else right).items)
            pairs = zip(lookups.unpack(left, size), lookups.unpack(right, size)) if left and right else ()
            if pairs:
                return Items(tuple(self.choose(flag, one, other, mps_on_right) for one, other in pairs))
        taken = self.truth(flag, mps_on_right)
        if taken is None:
            return join(left, right)
        first, second = (left, right) if taken else (right, left)
        return first if first is not None else second or UNKNOWN

    def truth(self, flag: Flag, mps_on_right: bool = False) -> bool | None:
        """Whether a condition holds once ported, when that is known."""
        if flag.ported and mps_on_right and has(flag.when_true, "cuda"):
            return False  # if cuda: ... elif mps: ... is ported already
        return flag.ported

    def merge(self, flag: Flag, left: Env, right: Env, mps_on_right: bool) -> Env:
        merged = {}
        for key in [*left, *(key for key in right if key not in left)]:
            one, other = left.get(key), right.get(key)
            merged[key] = one if one is other else self.choose(flag, one, other, mps_on_right)
        return merged

    def _if(self, node: ast.If) -> bool:
        flag = conditions.condition(self, node.test)
        base, mark = self.guards, self.devices.mark()
        left_ends, left = self.branch(node.body, self.env.copy(), conditions.holding(base, flag, node.test))
        left_arm = mark.until(self.devices)
        mark = self.devices.mark()
        opposite = flag.opposite()
        otherwise = conditions.holding(base, opposite, node.test)
        given_up = not left_ends and conditions.gives_up(self, node.body[-1])
        if given_up:
            otherwise = otherwise | self.refuses(node.test, opposite)
        right_ends, right = self.branch(node.orelse, self.env.copy(), otherwise)
        right_arm = mark.until(self.devices)
        if flag.when_true or flag.when_false:
            left_arm.excuse_if(right_arm, self.devices)
            right_arm.excuse_if(left_arm, self.devices)
        if not left_ends and not right_ends:
            return False
        if left_ends and right_ends:
            self.enter(self.merge(flag, left, right, right_arm.portable))
        else:
            env, self.guards = (left, conditions.holding(base, flag, node.test)) if left_ends else (right, otherwise)
            if left_ends and conditions.gives_up(self, node.orelse[-1]):
                self.guards = base | self.refuses(node.test, flag)
            self.enter(env)
        return True

    def refuses(self, test: ast.expr, stays: Flag) -> Guards:
        """What holds where a program goes on only if ``stays`` holds. Notes one that ends on every Mac for want of
        CUDA: of a script, the rest waits for that to be mended; of a function, the rest is the same cause."""
        if stays.written is not False or contradicts(self.guards, AS_WRITTEN):
            return stays.when_true
        past = Fact("past", True, test)
        if not (has(stays.when_true, "cuda") or has(stays.when_false, "cuda", False)):
            return stays.when_true | {past}  # a tensor's device, not the machine, is asked for
        if self.arms or has(self.guards, "option"):
            self.note("refusal", test, "asked for")
            return stays.when_true | {past}
        self.note("refusal", test)
        self.noted.add(test)
        return frozenset({past}) if self.depth else frozenset({Fact("after", True, test)})

    def for_others(self, guards: Guards) -> Guards:
        """What holds in functions called from here, and after a call: a noted refusal excuses only its own function."""
        return frozenset(fact for fact in guards if fact.origin not in self.noted) if self.noted else guards

    def _assert(self, node: ast.Assert) -> bool:
        flag = conditions.condition(self, node.test)
        self.guards = self.guards | self.refuses(node.test, flag)
        return True

    def _loop(self, body: list[ast.stmt], bind: Callable[[], None], orelse: list[ast.stmt]) -> bool:
        exits, self.frame.exits = self.frame.exits, []
        for _ in range(2):
            before = self.env
            bind()
            ends, after = self.branch(body, self.env.copy(), self.guards)
            for env in [*([after] if ends else []), *self.frame.exits]:
                self.enter(self.merge(NO_FLAG, env, self.env, False))
            self.frame.exits = []
            if all(before.get(key) == value for key, value in self.env.items()):
                break
        self.frame.exits = exits
        return self.block(orelse)

    def _for(self, node: ast.For | ast.AsyncFor) -> bool:
        values = self.eval(node.iter)
        element = lookups.element(self, values)
        return self._loop(node.body, lambda: self.bind(node.target, element), node.orelse)

    def _while(self, node: ast.While) -> bool:
        flag = conditions.condition(self, node.test)
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return self._loop(node.body, lambda: None, [] if endless or flag else node.orelse)

    def _leave_loop(self, node: ast.stmt) -> bool:
        self.frame.exits.append(self.env.copy())
        return False

    def _try(self, node: ast.Try) -> bool:
        base = self.env.copy()
        guards = self.guards.union(*(conditions.caught_by(self, handler) for handler in node.handlers))
        mark = self.devices.mark()
        ends, after = self.branch(node.body, self.env.copy(), guards)
        body_arm = mark.until(self.devices)
        if ends and node.orelse:
            ends, after = self.branch(node.orelse, after, self.guards)
        arms = []
        for handler in node.handlers:
            env = self.merge(NO_FLAG, after, base, False) if ends else base.copy()
            if handler.name:
                env[handler.name] = UNKNOWN
            mark = self.devices.mark()
            handler_ends, env = self.branch(handler.body, env, self.guards)
            body_arm.excuse_if(mark.until(self.devices), self.devices)
            if handler_ends:
                arms.append(env)
        if ends:
            self.enter(after)
            for env in arms:
                self.enter(self._after_try(self.env, env, base))
        elif arms:
            self.enter(arms[0])
        rest = self.block(node.finalbody)
        return rest and (ends or bool(arms))

    def _after_try(self, after: Env, handled: Env, base: Env) -> Env:
        """What the body imported stays imported; the rest is joined."""
        joined = self.merge(NO_FLAG, after, handled, False)
        for key, value in after.items():
            if isinstance(value, Name) and base.get(key) is not value:
                joined[key] = value
        return joined

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        guards = self.guards
        for item in node.items:
            value = self.eval(item.context_expr)
            self.guards = self.guards | conditions.swallows(self, item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
        ends = self.block(node.body)
        self.guards = guards
        return ends

    def _match(self, node: ast.Match) -> bool:
        self.eval(node.subject)
        base, envs, arms = self.env, [self.env.copy()], []
        for case in node.cases:
            mark = self.devices.mark()
            ends, env = self.branch(case.body, base.copy(), self.guards)
            arms.append(mark.until(self.devices))
            if ends:
                envs.append(env)
        for arm in arms:
            for other in arms:
                arm.excuse_if(other, self.devices)
        for env in envs:
            self.enter(self.merge(NO_FLAG, env, self.env, False))
        return True

    # --- simple statements -------------------------------------------------------------------------------------------

    def _assign(self, node: ast.Assign) -> bool:
        value = self.eval(node.value)
        for target in node.targets:
            self.bind(target, value)
        return True

    def _annotated(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self.bind(node.target, self.eval(node.value))
        return True

    def _augmented(self, node: ast.AugAssign) -> bool:
        value = arithmetic.operate(self, node, node.op, self.eval(node.target), self.eval(node.value))
        self.bind(node.target, value)
        return True

    def _expression(self, node: ast.Expr) -> bool:
        value = node.value
        if isinstance(value, ast.Constant):
            return True
        result = self.eval(value)
        if isinstance(value, ast.Call):
            methods.dropped(self, value, result)
            return not conditions.never_returns(self, value)
        return True

    def _return(self, node: ast.Return) -> bool:
        value = self.eval(node.value) if node.value is not None else Const(None)
        self.frame.returns.append((value, self.guards))
        return False

    def _raise(self, node: ast.Raise) -> bool:
        for part in (node.exc, node.cause):
            if part is not None:
                self.eval(part)
        return False

    def _delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.env[target.id] = UNKNOWN
        return True

    def _global(self, node: ast.Global) -> bool:
        self.frame.globals.update(node.names)
        return True

    def _import(self, node: ast.Import) -> bool:
        for alias in node.names:
            self.modules.add(alias.name.partition(".")[0])
            if alias.asname:
                self.env[alias.asname] = Name(tables.SAME_AS.get(alias.name, alias.name))
            else:
                top = alias.name.partition(".")[0]
                self.env[top] = Name(top)
        return True

    def _import_from(self, node: ast.ImportFrom) -> bool:
        module = "." * node.level + (node.module or "")
        if not node.level:
            self.modules.add(module.partition(".")[0])
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
                continue
            name = f"{module}.{alias.name}"
            self.env[alias.asname or alias.name] = Name(tables.SAME_AS.get(name, name))
        return True

    # --- functions and classes ---------------------------------------------------------------------------------------

    def _def(self, node: ast.FunctionDef | ast.AsyncFunctionDef, info: ClassInfo | None = None) -> bool:
        guards = self.guards | conditions.decorator_guards(self, node.decorator_list)
        calls.defaults(self, node)
        function = Function(node, self.around() if info is None else info.around)
        self.env[node.name] = function
        self.pending.append((function, guards, info))
        return True

    def _class(self, node: ast.ClassDef) -> bool:
        guards = self.guards
        self.guards = guards | conditions.decorator_guards(self, node.decorator_list)
        info = describe(self, node, tuple(self.eval(base) for base in node.bases))
        kept = self.env, self.frame
        self.env, self.frame = {}, Frame((self.env, *self.frame.outer), self.frame.info)
        for statement in node.body:
            if isinstance(statement, FUNCTIONS):
                self._def(statement, info)
            else:
                self.block([statement])
        info.attributes.update(self.env)
        (self.env, self.frame), self.guards = kept, guards
        self.env[node.name] = Class(info)
        return True

    def initialise(self, info: ClassInfo, args: list[Value], keywords: dict[str, Value]) -> None:
        """Runs ``__init__`` once, for what it leaves in ``self``; its first caller gives the arguments."""
        if info.initialised:
            return
        info.initialised = True
        for base in info.mro()[1:]:
            self.initialise(base, [], {})
            for key, value in base.attributes.items():
                info.attributes.setdefault(key, value)
        if "__init__" in info.methods:
            self.call_function(Function(info.methods["__init__"], info.around), args, keywords, info=info)

    def call_function(
        self, function: Function, args: list[Value], keywords: dict[str, Value], info: ClassInfo | None = None
    ) -> Value:
        """The result of a call of one of the file's functions; the same arguments run it once."""
        node = function.node
        if self.depth >= MAX_DEPTH or node in self.running:
            return UNKNOWN
        method = info is not None and not calls.is_static(node)
        bound = calls.parameters(self, node, args, keywords, 1 if method else 0)
        key = (tuple(bound.values()), self.guards)
        seen = self.variants.setdefault(node, {})
        store = {k: v for k, v in bound.items() if isinstance(v, Module)}
        key = (key, tuple(self.standing(module) for module in store.values()))
        if key in seen:
            return self._replay(seen[key])
        if len(seen) >= MAX_VARIANTS:
            return UNKNOWN
        if info is not None and node.name != "__init__":
            self.initialise(info, [], {})
        seen[key] = self._run_function(function, bound, info if method else None, store)
        return self._replay(seen[key])

    def _replay(self, outcome: tuple[Value, Env, Guards]) -> Value:
        """Hands a result over, where its modules and those of the arguments stand, and what holds after the call."""
        result, store, assured = outcome
        self.env.update(store)
        self.guards = self.guards | assured
        return result

    def _run_function(self, function: Function, bound: Env, info: ClassInfo | None, moved: dict) -> tuple[Value, Env, Guards]:
        node = function.node
        env: Env = dict(bound)
        for module in moved.values():
            env[module.site] = self.standing(module)
        outer = (self.globals,) if function.around is None else (function.around, self.globals)
        frame = Frame(outer, info, getattr(node, "name", ""))
        if info is not None and node.args.args:
            frame.receiver = node.args.args[0].arg
            env[frame.receiver] = Instance(info)
            for base in info.mro():
                env.update(base.store)
        self.ran.add(node)
        kept = self.env, self.frame, self.guards, self.arms
        self.env, self.frame, self.arms = env, frame, 0
        self.guards = self.for_others(self.guards)
        self.running.add(node)
        self.depth += 1
        if isinstance(node, ast.Lambda):
            frame.returns.append((self.eval(node.body), self.guards))
        elif self.block(node.body):
            frame.returns.append((Const(None), self.last_guards))
        self.depth -= 1
        self.running.discard(node)
        env = self.env
        if info is not None and node.name == "__init__":
            self._keep_attributes(info, env)
        self.env, self.frame, self.guards, self.arms = kept
        result = self._result(node, frame.returns)
        sites = {module.site for module in moved.values()} | {m.site for m in calls.modules_in(result)}
        assured = frozenset.intersection(*(guards for _, guards in frame.returns)) if frame.returns else NOTHING
        return result, {site: env[site] for site in sites if site in env}, self.for_others(assured - self.guards)

    def _keep_attributes(self, info: ClassInfo, env: Env) -> None:
        prefix = (self.frame.receiver or "self") + "."
        for key, value in env.items():
            if isinstance(key, str):
                if key.startswith(prefix):
                    info.attributes[key[len(prefix):]] = value
            else:
                info.store[key] = value if not info.is_module else Standing()

    def _result(self, node: ast.AST, returns: list[tuple[Value, Guards]]) -> Value:
        """What a function gives: of tensors and modules what it gives once ported, of devices all it can give."""
        name = getattr(node, "name", "")
        if tables.DEVICE_FUNCTION.search(name):
            for value, _ in returns:
                self.devices.used(self, value, node, "named")
        elif any(isinstance(value, Device) for value, _ in returns):
            self.devices.chosen(self, self.devices.merge_all(returns), node)
        live = [(v, g) for v, g in returns if not contradicts(g, ONCE_PORTED)] or returns
        if any(isinstance(value, Device) for value, _ in returns):
            return self.devices.merge_all(returns)
        if len(live) > 1 and isinstance(live[-1][0], Const) and live[-1][0].value is None:
            live = live[:-1]
        result: Value | None = None
        for value, _ in live:
            result = join(result, value)
        return result or Const(None)




_EXECUTE: dict[type, Callable[[Interpreter, ast.stmt], bool]] = {
    ast.If: Interpreter._if,
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._annotated,
    ast.AugAssign: Interpreter._augmented,
    ast.Expr: Interpreter._expression,
    ast.Return: Interpreter._return,
    ast.Raise: Interpreter._raise,
    ast.For: Interpreter._for,
    ast.AsyncFor: Interpreter._for,
    ast.While: Interpreter._while,
    ast.Break: Interpreter._leave_loop,
    ast.Continue: Interpreter._leave_loop,
    ast.Try: Interpreter._try,
    ast.TryStar: Interpreter._try,
    ast.With: Interpreter._with,
    ast.AsyncWith: Interpreter._with,
    ast.Match: Interpreter._match,
    ast.Assert: Interpreter._assert,
    ast.Delete: Interpreter._delete,
    ast.Global: Interpreter._global,
    ast.Import: Interpreter._import,
    ast.ImportFrom: Interpreter._import_from,
    ast.FunctionDef: Interpreter._def,
    ast.AsyncFunctionDef: Interpreter._def,
    ast.ClassDef: Interpreter._class,
}

"""Follows values through one file: statements, scopes, and calls of the file's own functions.

Module code runs first, then each function that holds something to decide, unless a call from the file has run it
already. Branches are run apart and joined; what a condition says of the machine is kept as guards. Values are those
of code *once ported*; guards and device literals keep what the code says *as written*, so one run serves both worlds.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import replace
from collections.abc import Callable, Container, Iterable
from typing import Any

from ..config import Config
from ..source import Source
from . import conditions, expressions, functions, lookups, modules, statements, tables
from .calls import CALLS, Arguments
from .classes import ClassInfo
from .declared import calls_known
from .devices import Arm, DeviceLog, narrowed
from .events import Event
from .frames import Env, Frame
from .guards import AS_WRITTEN, NOTHING, Fact, Guards, contradicts, has
from .imported import Project
from .kernels import Kernels
from .names import dotted
from .values import (
    CPU, IDLE, UNKNOWN, Batch, Device, Flag, Function, Instance, Items, Many, Module, Name, Namespace, Standing, Table, Tensor, Value,
    join,
)


Pending = tuple[Function, Guards, ClassInfo | None]  # a function, what holds where it is defined, and its class
_EVALUATE, _children = expressions.EVALUATE, expressions.children
_CALLED = re.compile(r"(\w+)\(")
_DEFAULT_DEVICE = ("set_default_device", "set_default_tensor_type", "with torch.device")


class Interpreter:
    """One run over one file."""

    def __init__(self, source: Source, config: Config, project: Project | None = None, watched: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.config = config
        self.project = project  # None where no other file, and no declaration, has anything to say
        self.is_linted = project is None or not project.depth  # and not read for another file
        self.calls = CALLS if project is None else calls_known(config)
        self.module_types = frozenset(config.modules)
        self.values: dict[ast.AST, Value] = {}
        self.guards_at: dict[ast.AST, Guards] = {}
        self.arguments: dict[ast.AST, Arguments] = {}  # of the last call seen at a node, by a canonical name
        self.events: dict[tuple, Event] = {}
        self.devices, self.kernels = DeviceLog(), Kernels(watched)
        self.options: dict[str, Value] = {}
        self.bound_attributes: set[str] = set()  # the last parts of dotted names in any environment
        self.attributes: dict[str, Value] = {}
        self.children: dict[ast.AST, list[Module]] = {}  # the modules that a module was made of
        self.sets_data, self.sets_by_name = ".data = " in source.text, "setattr(" in source.text
        self.rooted = False  # a function runs that no call here has run: who knows when
        self.uses_devices = False  # something is, or may be, on MPS
        self.default_float64: list[tuple[ast.AST, Guards]] = []
        # Where tensors are made without device=; not known where the file sets a default.
        self.default_place = None if any(words in source.text for words in _DEFAULT_DEVICE) else CPU
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
        self.pending: list[Pending] = []
        self.ran: set[ast.AST] = set()
        self.run_with_defaults: set[ast.AST] = set()  # functions whose defaults are devices
        self.reads_back: set[ast.AST] = set()  # loads of files that the same function has saved
        self.noted: set[ast.AST] = set()  # refusals that are findings

    # --- the whole file ----------------------------------------------------------------------------------------------

    def run(self, wanted: Callable[[ast.AST], bool]) -> None:
        """Runs module code, then every function that is ``wanted`` and that no call has run."""
        self.block(self.source.tree.body)
        while self.pending:
            defined = self.pending.pop(0)
            node = defined[0].node
            if wanted(node) and (node not in self.ran or node in self.run_with_defaults):
                self._run_after_callers(defined, ())
        self.devices.decide(self)
        self.kernels.decide(self)
        for node, guards in self.default_float64 if self.uses_devices else ():
            self.guards = guards
            self.note("float64-default", node)

    def _run_pending(self, function: Function, guards: Guards, info: ClassInfo | None) -> None:
        if info is not None:
            functions.initialise(self, info, [], {})  # which may call it
        if function.node not in self.ran or function.node in self.run_with_defaults:
            self.guards, self.rooted = guards, True
            functions.call_function(self, function, [], {}, info)
            self.guards, self.rooted = NOTHING, False

    def _run_after_callers(self, defined: Pending, above: tuple[Pending, ...]) -> None:
        for other in self._callers(defined[0].node, defined[2]):
            if other[0].node not in self.ran and other not in above:
                self._run_after_callers(other, (*above, defined))
        self._run_pending(*defined)

    def _callers(self, node: ast.AST, info: ClassInfo | None) -> list[Pending]:
        """Who calls a function, or makes objects of its class: they give the arguments, and say what holds there."""
        makers = self._by_call.get(info.node.name, []) if info is not None and not info.initialised else []
        name = getattr(node, "name", "__lambda__")
        return makers if name.startswith("__") else [*makers, *self._by_call.get(name, ())]

    @functools.cached_property
    def _by_call(self) -> dict[str, list[Pending]]:
        """The functions still to run, by the last names of what they call."""
        found: dict[str, list[Pending]] = {}
        for other in self.pending:
            node = other[0].node
            text = "\n".join(self.source.lines[node.lineno : node.end_lineno])
            for called in dict.fromkeys(_CALLED.findall(text)):
                found.setdefault(called, []).append(other)
        return found

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

    def note(self, kind: str, node: ast.AST, how: str = "", detail: str = "", trail: tuple = ()) -> None:
        """Records an event once, with the guards that hold here."""
        key = (kind, node, how)
        if key not in self.events:
            self.events[key] = Event(kind, node, how, self.guards, trail, detail)

    def reach(self, node: ast.AST, but: Container[str] = ()) -> None:
        """Keeps what holds at a node, ``but`` facts of these kinds, whichever way it is come to."""
        guards = frozenset(fact for fact in self.guards if fact.kind not in but) if but else self.guards
        seen = self.guards_at.get(node)
        self.guards_at[node] = guards if seen is None else seen & guards

    def eval(self, node: ast.expr) -> Value:
        return _EVALUATE.get(type(node), _children)(self, node)

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

    def declared(self, name: str) -> Name | None:
        """A function or class of this module by its canonical name, where the project says what it is."""
        return self.project.of_this_file(name) if self.project is not None and self.frame is self.module_frame else None

    def around(self) -> Env | None:
        """The variables that a function defined here closes over; None for those of the module, whatever they become."""
        return None if self.frame is self.module_frame else self.env

    def standing(self, module: Module) -> Standing:
        value = self.env.get(module.site)
        if value is None:
            value = next((scope[module.site] for scope in self.frame.outer if module.site in scope), None)
            if isinstance(value, Standing) and value.at == CPU and self.rooted:
                return Standing()  # another function may have moved it by now
        return value if isinstance(value, Standing) else Standing()

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assigns to a name, an attribute, a subscript or a pattern of these."""
        kind = type(target)
        if kind is ast.Name:
            scope = self.globals if target.id in self.frame.globals else self.env
            self.devices.overwritten(self, scope.get(target.id), target, target.id)
            scope[target.id] = self.devices.by_name(target.id, value)
            if target.id in self.frame.nonlocals:
                self._bind_outside(target.id, scope[target.id])
            how = "named" if scope is self.globals else "local"
            self.devices.named(self, target.id, value, target, how)
        elif kind is ast.Attribute:
            self._bind_attribute(target, value)
        elif kind in (ast.Tuple, ast.List):
            for part, item in zip(target.elts, lookups.unpack(value, len(target.elts))):
                self.bind(part, item)
        elif kind is ast.Starred:
            self.bind(target.value, UNKNOWN)
        elif kind is ast.Subscript:
            self._bind_item(target, value)

    def _bind_outside(self, name: str, value: Value) -> None:
        """A name of the function around: what it holds by the time another reads it, nobody knows."""
        for scope in self.frame.outer:
            if name in scope:
                scope[name] = join(scope[name], value)
                return

    def _bind_attribute(self, target: ast.Attribute, value: Value) -> None:
        holder = self.eval(target.value)
        if target.attr == "data" and isinstance(value, Tensor) and isinstance(target.value, ast.Name):
            self.env[target.value.id] = value  # x.data = x.data.to(device)
        if isinstance(holder, Name):  # torch.backends.cudnn.benchmark = True
            self.values[target] = lookups.attribute_of(self, holder, target)
            self.reach(target)
        path = dotted(target)
        if path:
            self.bound_attributes.add(target.attr)
            if path == f"{self.frame.receiver}.{target.attr}" and self.frame.info is not None:
                value = self._kept(target, value)
            self.devices.overwritten(self, self.env.get(path), target, path)
            self.env[path] = value = self.devices.by_name(target.attr, value)
            if path.partition(".")[0] != self.frame.receiver:
                self.attributes[path] = join(self.attributes.get(path), value)
        self.devices.named(self, target.attr, value, target)

    def _kept(self, target: ast.Attribute, value: Value) -> Value:
        """What an object keeps of a value: a tensor remembers where it was put."""
        self.keeps_modules(target, value)
        if isinstance(value, Tensor) and value.at == CPU and self.frame.name == "__init__":
            return replace(value, origin=target)
        return value

    def keeps_modules(self, target: ast.expr, value: Value) -> None:
        """Notes layers that a module keeps in a plain list, where neither .to() nor parameters() finds them."""
        info = self.frame.info
        parts = value.items if isinstance(value, Items) else (value.each,) if isinstance(value, Many) else ()
        layers = [part for part in parts if isinstance(part, Module) and not modules.is_empty(self, part)]
        if layers and info is not None and info.is_module and not info.registers(target.attr):
            self.note("layers-in-list", target)

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

    def block(self, body: Iterable[ast.stmt]) -> bool:
        """Runs statements in turn; False when the end is not reached."""
        guards, ends = self.guards, True
        arms: list[Arm] = []  # if cuda: return x.cuda() / if mps: return x.to("mps") are two arms of one choice
        for statement in body:
            run = statements.EXECUTE.get(type(statement))
            if run is None:
                continue
            if type(statement) is not ast.If:
                ends = run(self, statement)
            else:
                before, mark = self.guards, self.devices.mark()
                ends = run(self, statement)
                if ends and self.guards is not before:
                    arms.append(mark.until(self.devices))
            if not ends:
                break
        for arm in arms:
            arm.excuse_since(self.devices)
        self.last_guards, self.guards = self.guards, guards
        return ends

    def enter(self, env: Env) -> None:
        """Goes on in this environment; for module code it is the globals of every function."""
        self.env = env
        if self.frame is self.module_frame:
            self.globals = env

    def branch(self, body: Iterable[ast.stmt], env: Env, guards: Guards) -> tuple[bool, Env]:
        """Runs statements in an environment of their own."""
        kept_env, kept_guards = self.env, self.guards
        self.enter(env)
        self.guards = guards
        self.arms += 1
        ends = self.block(body)
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
        if (chosen := conditions.chosen_flag(flag, left, right)) is not None:
            return chosen
        taken = flag.written if flag.written is not None and IDLE in (left, right) else self.truth(flag, mps_on_right)
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
        """What holds after two arms; a name that only one of them binds keeps that value, an attribute may not."""
        merged = {**right, **left}
        before = self.env
        for key, one in left.items():
            other = right.get(key)
            if other is None and type(key) is str and "." in key:
                other = self.held_before(key)
            if other is not one and other is not None:
                merged[key] = self._chosen(key, flag, one, other, before.get(key), mps_on_right)
        for key, other in right.items() if len(merged) > len(left) else ():
            if type(key) is str and "." in key and key not in left and (one := self.held_before(key)) is not None:
                merged[key] = self._chosen(key, flag, one, other, one, mps_on_right)
        return merged

    def narrow(self, env: Env, flag: Flag) -> None:
        """Goes on in the arm where ``flag`` holds, the other having ended: devices are what it leaves them."""
        for key, value in env.items():
            if isinstance(value, Device) and value is self.env.get(key) and isinstance(key, str):
                env[key] = self.devices.gone_on(narrowed(value, flag.true(), key) or value)

    def _chosen(self, key: Any, flag: Flag, left: Value, right: Value, before: Value | None, mps_on_right: bool) -> Value:
        """One name after two arms. What an arm left as it was is narrowed by what the condition says of it."""
        if isinstance(left, Device) and left is before:
            left = narrowed(left, flag.true(), key)
        if isinstance(right, Device) and right is before:
            right = narrowed(right, flag.false(), key)
        return self.choose(flag, left, right, mps_on_right)

    def held_before(self, path: str) -> Value | None:
        """An attribute that no statement here has bound: one of the class, of the command line, or from outside. None
        for one that ``__init__`` gives some objects alone: the others are not asked for it."""
        root, _, attr = path.partition(".")
        holder = self.lookup(root)
        value = UNKNOWN
        if isinstance(holder, Namespace):
            value = self.options.get(attr, UNKNOWN)
        elif isinstance(holder, Instance):
            value = holder.info.attribute(attr)
        value = self.devices.by_name(attr, value)
        return None if value is UNKNOWN and root == self.frame.receiver and self.frame.name == "__init__" else value

    def refuses(self, test: ast.expr, stays: Flag) -> Guards:
        """What holds where a program goes on only if ``stays`` holds. Notes one that ends on every Mac for want of
        CUDA: of a script, the rest waits for that to be mended; of a function, the rest is the same cause."""
        if stays.written is not False or contradicts(self.guards, AS_WRITTEN):
            return stays.when_true
        past = Fact("past", True, test)
        if not (has(stays.when_true, "cuda") or has(stays.when_false, "cuda", False)):
            return stays.when_true | {past}  # a tensor's device, not the machine, is asked for
        if self.arms or has(self.guards | stays.when_true, "option"):
            self.note("refusal", test, "asked for")
            return stays.when_true | {past}
        self.note("refusal", test)
        self.noted.add(test)
        return frozenset({past}) if self.depth else frozenset({Fact("after", True, test)})

    def needs_cuda(self, node: ast.expr) -> None:
        """Where failures are handled, what follows a call that needs CUDA runs only with it."""
        if has(self.guards, "caught"):
            self.guards = self.guards | {Fact("cuda", True, node)}

    def for_others(self, guards: Guards) -> Guards:
        """What holds in functions called from here, and after a call: a noted refusal excuses only its own function."""
        return frozenset(fact for fact in guards if fact.origin not in self.noted) if self.noted else guards

"""What the code means: the questions that rules ask, answered by one run of the interpreter over a file."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from typing import Any

from ..config import Config
from ..shapes import Hits
from ..source import Source
from .arithmetic import MAYBE_MPS, as_tensor
from .bindings import Bindings
from .conditions import asks, flag_of
from .events import Event
from .guards import AS_WRITTEN, ONCE_PORTED, Guards, contradicts, has
from .imported import Project
from .interpreter import Interpreter
from .values import CPU, UNKNOWN, Class, Const, Device, Function, Name, Tensor, Value

__all__ = ["Event", "Facts"]

# What a release raises that does not have a name, or a parameter, yet.
_MISSING = {f"builtins.{name}" for name in ("AttributeError", "ImportError", "ModuleNotFoundError", "TypeError")}


class Facts:
    """The facts of one file. Only functions in units that hold a candidate are run, and those that they call."""

    def __init__(
        self, source: Source, hits: Hits, candidates: Iterable[ast.AST], config: Config, watched: frozenset[str] = frozenset()
    ) -> None:
        self.source = source
        self.config = config
        self._hits = hits
        wanted = hits.followed | {hits.unit_at(node.lineno) for node in candidates}  # type: ignore[attr-defined]
        self._run = Interpreter(source, config, Project.around(source.path, config), watched)
        self._run.run(lambda node: (unit := self._unit(node)) in wanted or unit in self._calls_of_project)
        self.interpreted = len(self._run.ran)

    @functools.cached_property
    def _calls_of_project(self) -> set[int]:
        """The units that call functions of the project, which may move what they are given."""
        names = self._run.project.called_as(self._run) if self._run.project is not None else ()
        return self._hits.calling(names)

    def _unit(self, node: ast.AST) -> int:
        return self._hits.unit_at(node.lineno)  # type: ignore[attr-defined]

    # --- names and values --------------------------------------------------------------------------------------------

    def name(self, node: ast.expr) -> str | None:
        """The canonical dotted name of an expression, through imports, aliases and assignments."""
        value = self._run.values.get(node)
        return value.name if isinstance(value, Name) else None

    def value(self, node: ast.expr) -> Value:
        """What a call, its function or an argument evaluates to once ported; UNKNOWN for what nothing is known of."""
        return self._run.values.get(node, UNKNOWN)

    def literal(self, node: ast.AST | None) -> Any:
        """The number, text or bool that an expression is for certain: written there, or the only thing that its name
        is ever given in this file. None for any other expression."""
        if isinstance(node, ast.Name):
            node = self.only_value(node)
        return node.value if isinstance(node, ast.Constant) else None

    def only_value(self, name: ast.Name) -> ast.expr | None:
        """The expression that a name is given, where the file gives it nothing else; an imported name is itself."""
        return self._bindings.only(name)

    @functools.cached_property
    def _bindings(self) -> Bindings:
        return Bindings(self.source)

    def argument(self, call: ast.Call, keyword: str, position: int | None = None) -> ast.expr | None:
        """The expression given for a parameter, by its name or at its position."""
        for given in call.keywords:
            if given.arg == keyword:
                return given.value
        if position is not None and position < len(call.args):
            if not any(isinstance(argument, ast.Starred) for argument in call.args[: position + 1]):
                return call.args[position]
        return None

    def given(self, call: ast.Call, keyword: str, position: int | None = None) -> Value:
        """What a parameter is given, by its name or at its position, in a call of a canonical name."""
        arguments = self._run.arguments.get(call)
        return (arguments.get(position, keyword) if arguments is not None else None) or UNKNOWN

    def names_cuda_alone(self, call: ast.Call, keyword: str, position: int | None = None) -> bool:
        """True where a parameter can be given nothing but CUDA, as written, in a call of a canonical name. A device
        that tensors or modules are put on as well is a cause of its own, which other rules report."""
        device = self.given(call, keyword, position)
        if not isinstance(device, Device) or device.kinds != {"cuda"}:
            return False
        elsewhere = (None, *self._run.devices.uses)  # None: it is written in another file
        return not any(contradicts(p.guards, AS_WRITTEN) or p.origin in elsewhere for p in device.places)

    def off_without_cuda(self, call: ast.Call, keyword: str, position: int | None = None) -> bool:
        """True where a switch is given that is off on a Mac as written: by what it asks, or by its name (use_cuda)."""
        value, given = self.given(call, keyword, position), self.argument(call, keyword, position)
        if given is None or value == Const(False):
            return value == Const(False)
        flag = flag_of(value, given)
        if flag.written is False or contradicts(flag.when_true, AS_WRITTEN) or has(flag.when_true, "option"):
            return True
        return isinstance(given, (ast.Name, ast.Attribute)) and ast.unparse(given) in self._switched_off

    @functools.cached_property
    def _switched_off(self) -> set[str]:
        """``if not torch.cuda.is_available(): use_amp = False``: values are those once ported, and do not show it."""
        return {
            ast.unparse(target)
            for choice in self.source.nodes(ast.If) if "cuda" in ast.unparse(choice.test)
            for statement in choice.body
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and statement.value.value is False
            for target in statement.targets
        }

    def reads_back(self, call: ast.Call) -> bool:
        """True for a load of a file that the same function has saved: it holds what was on this machine."""
        return call in self._run.reads_back

    def is_own(self, call: ast.Call) -> bool:
        """True for a call of a function or a class of this file: its body says what becomes of the arguments."""
        return isinstance(self.value(call.func), (Class, Function))

    def has_star(self, call: ast.Call) -> bool:
        """True for a call whose ``*args`` or ``**kwargs`` may hold arguments that this file does not show."""
        return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)

    def bindings(self, name: str) -> list[ast.expr]:
        """What a name is given by assignments and as a default, anywhere in the file; nothing if it is bound otherwise,
        by a loop or an unpacking, as well."""
        return self._bindings.values(name)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node, in the same unit of the file."""
        return self._parents(node).get(node)

    def around(self, node: ast.AST) -> list[ast.AST]:
        """The nodes around a node in its unit, from the inside out."""
        parents = self._parents(node)
        found: list[ast.AST] = []
        while (node := parents.get(node)) is not None:  # type: ignore[assignment]
            found.append(node)
        return found

    def _parents(self, node: ast.AST) -> dict[ast.AST, ast.AST]:
        """The parents of nodes on the way to a node, in one of the units that share its line."""
        unit = self._unit(node)
        parents = _on_the_way(self._hits.units[unit].node, node)
        while node not in parents and unit > 0 and self._hits.units[unit - 1].end >= self._hits.units[unit].start:
            unit -= 1
            parents = _on_the_way(self._hits.units[unit].node, node)
        return parents

    @property
    def modules(self) -> frozenset[str]:
        """The top-level packages that the file imports, wherever it was followed."""
        return frozenset(self._run.modules)

    # --- guards ------------------------------------------------------------------------------------------------------

    def reached(self, node: ast.AST) -> bool:
        """True for a node that the code reaches on some path."""
        return node in self._run.guards_at

    def guards(self, node: ast.AST) -> Guards:
        """What holds at a call, keyword or type reference."""
        return self._run.guards_at.get(node, frozenset())

    def guarded(self, node: ast.AST, raises: type[BaseException] | None = None) -> bool:
        """True for a node that never runs as written on a Mac, or whose failure (by its type) is caught."""
        guards = self.guards(node)
        if not self.reached(node) or raises is not None and has(guards, f"caught {raises.__name__}"):
            return True
        return contradicts(guards, AS_WRITTEN if raises is None else {**AS_WRITTEN, "caught": True})

    def tests(self, node: ast.AST) -> list[ast.expr]:
        """The conditions, whatever they ask, that decide in its unit whether a node runs: those of the ``if`` around
        it, and of an ``if`` before it that leaves."""
        tests: list[ast.expr] = []
        for parent in self.around(node):
            if isinstance(parent, (ast.If, ast.IfExp, ast.While)) and node is not parent.test:
                tests.append(parent.test)
            for body in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
                if isinstance(body, list) and node in body:
                    tests += (one.test for one in body[: body.index(node)] if isinstance(one, ast.If) and _leaves(one))
            node = parent
        return tests

    @staticmethod
    def cause(guards: Guards) -> int | None:
        """The line of the refusal that has to be mended before what is guarded so can be reached at all."""
        return next((fact.origin.lineno for fact in guards if fact.kind == "after" and fact.origin), None)

    def optional(self, node: ast.AST) -> bool:
        """True for a node that runs only when somebody asks for CUDA by an option."""
        return has(self.guards(node), "option")

    def of_several(self, found: Event | ast.AST) -> bool:
        """True for an event or a node that only one of several processes comes to."""
        return has(found.guards if isinstance(found, Event) else self.guards(found), "several")

    @staticmethod
    def of_arrays(event: Event) -> bool:
        """True for an event where the code has asked whether it was given arrays of NumPy's, and was."""
        return has(event.guards, "arrays")

    def for_older_torch(self, node: ast.AST) -> bool:
        """True in a handler of what an older release lacks: ``except (AttributeError, ImportError):``."""
        for around in self.around(node):
            if isinstance(around, ast.ExceptHandler) and around.type is not None:
                types = around.type.elts if isinstance(around.type, ast.Tuple) else [around.type]
                return all(self.name(kind) in _MISSING for kind in types)
        return False

    def events(self, kinds: frozenset[str]) -> list[Event]:
        """The noted places of these kinds, in the order of the file."""
        events = [event for event in self._run.events.values() if event.kind in kinds]
        return sorted(events, key=lambda event: (event.node.lineno, event.node.col_offset))  # type: ignore[attr-defined]

    @staticmethod
    def by_default(event: Event) -> bool:
        """True for a device that somebody gets who names none."""
        return has(event.guards, "default")

    @staticmethod
    def only_if_asked(event: Event) -> bool:
        """True where somebody, not the machine, decides that CUDA is used: by an option, or by leaving a default be."""
        return (has(event.guards, "option") or has(event.guards, "default")) and not has(event.guards, "cuda")

    @staticmethod
    def asks_of_a_tensor(event: Event) -> bool:
        """True where a tensor's device, or another that is at hand, is asked for CUDA, and not the machine."""
        return has(event.guards, "cuda-device") and not has(event.guards, "cuda")

    def out_of_reach_once_ported(self, found: Event | ast.AST) -> bool:
        """True for an event or a node that MPS never meets: under ``x.is_cuda``, ``device.type != "mps"`` and the like."""
        if isinstance(found, ast.AST):
            return not self.reached(found) or contradicts(self.guards(found), ONCE_PORTED)
        return contradicts(found.guards, ONCE_PORTED) or has(found.guards, "caught TypeError")

    def may_be_on_mps(self, node: ast.expr) -> bool:
        """True for a tensor, or a batch of them, that was put on a device which may be MPS."""
        value = as_tensor(self.value(node))
        return isinstance(value, Tensor) and value.at in MAYBE_MPS

    def stands_on_cpu(self, node: ast.expr) -> bool:
        """True for a tensor, or a batch of them, that is certainly on the CPU."""
        value = as_tensor(self.value(node))
        return isinstance(value, Tensor) and value.at == CPU

    # --- parts of calls ----------------------------------------------------------------------------------------------

    def is_argument(self, node: ast.AST, keyword: str) -> bool:
        """True for a literal written inside the argument of this name."""
        return has(self._run.literal_guards.get(node, frozenset()), keyword)

    def cuda_named_in(self, node: ast.expr) -> list[ast.expr]:
        """The parts of an expression that name CUDA, each once: literals, and ``.cuda`` of a lambda's call.

        Not those that are reached only with CUDA: ``"cuda" if torch.cuda.is_available() else "cpu"``."""
        named: list[ast.expr] = []
        for part in ast.walk(node):
            guards = self._run.literal_guards.get(part)
            if guards is not None and part not in self._run.devices.excused and not contradicts(guards, AS_WRITTEN):
                named.append(part)  # type: ignore[arg-type]
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "cuda":
                named.append(part.func)
        return named

    def question(self, test: ast.expr) -> ast.expr:
        """The part of a condition that asks for CUDA: ``torch.cuda.is_available`` of ``not torch.cuda.is_available()``."""
        for part in ast.walk(test):
            if isinstance(part, ast.Call) and asks(self.name(part.func) or "", part):
                return part.func
            if isinstance(part, ast.Attribute) and asks(self.name(part) or "", part):
                return part
        return test


def _leaves(node: ast.If) -> bool:
    return isinstance(node.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))


def _on_the_way(top: ast.AST, node: ast.AST) -> dict[ast.AST, ast.AST]:
    """The parents of the nodes from ``top`` down to a node, looking only where the lines can hold it."""
    line = getattr(node, "lineno", None)
    parents: dict[ast.AST, ast.AST] = {}
    todo = [top]
    while todo and node not in parents:
        around = todo.pop()
        for child in ast.iter_child_nodes(around):
            parents[child] = around
            first = getattr(child, "lineno", None)
            if line is None or first is None or first <= line <= child.end_lineno or hasattr(child, "decorator_list"):
                todo.append(child)
    return parents

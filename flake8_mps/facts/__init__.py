"""What the code means: the questions that rules ask, answered by one run of the interpreter over a file."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ..config import Config
from ..shapes import Hits
from ..source import Source
from .arithmetic import MAYBE_MPS, as_tensor
from .conditions import asks
from .events import Event
from .guards import AS_WRITTEN, ONCE_PORTED, Guards, contradicts, has
from .interpreter import Interpreter
from .values import UNKNOWN, Name, Tensor, Value

__all__ = ["Event", "Facts"]


class Facts:
    """The facts of one file. Only functions in units that hold a candidate are run, and those that they call."""

    def __init__(self, source: Source, hits: Hits, candidates: Iterable[ast.AST], config: Config) -> None:
        self.source = source
        self.config = config
        self._hits = hits
        wanted = hits.followed | {hits.unit_at(node.lineno) for node in candidates}  # type: ignore[attr-defined]
        self._run = Interpreter(source)
        self._run.run(lambda node: self._unit(node) in wanted)
        self.interpreted = len(self._run.ran)

    def _unit(self, node: ast.AST) -> int:
        return self._hits.unit_at(node.lineno)  # type: ignore[attr-defined]

    # --- names and values --------------------------------------------------------------------------------------------

    def name(self, node: ast.expr) -> str | None:
        """The canonical dotted name of an expression, through imports, aliases and assignments."""
        value = self._run.values.get(node)
        return value.name if isinstance(value, Name) else None

    def value(self, node: ast.expr) -> Value:
        """What an expression evaluates to once ported; UNKNOWN for what nothing is known of."""
        return self._run.values.get(node, UNKNOWN)

    def argument(self, call: ast.Call, keyword: str, position: int | None = None) -> ast.expr | None:
        """The expression given for a parameter, by its name or at its position."""
        for given in call.keywords:
            if given.arg == keyword:
                return given.value
        if position is not None and position < len(call.args):
            if not any(isinstance(argument, ast.Starred) for argument in call.args[: position + 1]):
                return call.args[position]
        return None

    def has_star(self, call: ast.Call) -> bool:
        """True for a call whose ``*args`` or ``**kwargs`` may hold arguments that this file does not show."""
        return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node, in the same unit of the file."""
        around = {
            child: parent
            for parent in ast.walk(self._hits.units[self._unit(node)].node)
            for child in ast.iter_child_nodes(parent)
        }
        return around.get(node)

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

    @staticmethod
    def cause(guards: Guards) -> int | None:
        """The line of the refusal that has to be mended before what is guarded so can be reached at all."""
        return next((fact.origin.lineno for fact in guards if fact.kind == "after" and fact.origin), None)

    def optional(self, node: ast.AST) -> bool:
        """True for a node that runs only when somebody asks for CUDA by an option."""
        return has(self.guards(node), "option")

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
    def out_of_reach_once_ported(event: Event) -> bool:
        """True for an event that MPS never meets: under ``x.is_cuda``, ``device.type != "mps"`` and the like."""
        return contradicts(event.guards, ONCE_PORTED) or has(event.guards, "caught TypeError")

    def never_once_ported(self, node: ast.AST) -> bool:
        """The same for a call that a rule found by its shape."""
        return not self.reached(node) or contradicts(self.guards(node), ONCE_PORTED)

    def may_be_on_mps(self, node: ast.expr) -> bool:
        """True for a tensor, or a batch of them, that was put on a device which may be MPS."""
        value = as_tensor(self.value(node))
        return isinstance(value, Tensor) and value.at in MAYBE_MPS

    # --- parts of calls ----------------------------------------------------------------------------------------------

    def is_argument(self, node: ast.AST, keyword: str) -> bool:
        """True for a literal written inside the argument of this name."""
        return has(self._run.literal_guards.get(node, frozenset()), keyword)

    def cuda_named_in(self, node: ast.expr) -> list[ast.expr]:
        """The parts of an expression that name CUDA, each once: literals, and ``.cuda`` of a lambda's call."""
        named: list[ast.expr] = []
        for part in ast.walk(node):
            if part in self._run.literal_guards and part not in self._run.devices.excused:
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

"""Which device literals are put to use, under which guards, and which choices can be MPS.

A literal is judged once, when the whole file has run: used where nothing asks for CUDA, it is hard-coded; used only
where CUDA is there, it is a choice between CUDA and the CPU; met on any path by MPS, it is a portable choice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from . import tables
from .guards import AS_WRITTEN, NOTHING, Guards, cause, contradicts, has
from .names import dotted
from .values import OUTSIDE_DEVICE, OUTSIDE_PLACE, UNKNOWN, Const, Device, Flag, Place, Value

if TYPE_CHECKING:
    from .interpreter import Interpreter

PORTABLE = frozenset({"mps", "portable"})
_ELSEWHERE = {"mac": True, "mps": True, "past": False}  # code kept from a Mac by these is nothing to it


_SAYS_LITTLE = ("named", "local", "made")


class Use(NamedTuple):
    """A use of a CUDA device.

    ``how``: an ``argument``, a ``map_location``, a ``method`` (.cuda()), a ``type`` (torch.cuda.FloatTensor); or, which
    says less: ``named`` where others can see it, ``local`` for a variable, ``made`` by torch.device().
    """

    how: str
    node: ast.AST
    guards: Guards


class Arm(NamedTuple):
    """What one arm of a choice did with devices: CUDA it named, things it moved to MPS, and whether MPS came up at all.

    ``count`` and ``moves`` are how often either had happened when the arm ended.
    """

    origins: frozenset[ast.AST]
    moved: frozenset[str]
    portable: bool
    count: int
    moves: int

    def excuse_if(self, other: Arm, log: DeviceLog) -> None:
        """CUDA in this arm is one side of a portable choice when another arm has MPS, for the same thing if for one."""
        if other.portable:
            log.excused.update(origin for origin in self.origins if log.same_thing(origin, other.moved))

    def excuse_since(self, log: DeviceLog) -> None:
        """This arm left the block: what followed it there is its other arm."""
        if log.portable > self.count:
            moved = frozenset(log.moved[self.moves :])
            log.excused.update(origin for origin in self.origins if log.same_thing(origin, moved))


class Mark(NamedTuple):
    """A moment of the log; ``until`` tells what has happened since."""

    places: int
    moves: int
    portable: int

    def until(self, log: DeviceLog) -> Arm:
        moved = frozenset(log.moved[self.moves :])
        return Arm(frozenset(log.trail[self.places :]), moved, log.portable > self.portable, log.portable, len(log.moved))


class DeviceLog:
    """Everything that happened to device literals in one file."""

    def __init__(self) -> None:
        self.uses: dict[ast.AST, list[Use]] = {}
        self.excused: set[ast.AST] = set()
        self.alternatives: set[ast.AST] = set()  # met the CPU where paths join
        self.trail: list[ast.AST] = []
        self.moved: list[str] = []  # the names of what was moved to MPS
        self.portable = 0

    def mark(self) -> Mark:
        return Mark(len(self.trail), len(self.moved), self.portable)

    @staticmethod
    def same_thing(origin: ast.AST, moved: frozenset[str]) -> bool:
        """False for ``a.cuda()`` where other things than ``a`` are moved to MPS."""
        receiver = dotted(origin.func.value) if isinstance(origin, ast.Call) and isinstance(origin.func, ast.Attribute) else None
        return receiver is None or not moved or any(receiver == name or receiver.startswith(f"{name}.") for name in moved)

    # --- what happens ------------------------------------------------------------------------------------------------

    def literal(self, run: Interpreter, node: ast.expr, kind: str) -> Device:
        """The device that a text names."""
        if kind in PORTABLE:
            self.portable += 1
        elif kind == "cuda":
            self.trail.append(node)
            run.literal_guards[node] = run.guards
        return Device(frozenset({Place(kind, node, run.guards)}))

    def used(self, run: Interpreter, value: Value, node: ast.AST, how: str, extra: Guards = NOTHING) -> None:
        """A value is put where a device belongs."""
        if isinstance(value, Device):
            if value.kinds & PORTABLE:
                self.excused.update(place.origin for place in value.places if place.origin is not None)
            for place in value.places:
                if place.kind == "cuda" and place.origin is not None and run.hands_on(how):
                    self.use(place.origin, Use(how, node, place.guards | run.guards | extra))

    def moving(self, node: ast.Call, value: Device) -> None:
        """A move to a device that can be MPS."""
        name = dotted(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if value.kinds & PORTABLE and name is not None:
            self.moved.append(name)

    def use(self, origin: ast.AST, use: Use) -> None:
        uses = self.uses.setdefault(origin, [])
        if use not in uses:
            uses.append(use)
        self.trail.append(origin)

    @staticmethod
    def by_name(name: str, value: Value) -> Value:
        """What nothing is known of, under the name of a device, is a device from outside."""
        return OUTSIDE_DEVICE if value is UNKNOWN and tables.DEVICE_NAME.search(name) else value

    def chosen(self, run: Interpreter, value: Value, node: ast.AST) -> None:
        """A value is returned or handed on; a choice between CUDA and the CPU is one of devices whatever its name."""
        if isinstance(value, Device) and {"cuda", "cpu"} <= value.kinds:
            self.used(run, value, node, "named")

    def named(
        self, run: Interpreter, name: str, value: Value, extra: Guards = NOTHING, how: str = "named"
    ) -> None:
        """A value gets a name; a device with the name of a device is meant to be one."""
        if isinstance(value, Device) and tables.DEVICE_NAME.search(name):
            self.used(run, value, run.source.tree, how, extra)

    # --- joins -------------------------------------------------------------------------------------------------------

    def merge(self, left: Value | None, right: Value | None, flag: Flag | None) -> Value:
        """A device that one of two paths chose. MPS on one excuses CUDA on the other; so does a path that this file
        does not show, if the condition asked for CUDA."""
        left, right = (None if _is_none(side) else side for side in (left, right))
        if left is None or right is None:
            return left or right or UNKNOWN
        places: frozenset[Place] = frozenset()
        for side in (left, right):
            places |= side.places if isinstance(side, Device) else {OUTSIDE_PLACE}
        asks = flag is not None and (has(flag.when_true, "cuda") or has(flag.when_false, "cuda"))
        kinds = {place.kind for place in places}
        if kinds & PORTABLE or asks and not (_certain(left) and _certain(right)):
            self.excused.update(p.origin for p in places if p.kind == "cuda" and p.origin is not None)
        if "cpu" in kinds:
            self.alternatives.update(p.origin for p in places if p.kind == "cuda" and p.origin is not None)
        return Device(places)

    def merge_all(self, results: Iterable[tuple[Value, Guards]]) -> Value:
        """The device that a function returns, one way or another."""
        merged: Value | None = None
        for value, guards in results:
            merged = value if merged is None else self.merge(merged, value, Flag(guards, NOTHING))
        return merged or UNKNOWN

    # --- the verdict -------------------------------------------------------------------------------------------------

    def decide(self, run: Interpreter) -> None:
        """Notes, for each literal that nothing excuses, what it is; a choice is noted once for what asked for CUDA."""
        chosen: set[ast.AST] = set()
        for origin in sorted(self.uses, key=_position):
            uses = self._decisive(origin)
            if not uses or origin in self.excused:
                continue
            bare = [use for use in uses if not contradicts(use.guards, AS_WRITTEN)]
            first = min(bare or uses, key=lambda use: (has(use.guards, "default"), has(use.guards, "option")))
            run.guards = first.guards
            if not bare or has(first.guards, "option") and origin in self.alternatives:
                asked = cause(first.guards) or origin
                if asked not in chosen:
                    chosen.add(asked)
                    run.note("cuda-or-cpu", origin, first.how)
            elif first.how == "method":
                run.note("cuda-method", origin)
            elif first.how != "type":
                run.note("cuda-literal", origin, first.how)
            run.guards = NOTHING

    def _decisive(self, origin: ast.AST) -> list[Use]:
        """The uses of a literal that matter: what a Mac can come to, and what is done with it rather than its name.

        Where only CUDA machines come, a device that goes nowhere is no choice.
        """
        uses = [use for use in self.uses[origin] if not contradicts(use.guards, _ELSEWHERE)]
        uses = [use for use in uses if use.how not in _SAYS_LITTLE] or uses
        return [
            use
            for use in uses
            if use.how not in ("local", "made") or origin in self.alternatives or not contradicts(use.guards, AS_WRITTEN)
        ]


def _certain(value: Value) -> bool:
    """True for a device all of whose places the file shows."""
    return isinstance(value, Device) and "outside" not in value.kinds


def _is_none(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is None


def _position(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]

"""Which device literals are put to use, under which guards, and which choices can be MPS.

A literal is judged once, when the whole file has run: used where nothing asks for CUDA, it is hard-coded; used only
where CUDA is there, it is a choice between CUDA and the CPU; met on any path by MPS, it is a portable choice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from . import tables
from .guards import AS_WRITTEN, NOTHING, Guards, cause, contradicts, has
from .names import dotted, names_device, subject
from .values import OUTSIDE_DEVICE, OUTSIDE_PLACE, UNKNOWN, Const, Device, Flag, Items, Name, Place, TensorType, Value

if TYPE_CHECKING:
    from .frames import Frame
    from .interpreter import Interpreter

PORTABLE = frozenset({"mps", "portable"})
_ASKS = ("cuda", "cuda-device")  # a condition that asks for CUDA, in the machine or of what is at hand
_ELSEWHERE = {"mac": True, "mps": True, "past": False, "behind": False, "torch": True, "onnxruntime": False}  # what these keep from a Mac


_SAYS_LITTLE = ("named", "local", "made", "option")


class Use(NamedTuple):
    """A use of a CUDA device.

    ``how``: an ``argument``, a ``map_location``, a ``method`` (.cuda()), a ``type`` (torch.cuda.FloatTensor); or, which
    says less: ``named`` where others can see it, ``local`` for a variable, ``made`` by torch.device(), ``option`` for a
    default of the command line.
    """

    how: str
    node: ast.AST
    guards: Guards


class Arm(NamedTuple):
    """What one arm of a choice did with devices: CUDA it named, things it moved to MPS, and whether MPS came up at all.

    ``count``, ``moves`` and ``services`` are how often each had happened when the arm ended.
    """

    origins: frozenset[ast.AST]
    moved: frozenset[str]
    served: frozenset[str]
    portable: bool
    count: int
    moves: int
    services: int

    def excuse_if(self, other: Arm, log: DeviceLog, asked: bool = True) -> None:
        """CUDA in this arm is one side of a portable choice when another arm has MPS, for the same thing if for one.

        Where the condition has not ``asked`` for the machine, that holds of guarded CUDA alone."""
        if other.served:
            log.excused.update(origin for origin in self.origins if log.receiver(origin) in other.served)
        if other.portable and (asked or other.moved):
            log.excused.update(
                origin for origin in self.origins
                if log.same_thing(origin, other.moved) and (asked or log.is_guarded(origin))
            )

    def excuse_since(self, log: DeviceLog) -> None:
        """This arm left the block: what followed it there is its other arm."""
        moved = frozenset(log.moved[self.moves :])
        served = moved.union(log.served[self.services :])
        log.excused.update(origin for origin in self.origins if log.receiver(origin) in served)
        if log.portable > self.count:
            log.excused.update(origin for origin in self.origins if log.same_thing(origin, moved))


class Mark(NamedTuple):
    """A moment of the log; ``until`` tells what has happened since."""

    places: int
    moves: int
    services: int
    portable: int

    def until(self, log: DeviceLog) -> Arm:
        moved, served = frozenset(log.moved[self.moves :]), frozenset(log.served[self.services :])
        return Arm(frozenset(log.trail[self.places :]), moved, served, log.portable > self.portable, log.portable, len(log.moved),
                   len(log.served))


class DeviceLog:
    """Everything that happened to device literals in one file."""

    def __init__(self) -> None:
        self.uses: dict[ast.AST, list[Use]] = {}
        self.types: dict[ast.AST, tuple[str, str]] = {}  # how a tensor type is used, and its name
        self.bound: dict[ast.AST, Frame] = {}  # targets that were given a device, and the function that gave it
        self.compared: set[ast.AST] = set()  # literals of devices that are compared as they are made
        self.excused: set[ast.AST] = set()
        self.alternatives: set[ast.AST] = set()  # met the CPU where paths join
        self.or_none: set[ast.AST] = set()  # met None there: where nothing is done with one, it is no choice
        self.options_read: set[ast.AST] = set()  # defaults of the command line that the file asks for
        self.handed: set[ast.AST] = set()  # what functions that the file does not show were given
        self.narrowed: dict[ast.AST, Guards] = {}  # what holds where a literal has got past the last choice
        self.trail: list[ast.AST] = []
        self.moved: list[str] = []  # the names of what was moved to MPS
        self.served: list[str] = []  # and to a device from outside, which may be MPS
        self.portable = 0

    def mark(self) -> Mark:
        return Mark(len(self.trail), len(self.moved), len(self.served), self.portable)

    def is_guarded(self, origin: ast.AST) -> bool:
        return all(contradicts(use.guards, AS_WRITTEN) for use in self.uses.get(origin, ()))

    @staticmethod
    def receiver(origin: ast.AST) -> str | None:
        """``x`` of ``x.cuda()``, and of ``x.pin_memory().cuda()``."""
        value = origin.func.value if isinstance(origin, ast.Call) and isinstance(origin.func, ast.Attribute) else None
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            value = value.func.value
        return dotted(value) if value is not None else None

    @staticmethod
    def same_thing(origin: ast.AST, moved: frozenset[str]) -> bool:
        """False for ``a.cuda()`` where other things than ``a`` are moved to MPS."""
        receiver = DeviceLog.receiver(origin)
        return receiver is None or not moved or any(receiver == name or receiver.startswith(f"{name}.") for name in moved)

    # --- what happens ------------------------------------------------------------------------------------------------

    def literal(self, run: Interpreter, node: ast.expr, kind: str, guards: Guards = NOTHING) -> Device:
        """The device that an expression names; ``guards`` hold there beside those that hold here."""
        if kind in PORTABLE:
            self.portable += 1
        elif kind == "cuda":
            self.trail.append(node)
            run.literal_guards[node] = run.guards
        return Device(frozenset({Place(kind, node, run.guards | guards)}))

    def tensor_type(self, run: Interpreter, name: str, node: ast.expr) -> TensorType:
        """The CUDA tensor type that an expression names."""
        run.literal_guards.setdefault(node, run.guards)
        return TensorType(name, node)

    def typed(self, run: Interpreter, name: Name, node: ast.expr) -> Value:
        """A canonical name, or the CUDA tensor type that it is."""
        return self.tensor_type(run, name.name, node) if tables.CUDA_TYPE.match(name.name) else name

    def type_used(self, run: Interpreter, value: Value | None, node: ast.AST, how: str) -> None:
        """A tensor type makes a tensor (``called``), casts one (``cast``) or becomes the default."""
        if isinstance(value, TensorType):
            self.types[value.origin] = (how, value.name)
            guards = run.literal_guards.get(value.origin, NOTHING) | run.guards
            if not has(guards, "caught RuntimeError" if how == "cast" else "caught TypeError"):
                self.use(value.origin, Use("type", node, guards))

    def excuse(self, value: Value | None) -> None:
        """CUDA here is one side of a choice that can be MPS."""
        if isinstance(value, Device):
            self.excused.update(place.origin for place in value.places if place.origin is not None)

    def used(self, run: Interpreter, value: Value, node: ast.AST, how: str, extra: Guards = NOTHING) -> None:
        """A value is put where a device belongs; in a method called ``cuda``, that is what its caller asked for, and so is
        what a function of such a name gives."""
        asked_for = run.frame.name == "cuda" or "cuda" in run.frame.name and how in _SAYS_LITTLE
        if isinstance(value, Device) and not asked_for:
            if value.kinds & PORTABLE:
                self.excuse(value)
            for place in value.places:
                if place.kind == "cuda" and place.origin is not None and run.hands_on(how):
                    if how == "argument" and len(value.places) == 1:
                        run.needs_cuda(node)
                    self.use(place.origin, Use(how, node, place.guards | run.guards | extra))

    def read(self, value: Value) -> Value:
        """What the command line says, or its default, where the file asks for it."""
        self.options_read.update(_origins(value))
        return value

    def handed_on(self, values: Iterable[Value]) -> None:
        """What becomes of a device that is given to others, they know."""
        for value in values:
            self.handed.update(_origins(value))

    def moving(self, node: ast.Call, value: Device) -> None:
        """A move to a device that can be MPS."""
        name = dotted(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if value.kinds & PORTABLE and name is not None:
            self.moved.append(name)
        elif "outside" in value.kinds and name is not None:
            self.served.append(name)

    def use(self, origin: ast.AST, use: Use) -> None:
        uses = self.uses.setdefault(origin, [])
        if use not in uses:
            uses.append(use)
        self.trail.append(origin)

    def probed(self, statement: ast.expr) -> None:
        """``torch.zeros(1).cuda()`` where a failure is handled, kept by nobody: a question, and no choice."""
        inside = set(ast.walk(statement))
        for origin, uses in self.uses.items():
            if any(use.node in inside for use in uses):
                self.uses[origin] = [u for u in uses if u.node not in inside or not contradicts(u.guards, AS_WRITTEN)]

    @staticmethod
    def by_name(name: str, value: Value) -> Value:
        """What nothing is known of, under the name of a device, is a device from outside."""
        return OUTSIDE_DEVICE if value is UNKNOWN and names_device(name) else value

    def chosen(self, run: Interpreter, value: Value, node: ast.AST) -> None:
        """A value is returned or handed on; a choice between CUDA and the CPU is one of devices whatever its name."""
        if isinstance(value, Device) and {"cuda", "cpu"} <= value.kinds:
            self.used(run, value, node, "named")

    def named(
        self, run: Interpreter, name: str, value: Value, target: ast.expr | None = None, how: str = "named"
    ) -> None:
        """A value gets a name; a device with the name of a device is meant to be one."""
        if isinstance(value, Device) and names_device(name):
            self.used(run, value, target or run.source.tree, how)
            if target is not None:
                self.bound[target] = run.frame

    def overwritten(self, run: Interpreter, held: Value | None, target: ast.expr, name: str) -> None:
        """A device gives way to another value of its name before anybody can have read it: that it had one was no use."""
        if not isinstance(held, Device) or run.arms:
            return
        for origin in {place.origin for place in held.places} & self.uses.keys():
            dead = [
                use.node.lineno for use in self.uses[origin]
                if self.bound.get(use.node) is run.frame and not _mentioned(run, name, use.node, target)
            ]
            self.uses[origin] = [u for u in self.uses[origin] if u.how not in _SAYS_LITTLE or _line(u.node) not in dead]

    # --- joins -------------------------------------------------------------------------------------------------------

    def merge(self, left: Value | None, right: Value | None, flag: Flag | None) -> Value:
        """A device that one of two paths chose. MPS on one excuses CUDA on the other; so does a device that this file
        does not show, where the condition asked for CUDA and a Mac gets that one."""
        or_none = _is_none(left) or _is_none(right)
        left, right = (None if _is_none(side) else side for side in (left, right))
        if left is None or right is None:
            value = left or right or UNKNOWN
            if or_none and isinstance(value, Device):
                self.or_none.update(place.origin for place in value.places if place.origin is not None)
            return value
        places: frozenset[Place] = frozenset()
        for side in (left, right):
            places |= side.places if isinstance(side, Device) else {OUTSIDE_PLACE}
        shown = _certain(left) and _certain(right)
        if flag is not None and flag.written is not None:
            shown = _certain(left if flag.written else right)
        asks = flag is not None and any(
            fact.kind in _ASKS for guards in (flag.when_true, flag.when_false) for fact in guards
        )
        kinds = {place.kind for place in places}
        cuda = [place for place in places if place.kind == "cuda" and place.origin is not None]
        if kinds & PORTABLE or asks and not shown:
            self.excused.update(place.origin for place in cuda)
        if "cpu" in kinds:
            self.alternatives.update(place.origin for place in cuda)
        return self.gone_on(Device(places))

    def gone_on(self, device: Device) -> Device:
        """A device past the last choice that may change it."""
        for place in device.places:
            if place.kind == "cuda" and place.origin is not None:
                self.narrowed[place.origin] = place.guards
        return device

    def merge_all(self, results: Iterable[tuple[Value, Guards]]) -> Value:
        """The device that a function returns, one way or another."""
        results = list(results)
        for_cuda = (guards for value, guards in results if isinstance(value, Device) and "cuda" in value.kinds)
        asked = NOTHING.union(*for_cuda)
        merged: Value | None = None
        for value, guards in results:
            merged = value if merged is None else self.merge(merged, value, Flag(guards | asked, NOTHING))
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
            first = min(bare or uses, key=_asked_for)
            run.guards = first.guards
            asked_for = has(first.guards, "option") or has(first.guards, "default")
            if not bare or asked_for and origin in self.alternatives:
                asked = cause(first.guards) or origin
                if asked not in chosen and not has(first.guards, "several") and not self._only_loads(run, origin):
                    chosen.add(asked)
                    run.note("cuda-or-cpu", origin, first.how)
            elif first.how == "method":
                run.note("cuda-method", origin)
            elif first.how == "type":
                run.note("cuda-type", origin, *self.types[origin])
            else:
                run.note("cuda-literal", origin, first.how)
            run.guards = NOTHING

    def _only_loads(self, run: Interpreter, origin: ast.AST) -> bool:
        """True for a device that a state is read to: load_state_dict() copies it to where its module stands."""
        hows = {use.how for use in self.uses[origin]}
        return "map_location" in hows <= {"map_location", "local", "made"} and "load_state_dict" in run.source.text

    def _decisive(self, origin: ast.AST) -> list[Use]:
        """The uses of a literal that matter: what a Mac can come to, and what is done with it rather than its name.

        Where only CUDA machines come, a device that goes nowhere is no choice.
        """
        later = self.narrowed.get(origin, NOTHING)
        uses = [use._replace(guards=use.guards | later) if use.how in _SAYS_LITTLE else use for use in self.uses[origin]]
        uses = [use for use in uses if not contradicts(use.guards, _ELSEWHERE)]
        if origin in self.options_read - self.handed:
            uses = [use for use in uses if use.how != "option"]  # the file shows what is done with it
        if origin in self.compared:
            uses = [use for use in uses if use.how != "made"]
        uses = [use for use in uses if use.how not in _SAYS_LITTLE] or uses
        little = _SAYS_LITTLE if origin in self.or_none else ("local", "made")
        return [
            use
            for use in uses
            if use.how not in little or origin in self.alternatives or not contradicts(use.guards, AS_WRITTEN)
        ]


def narrowed(device: Device, ways: tuple[Guards, ...], name: str) -> Device | None:
    """The places that a device of this name can be after a condition: after ``device != "cuda" or
    torch.cuda.is_available()``, CUDA only where it is there. None where the condition leaves no place."""
    if not any(ways):
        return device
    places = {kept for way in ways for place in device.places if (kept := _after(place, way, name)) is not None}
    return Device(frozenset(places)) if places else None


def _after(place: Place, way: Guards, name: str) -> Place | None:
    """A place after one way through a condition; None where it is ruled out."""
    for fact in way:
        kind, _, about = fact.kind.partition("-")
        if about == "device" and subject(fact.origin) == name and place.kind != "outside":
            if (place.kind == kind) != fact.holds:
                return None
    asked = frozenset(fact for fact in way if fact.kind in ("cuda", "mps", "mac", "other", "option"))
    return place._replace(guards=place.guards | asked) if place.kind == "cuda" and asked else place


def _asked_for(use: Use) -> tuple[bool, ...]:
    """Orders uses: what comes of itself before what somebody has to ask for."""
    return tuple(has(use.guards, kind) for kind in ("several", "default", "option"))


def _mentioned(run: Interpreter, name: str, first: ast.expr, then: ast.expr) -> bool:
    """Whether a name comes up between two assignments, or in what the second assigns."""
    lines = run.source.lines[first.lineno : then.lineno - 1]
    lines.append(run.source.lines[then.lineno - 1].partition("=")[2])
    return any(re.search(rf"(?<![\w.]){re.escape(name)}\b", line) for line in lines)


def _origins(value: Value) -> Iterable[ast.AST]:
    values = value.items if isinstance(value, Items) else (value,)
    places = (place for each in values if isinstance(each, Device) for place in each.places)
    return [place.origin for place in places if place.origin is not None]


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _certain(value: Value) -> bool:
    """True for a device all of whose places the file shows."""
    return isinstance(value, Device) and "outside" not in value.kinds


def _is_none(value: Value | None) -> bool:
    return isinstance(value, Const) and value.value is None


def _position(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]

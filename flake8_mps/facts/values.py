"""What facts can know of a value: a small lattice whose top, UNKNOWN, never reports anything.

Where a tensor or a module stands is one of ``CPU``, ``GPU`` (MPS, once ported), ``OUTSIDE`` (a device that this file
does not choose: it may be MPS), ``SOME`` (that of a tensor of which nothing is known) or None (not known). Equality
leaves trails aside, so that loops reach a fixed point.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..finding import Step
from .guards import NOTHING, Guards, common

CPU, GPU, OUTSIDE, SOME = "cpu", "gpu", "outside", "some"


class Place(NamedTuple):
    """One device that a value can name. ``origin`` is the expression that names it, ``guards`` what holds there."""

    kind: str  # cpu, cuda, mps, portable (an accelerator of whatever kind), outside, some, other
    origin: ast.AST | None = None
    guards: Guards = NOTHING


# Values are never changed; they are not frozen only because that triples what it costs to make one.
value = dataclass(unsafe_hash=True, repr=False)


class Value:
    """Anything an expression can evaluate to."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"


class _Unknown(Value):
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def of_dtype(trail: tuple[Step, ...]) -> tuple[Step, ...]:
    """How a value came by its dtype."""
    return tuple(step for step in trail if step.about == "dtype")


def of_place(trail: tuple[Step, ...], whose: str = "") -> tuple[Step, ...]:
    """How a value came where it stands; ``whose`` is told where the story is of several values."""
    return tuple(step._replace(text=whose + step.text) for step in trail if step.about == "place")


@value
class Name(Value):
    """Something imported or built in, by its canonical dotted name: ``torch.cuda.is_available``."""

    name: str


@value
class Const(Value):
    """A number, text, bool or None written in the source."""

    value: Any


@value
class Device(Value):
    """A device, or the text of one: every place it can be."""

    places: frozenset[Place]

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(place.kind for place in self.places)


@value
class Flag(Value):
    """A condition: what it says of the machine when it holds and when it does not, and whether it holds in each world."""

    when_true: Guards
    when_false: Guards
    ported: bool | None = None
    written: bool | None = None
    ways_true: tuple[Guards, ...] = ()  # where it is an ``or``: what holds in each of the ways to be true
    ways_false: tuple[Guards, ...] = ()  # where it is an ``and``: to be false

    def opposite(self) -> Flag:
        truths = _opposite(self.ported), _opposite(self.written)
        return Flag(self.when_false, self.when_true, *truths, self.ways_false, self.ways_true)

    def true(self) -> tuple[Guards, ...]:
        """What holds in each way for it to be true."""
        return self.ways_true or (self.when_true,)

    def false(self) -> tuple[Guards, ...]:
        """What holds in each way for it to be false."""
        return self.ways_false or (self.when_false,)


@value
class Tensor(Value):
    """A torch tensor. ``batched``: certainly not 0-dimensional. ``host_data``: its dtype was NumPy's or Python's choice.

    ``origin``: where a tensor on the CPU was made (a factory's name) or kept (``self.pe = ...``), the node to mend.
    """

    at: str | None = None
    dtype: str | None = None
    batched: bool = False
    host_data: bool = field(default=False, compare=False)
    trail: tuple[Step, ...] = field(default=(), compare=False)
    origin: Any = field(default=None, compare=False)


@value
class TensorType(Value):
    """``torch.cuda.FloatTensor`` or its name as text; ``origin`` is where the code names it."""

    name: str
    origin: Any = field(default=None, compare=False)


@value
class Array(Value):
    """A NumPy array or scalar, or a pandas object, always on the CPU."""

    dtype: str | None = None
    trail: tuple[Step, ...] = field(default=(), compare=False)
    shaped: bool = field(default=False, compare=False)  # certainly no scalar


@value
class Module(Value):
    """A torch module by the place that made it; where it stands is in the store, for it moves in place.

    ``cls``: a ``classes.ClassInfo``, or STATELESS, or None. ``layer``: the class of torch.nn.
    """

    site: ast.AST
    cls: Any = field(default=None, compare=False)
    layer: str = field(default="", compare=False)


@value
class Standing(Value):
    """Where a module stands now, and its floating dtype. Without parameters a module stands nowhere (at=None)."""

    at: str | None = None
    dtype: str | None = None
    trail: tuple[Step, ...] = field(default=(), compare=False)


@value
class Registered(Value):
    """A parameter or a buffer: it goes where its module goes, and while that is being made nobody knows where."""

    dtype: str | None = None


@value
class Moved(Value):
    """A tensor or a module (the file does not say which) that was moved."""

    at: str | None
    trail: tuple[Step, ...] = field(default=(), compare=False)
    as_statement: bool = False  # nobody kept what the move gave: if this is a tensor, it stayed


@value
class Items(Value):
    """A tuple or list of known length."""

    items: tuple[Value, ...]


@value
class Many(Value):
    """Any number of values alike: a list being filled, a DataLoader, a generator."""

    each: Value


@value
class Batch(Value):
    """What a DataLoader gives: a tensor, or tuples and dicts of them."""

    each: Tensor


@dataclass(eq=False, repr=False)
class Table(Value):
    """A dict with constant keys, itself and no other."""

    items: dict[Any, Value]


@value
class Function(Value):
    """A function of this file, with the variables around it and, for a method, the object."""

    node: Any
    around: dict[str, Value] | None = field(default=None, compare=False)
    owner: Value | None = None


@value
class Class(Value):
    """A class of this file; ``info`` is a ``classes.ClassInfo``."""

    info: Any


@value
class Instance(Value):
    """An object of a class of this file that is no torch module."""

    info: Any


@value
class Imported(Value):
    """A function, a class or an object of another file of the project; ``run`` is the run over that file."""

    what: Value
    run: Any = field(compare=False)
    name: str = field(default="", compare=False)  # canonical


@value
class Namespace(Value):
    """What ``parse_args()`` returns."""


# --- joins -----------------------------------------------------------------------------------------------------------


def join_at(left: str | None, right: str | None) -> str | None:
    """Where something can be that came one of two ways; GPU and OUTSIDE are both "maybe MPS", SOME is less."""
    if left == right:
        return left
    if left not in (GPU, OUTSIDE, SOME) or right not in (GPU, OUTSIDE, SOME):
        return None
    return SOME if SOME in (left, right) else OUTSIDE


def join(left: Value | None, right: Value | None) -> Value:
    """The value of a name that two paths bound. None stands for unbound and gives way."""
    if left is None or right is None or left is right:
        return left or right or UNKNOWN
    if left == right:
        return left
    kind = type(left)
    if kind is not type(right):
        return _join_unlike(left, right)
    if kind is Device:
        return Device(left.places | right.places)
    if kind is Name and IDLE in (left, right):
        return right if left == IDLE else left  # precision = autocast if args.amp else nullcontext
    if kind is Tensor:
        return Tensor(
            join_at(left.at, right.at),
            left.dtype if left.dtype == right.dtype else None,
            left.batched and right.batched,
            left.host_data and right.host_data,
            left.trail if left.trail == right.trail else _either_story(left.trail, right.trail),
            left.origin if left.origin is right.origin else None,
        )
    if kind is Array:
        return Array(None)
    if kind is Standing:
        return Standing(join_at(left.at, right.at), left.dtype if left.dtype == right.dtype else None, left.trail)
    if kind is Moved:
        return Moved(join_at(left.at, right.at), left.trail)
    if kind is Flag:
        return Flag(
            common(left.when_true, right.when_true),
            common(left.when_false, right.when_false),
            left.ported if left.ported == right.ported else None,
            left.written if left.written == right.written else None,
        )
    if kind is Many:
        return Many(join(left.each, right.each))
    if kind is Items and len(left.items) == len(right.items):
        return Items(tuple(map(join, left.items, right.items)))
    return UNKNOWN


def _either_story(left: tuple[Step, ...], right: tuple[Step, ...]) -> tuple[Step, ...]:
    """One of two stories, of the dtype and of the place alike: either would have led here."""
    return (of_dtype(left) or of_dtype(right)) + (of_place(left) or of_place(right))


def _join_unlike(left: Value, right: Value) -> Value:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Device):
            return Device(one.places | {OUTSIDE_PLACE}) if not _is_none(other) else one
        if isinstance(one, (Name, Class, Function)) and _is_none(other):
            return one  # try: import x / except ImportError: x = None
        if isinstance(one, Flag) and isinstance(other, Const) and other.value is False:
            return Flag(one.when_true, NOTHING, one.ported, one.written if one.written is False else None)
        if isinstance(one, TensorType):
            return one
        if isinstance(one, Registered) and isinstance(other, Tensor) and other.origin is not None:
            return other  # self.eps is a parameter if it is learned, and else was left on the CPU
        if isinstance(one, Moved) and isinstance(other, Tensor):
            return Moved(join_at(one.at, other.at), one.trail)
    return UNKNOWN


def _opposite(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


IDLE = Name("contextlib.nullcontext")
OUTSIDE_PLACE = Place("outside")
OUTSIDE_DEVICE = Device(frozenset({OUTSIDE_PLACE}))
SOME_LOADER = Many(Batch(Tensor(batched=True)))  # a data loader from outside: tensors, who knows where
SOME_DEVICE = Device(frozenset({Place("some")}))  # that of a tensor of which nothing is known
OTHER_DEVICE = Device(frozenset({Place("other")}))
CPU_DEVICE = Device(frozenset({Place("cpu")}))
MPS_DEVICE = Device(frozenset({Place("mps")}))
PORTABLE_DEVICE = Device(frozenset({Place("portable")}))


def standing_on(device: Device) -> str | None:
    """Where a move to ``device`` leads once ported: every value that chooses the GPU is MPS."""
    kinds = device.kinds
    if kinds & {"cuda", "mps", "portable"}:
        return GPU
    if "outside" in kinds:
        return OUTSIDE
    if "some" in kinds:
        return SOME
    return CPU if kinds == {"cpu"} else None

"""Classes of the file: what their objects hold, found by running ``__init__`` once."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..shapes import FUNCTIONS
from . import tables
from .guards import NOTHING, Guards
from .values import UNKNOWN, Class, Function, Imported, Module, Moved, Name, Tensor, Value

if TYPE_CHECKING:
    from ..source import Source
    from .interpreter import Interpreter

_WRITTEN = re.compile(r"self\.(\w+)(?:\s*:[^=\n]+)?\s*=(?!=)")
_MOVED = re.compile(r"self\.(\w+)\.(?:to|cuda|cpu|double|half|float)\(")
_KEPT = re.compile(r"self\.(\w+)\s*=\s*\w+[ \t]*$", re.MULTILINE)
_MODULE_BASES = re.compile(r"^torch\.nn\.|(?:^|\.)(?:\w*Module|\w*PreTrainedModel|ModelMixin)$")


@dataclass(eq=False)
class ClassInfo:
    """One class: its methods, and the attributes that ``__init__`` and the class body give its objects."""

    node: ast.ClassDef
    source: Source
    bases: tuple[Value, ...]
    around: dict[str, Value] | None
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    attributes: dict[str, Value] = field(default_factory=dict)
    store: dict[ast.AST, Value] = field(default_factory=dict)
    initialised: bool = False
    behind: Guards = NOTHING  # the imports of what no Mac has that ``__init__`` makes: nobody has an object there
    is_declared: bool = False  # the project says that it is a module
    open: bool = False  # setattr() somewhere in the file may set any attribute

    def mro(self) -> list[ClassInfo]:
        """This class and its bases in the same file, nearest first; a class that inherits itself ends there."""
        return self._mro

    @cached_property
    def _mro(self) -> list[ClassInfo]:
        order: list[ClassInfo] = []
        todo = [self]
        while todo:
            info = todo.pop(0)
            if info not in order:
                order.append(info)
                todo.extend(base.info for base in info.bases if isinstance(base, Class))
        return order

    @cached_property
    def is_module(self) -> bool:
        """True for subclasses of torch.nn.Module and of the classes that other packages derive from it."""
        return any(info.is_declared for info in self.mro()) or any(
            isinstance(base, Name) and _MODULE_BASES.search(base.name)
            or isinstance(base, Imported) and isinstance(base.what, Class) and base.what.info.is_module
            for info in self.mro() for base in info.bases
        )

    @cached_property
    def may_be_module(self) -> bool:
        """True also where a base that this file does not show may make it one."""
        return self.is_module or any(
            not isinstance(base, Class) and getattr(base, "name", "") not in tables.PLAIN_BASES
            and not (isinstance(base, Imported) and isinstance(base.what, Class) and not base.what.info.may_be_module)
            for info in self.mro() for base in info.bases
        )

    @cached_property
    def text(self) -> str:
        return "\n".join(self.source.lines[self.node.lineno - 1 : self.node.end_lineno])

    @cached_property
    def _later(self) -> str:
        """The text of the methods other than ``__init__``."""
        methods = (node for node in self.node.body if isinstance(node, FUNCTIONS) and node.name != "__init__")
        return "\n".join(line for node in methods for line in self.source.lines[node.lineno - 1 : node.end_lineno])

    @cached_property
    def rewritten(self) -> frozenset[str]:
        """The attributes that methods other than ``__init__`` assign."""
        return frozenset(_WRITTEN.findall(self._later))

    @cached_property
    def moved(self) -> frozenset[str]:
        """And those that they move, in place if they are modules."""
        return frozenset(_MOVED.findall(self._later))

    def registers(self, name: str) -> bool:
        """True when the class hands an attribute on to a container of torch's, an element of it to a call, or registers
        what is in it."""
        wrapped = re.compile(rf"(?:List|Sequential|Dict)\(\s*\*{{0,2}}\s*self\.{name}\b|add_module\(|setattr\(|register_module\("
                             rf"|[(,=]\s*self\.{name}\[[^\]:]*\]\s*[,)]")
        return any(wrapped.search(info.text) for info in self.mro())

    @cached_property
    def places_itself(self) -> bool:
        """True for a class whose text names devices: where its parts stand is its own affair."""
        return any(word in self.text for word in (".cuda(", ".to(", "device="))

    @cached_property
    def calls_what_it_is_given(self) -> bool:
        """True for a class that keeps an argument and calls it: a module from outside, wherever that stands."""
        return any(f"self.{name}(" in self.text for name in _KEPT.findall(self.text))

    def method(self, name: str) -> Function | None:
        for info in self.mro():
            if name in info.methods:
                return Function(info.methods[name], info.around)
        return None

    def attribute(self, name: str) -> Value:
        """What an object holds under this name when a method begins; UNKNOWN where other methods rewrite it."""
        for info in self.mro():
            if name in info.rewritten:
                return UNKNOWN
        for info in self.mro():
            if name in info.attributes:
                value = info.attributes[name]
                in_place = isinstance(value, (Module, Moved)) and any(name in base.moved for base in self.mro())
                set_by_name = self.open and isinstance(value, (Module, Moved, Tensor))
                return UNKNOWN if in_place or set_by_name else value
        return UNKNOWN


def describe(run: Interpreter, node: ast.ClassDef, bases: tuple[Value, ...]) -> ClassInfo:
    """The class of a definition."""
    methods = {statement.name: statement for statement in node.body if isinstance(statement, FUNCTIONS)}
    info = ClassInfo(node, run.source, bases, run.around(), methods, open=run.sets_by_name)
    names = [value.name for value in (*bases, run.declared(node.name)) if isinstance(value, Name)]
    info.is_declared = not run.module_types.isdisjoint(names)
    return info

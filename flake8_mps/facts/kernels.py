"""Calls that rules ask about by name, on tensors of the device: whether MPS has a kernel for them, a table says.

What runs on the device is known from the tensor it is given, from where it makes its own, or from the module that it is
a part of: layers without weights, which stand nowhere, run where the others do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..finding import Step
from . import tables
from .arithmetic import MAYBE_MPS, as_tensor
from .classes import ClassInfo
from .events import Event
from .functions import modules_in
from .guards import Guards
from .values import OUTSIDE, UNKNOWN, Items, Many, Module, Table, Tensor, Value, of_place

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter

METHOD = "torch.Tensor."
OF_MODULE = "module"
"""The detail of an event where all that is known is that a module does this: it stands where its user puts it."""


@dataclass(frozen=True)
class _Call:
    name: str
    info: ClassInfo | None  # the class whose code it is in
    guards: Guards
    trail: tuple[Step, ...] = ()
    certain: bool = False  # on the device, whoever uses the class


class Kernels:
    """The calls of one file. ``names`` are canonical: "torch.linalg.eigh", "torch.Tensor.mode", "torch.nn.CTCLoss"."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.methods = frozenset(name.removeprefix(METHOD) for name in names if name.startswith(METHOD))
        self.layers: dict[ast.AST, _Call] = {}
        self._calls: dict[ast.AST, _Call] = {}
        self._moved: list[Module] = []

    # --- while the code is followed ----------------------------------------------------------------------------------

    def called(self, run: Interpreter, node: ast.Call, name: str, args: Arguments, result: Value) -> None:
        """A function of torch, or a layer that is made."""
        if name not in self.names:
            return
        if name.startswith("torch.nn.") and name.rpartition(".")[2][:1].isupper():
            self.layers.setdefault(node, _Call(name, run.frame.info, run.guards))
            return
        operand = result if name in tables.FACTORIES else self._operand(run, node, args)
        if operand is not None:
            self._note(run, self._calls, node, name, operand)

    def method(self, run: Interpreter, node: ast.Call, attr: str, receiver: Value) -> None:
        """A method of a tensor; of what may be a module or a batch, one that these do not have."""
        tensor = as_tensor(receiver) if isinstance(receiver, Tensor) or attr in tables.OF_TENSORS else None
        if isinstance(tensor, Tensor):
            self._note(run, self._calls, node, METHOD + attr, tensor)

    def forward(self, run: Interpreter, node: ast.Call, module: Module, args: Arguments) -> None:
        """A layer is called."""
        operand = self._operand(run, node, args)
        if operand is not None and operand.at in MAYBE_MPS:
            made = self.layers[module.site]
            self._note(run, self.layers, module.site, made.name, operand, made.info)

    def moved(self, module: Module) -> None:
        """A module is put on what may be MPS."""
        self._moved.append(module)

    def _operand(self, run: Interpreter, node: ast.Call, args: Arguments) -> Tensor | None:
        """The first tensor that a call is given. In a module, an input of which nothing is known has to be one, for a
        function of torch takes it."""
        first = node.args[0] if node.args else None
        if args.positional and args.positional[0] is UNKNOWN and run.frame.in_forward:
            if isinstance(first, ast.Name) and first.id in run.frame.inputs:
                return Tensor(OUTSIDE)
        tensors = (as_tensor(value) for value in _parts(args))
        return next((value for value in tensors if isinstance(value, Tensor)), None)

    def _note(
        self, run: Interpreter, calls: dict[ast.AST, _Call], node: ast.AST, name: str, tensor: Tensor,
        info: ClassInfo | None = None,
    ) -> None:
        if tensor.at not in MAYBE_MPS:
            return
        trail, info = of_place(tensor.trail), info or run.frame.info
        certain = tensor.at != OUTSIDE or bool(trail) or info is None or not info.is_module
        before = calls.get(node)
        if before is None or certain and not before.certain:
            calls[node] = _Call(name, info, before.guards if before else run.guards, trail, certain)

    # --- when all is followed ----------------------------------------------------------------------------------------

    def decide(self, run: Interpreter) -> None:
        """Notes what runs on the device, or goes there with its module."""
        if not self._calls and not self.layers:
            return
        sites, classes = self._on_device(run)
        for node, call in (*self._calls.items(), *self.layers.items()):
            of_module = call.info is not None and call.info.is_module
            certain = call.certain or node in sites or call.info in classes
            if certain or of_module:
                event = Event("on-device", node, call.name, call.guards, call.trail, "" if certain else OF_MODULE)
                run.events[("on-device", node, call.name)] = event

    def _on_device(self, run: Interpreter) -> tuple[set[ast.AST], set[ClassInfo]]:
        """The modules that were moved, by where they were made, and their classes; and what these consist of."""
        sites: set[ast.AST] = set()
        classes: set[ClassInfo] = set()
        todo = list(self._moved)
        while todo:
            module = todo.pop()
            if module.site in sites:
                continue
            sites.add(module.site)
            todo += run.children.get(module.site, ())
            for info in module.cls.mro() if isinstance(module.cls, ClassInfo) else ():
                classes.add(info)
                todo += (part for value in info.attributes.values() for part in modules_in(value))
        return sites, classes


def _parts(args: Arguments) -> Iterator[Value]:
    """The arguments, those in lists one by one."""
    for value in args.all():
        if isinstance(value, Items):
            yield from value.items
        elif isinstance(value, Table):
            yield from value.items.values()
        else:
            yield value.each if isinstance(value, Many) else value

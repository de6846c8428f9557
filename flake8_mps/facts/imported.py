"""What a file imports from its own project: the meaning of relative imports, and the project's other files.

Another file is run like this one, by a run of its own, and only its module code and what is called of it. Its values
come here without the places where they were written: what is wrong there is found when that file is linted. All of it
belongs to the run over one file, so that no finding depends on which files were linted before.
"""

from __future__ import annotations

import ast
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..finding import Step
from ..imports import Place as FilePlace
from ..imports import module_file, parsed, place_of
from . import calls, functions, lookups, modules, releases
from .arithmetic import GIVEN
from .calls import Arguments
from .classes import ClassInfo
from .conditions import asks
from .devices import PORTABLE
from .guards import Guards
from .values import (
    UNKNOWN, Array, Batch, Class, Const, Device, Flag, Function, Imported, Instance, Items, Many, Module, Moved, Name,
    Namespace, Place, Standing, Table, Tensor, TensorType, Value, of_dtype, of_place,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter

DEEPEST = 4  # files: an import of an import of ...
MOST = 32  # files read for one
KNOWN = frozenset({"torch", "numpy", "builtins"})  # tables say what these do, even to whoever lints them
_OF_A_RUN = (Function, Class, Instance, Namespace)
_FROM_ARGUMENTS = frozenset({"float64-moved", "float64-kept"})  # harm done to what a call is given


class Project:
    """The project around one file, as the run over that file sees it."""

    def __init__(self, place: FilePlace, config: Config, files: dict[str, Interpreter | None], depth: int = 0) -> None:
        self.place = place
        self.declared = frozenset((*config.portable_devices, *config.moves, *config.modules))
        self.config = config
        self._files = files  # the runs over other files; None for the one that is linted
        self.depth = depth  # 0 for the file that is linted
        self.running = False  # the module code of the file
        self._known: dict[str, Value] = {}
        self._stand_ins: dict[ast.AST, ast.AST] = {}  # for what other files ask of the machine: where that was met here

    @classmethod
    def around(cls, path: str, config: Config) -> Project | None:
        """The project of a file; None where it says nothing of its code, and is not to be read."""
        if not (config.resolve_imports or config.portable_devices or config.moves or config.modules):
            return None
        return cls(place_of(path), config, {os.path.abspath(path): None})

    def absolute(self, level: int, module: str) -> str:
        """The module of an import; one that leads out of the project keeps its dots."""
        return self.place.absolute(level, module) or "." * level + module

    def of_this_file(self, name: str) -> Name | None:
        """The canonical name of a function or class of this file that the project has declared."""
        full = f"{self.place.module}.{name}"
        return Name(full) if full in self.declared else None

    def called_as(self, run: Interpreter) -> set[str]:
        """The names by which functions of the project are called here, as far as these may move what they are given."""
        names = {name.rpartition(".")[2] for name in self.config.moves}
        for local, value in run.globals.items():
            if type(value) is Name and type(local) is str:
                of_project = self.config.resolve_imports and value.name.partition(".")[0] not in KNOWN
                if value.name in self.config.moves or of_project and self._module_of(value.name):
                    names.add(local)
        return names

    def _module_of(self, name: str) -> Any:
        return module_file(self.place, name.rpartition(".")[0]) or module_file(self.place, name)

    # --- names -------------------------------------------------------------------------------------------------------

    def value(self, run: Interpreter, name: Name, node: ast.AST) -> Value:
        """What a name of the project stands for; the name itself where no file of the project shows that."""
        known = self._known.get(name.name)
        if known is None:
            self._known[name.name] = name  # for whoever asks while it is being found
            known = self._found(run, name, node)
            if known is name and self._is_open(name.name):
                del self._known[name.name]
            else:
                self._known[name.name] = known
        return known

    def _is_open(self, name: str) -> bool:
        """True for a name of a file that is being run, further up: it may be known later."""
        found = module_file(self.place, name.rpartition(".")[0])
        other = self._files.get(found.path) if found is not None else None
        return other is not None and other.project.running

    def _found(self, run: Interpreter, name: Name, node: ast.AST) -> Value:
        module, _, attr = name.name.rpartition(".")
        if not self.config.resolve_imports or not module or name.name in self.declared:
            return name
        other = self._run_over(run, module) if module.partition(".")[0] not in KNOWN else None
        if other is None:
            return name
        value = other.globals.get(attr) or (lookups.starred(other, attr) if other.stars else UNKNOWN)
        if type(value) is Name:
            value = other.project.value(other, value, node)
        value = self._here(value, other, node)
        if isinstance(value, Imported):
            return replace(value, name=value.name or name.name)
        return name if value is UNKNOWN else value

    def _run_over(self, run: Interpreter, module: str) -> Interpreter | None:
        """The run over the module code of another file."""
        found = module_file(self.place, module)
        if found is None or found.path in self._files:
            return self._files[found.path] if found else None
        source = parsed(found.path) if self.depth < DEEPEST and len(self._files) < MOST else None
        if source is None:
            return None
        project = Project(found.place, self.config, self._files, self.depth + 1)
        self._files[found.path] = other = type(run)(source, self.config, project)
        other.children = run.children
        project.running = True
        other.block(source.tree.body)
        project.running = False
        return other

    def attribute(self, run: Interpreter, holder: Imported, node: ast.Attribute) -> Value:
        """``config.device`` of an object, or a class, of another file."""
        if isinstance(holder.what, Instance):
            functions.initialise(holder.run, holder.what.info, [], {})
        path = ast.Name(holder.name.rpartition(".")[2], ast.Load())
        asked = ast.copy_location(ast.Attribute(path, node.attr, ast.Load()), node)
        return self._here(lookups.attribute_of(holder.run, holder.what, asked), holder.run, node)

    def inherited(self, run: Interpreter, info: ClassInfo, node: ast.Attribute) -> Value:
        """An attribute or a method that a class of this file has from a base in another."""
        for one in info.mro():
            for base in one.bases:
                if isinstance(base, Imported) and isinstance(base.what, Class):
                    value = self.attribute(run, Imported(Instance(base.what.info), base.run), node)
                    if value is not UNKNOWN:
                        return value
        return UNKNOWN

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, run: Interpreter, node: ast.Call, callee: Imported, args: Arguments) -> Value:
        """A call of what another file defines: run there, with what it does to its arguments brought back."""
        other, given = callee.run, list(functions.modules_in(Items(tuple(args.all()))))
        for module in given:
            other.env[module.site] = run.standing(module)
        guards, depth = other.guards, other.depth
        other.guards, other.depth = run.guards, run.depth + 1
        other.events.clear()
        value = _called(other, node, callee.what, args)
        if value is UNKNOWN and isinstance(callee.what, Function):  # its name may tell what its body does not
            value = asks(callee.name, node) or releases.called(run, callee.name, node, args) or UNKNOWN
        gained, other.guards, other.depth = other.guards - run.guards, guards, depth
        run.guards = run.guards | self._guards(gained, node)
        for module in given:
            run.env[module.site] = other.env.get(module.site, Standing())
        run.uses_devices = run.uses_devices or other.uses_devices
        self._answer_for(run, node, other, args)
        if isinstance(value, Device) and value.kinds & PORTABLE:
            run.devices.portable += 1
        return self._here(value, other, node, run, args)

    @staticmethod
    def _answer_for(run: Interpreter, node: ast.Call, other: Interpreter, args: Arguments) -> None:
        """Brings back what became of this file's literals and tensors: they are written here, and reported here."""
        for value in args.all():
            for place in value.places if isinstance(value, Device) else ():
                for use in other.devices.uses.pop(place.origin, ()):
                    run.devices.use(place.origin, use._replace(node=node, guards=place.guards | run.guards))
        told = [value.trail for value in args.all() if isinstance(value, (Tensor, Array))]
        trails = {*map(of_dtype, told), *map(of_place, told)} - {()}
        for event in other.events.values():
            if event.kind in _FROM_ARGUMENTS and event.trail in trails:
                run.note(event.kind, node.func, event.how, trail=event.trail)

    # --- between files -----------------------------------------------------------------------------------------------

    def _here(
        self, value: Value, other: Interpreter, node: ast.AST, run: Interpreter | None = None,
        args: Arguments | None = None,
    ) -> Value:
        """A value of another file as this one has it. What ``args`` brought there comes back as it was."""
        given = args.all() if args is not None else []
        own = {place.origin for one in given if isinstance(one, Device) for place in one.places}
        own |= {one.origin for one in given if isinstance(one, Tensor)} | {GIVEN}
        sites = {module.site: module for module in functions.modules_in(Items(tuple(given)))}

        def bring(value: Value) -> Value:
            if isinstance(value, Device):
                return Device(frozenset(
                    place if place.origin in own and place.origin else self._place(place, node)
                    for place in value.places
                ))
            if isinstance(value, Flag):
                return self._flag(value, node)
            if isinstance(value, Tensor):
                origin = value.origin if value.origin in own else None
                return replace(value, trail=_steps(value.trail, other, node, given), origin=origin)
            if isinstance(value, (Array, Moved)):
                return replace(value, trail=_steps(value.trail, other, node, given))
            if isinstance(value, Module):
                return sites.get(value.site) or self._module(value, other, node, run)
            if isinstance(value, Items):
                return Items(tuple(map(bring, value.items)))
            if isinstance(value, Table):
                return Table({key: bring(item) for key, item in value.items.items()})
            if isinstance(value, (Many, Batch)):
                return type(value)(bring(value.each))
            if isinstance(value, _OF_A_RUN):
                return Imported(value, other)
            return value if isinstance(value, (Const, Name, Imported)) else UNKNOWN

        return bring(value)

    @staticmethod
    def _module(module: Module, other: Interpreter, node: ast.AST, run: Interpreter | None) -> Value:
        """A module that another file made: where it stands is known, what it computes is not."""
        own = isinstance(module.cls, ClassInfo)
        if run is None or own and any(info.places_itself for info in module.cls.mro()):
            return UNKNOWN  # it is everybody's, or moves what it is given
        standing = other.standing(module)
        run.env[module.site] = replace(standing, trail=_steps(standing.trail, other, node, []))
        return replace(module, cls=modules.Elsewhere(modules.holds_tensors(other, module.cls))) if own else module

    def _place(self, place: Place, node: ast.AST) -> Place:
        return place._replace(origin=None, guards=self._guards(place.guards, node))

    def _flag(self, flag: Flag, node: ast.AST) -> Flag:
        ways = (tuple(self._guards(way, node) for way in ways) for ways in (flag.ways_true, flag.ways_false))
        when_true, when_false = self._guards(flag.when_true, node), self._guards(flag.when_false, node)
        return Flag(when_true, when_false, flag.ported, flag.written, *ways)

    def _guards(self, guards: Guards, node: ast.AST) -> Guards:
        """What holds, asked here: one question of another file stays one, wherever it is met."""
        stand_in = self._stand_ins.setdefault
        return frozenset(
            fact._replace(origin=stand_in(fact.origin, node)) if fact.origin else fact for fact in guards
        )


def _called(other: Interpreter, node: ast.Call, what: Value, args: Arguments) -> Value:
    """The result of a call in the run over the file that defines what is called."""
    keywords = {name: _abroad(value) for name, value in args.keywords.items()}
    args = Arguments([_abroad(value) for value in args.positional], keywords, args.open)
    if isinstance(what, Class):
        return calls.instance(other, node, what, args)
    if isinstance(what, Instance):
        body: Any = what.info.method("__call__")
        owner: ClassInfo | None = what.info
    else:
        body, owner = what, what.owner.info if isinstance(getattr(what, "owner", None), Instance) else None
    if not isinstance(body, Function):
        return UNKNOWN
    other.variants.pop(body.node, None)  # run again: what it does to these arguments is to be seen
    return functions.call_function(other, body, args.positional, args.keywords, owner)


def _abroad(value: Value) -> Value:
    """An argument as another file has it: this file's functions and objects are closed to it."""
    if isinstance(value, Module):
        return replace(value, cls=modules.Elsewhere()) if isinstance(value.cls, ClassInfo) else value
    if isinstance(value, Items):
        return Items(tuple(map(_abroad, value.items)))
    if isinstance(value, Table):
        return Table({key: _abroad(item) for key, item in value.items.items()})
    return UNKNOWN if isinstance(value, (*_OF_A_RUN, TensorType)) else value


def _steps(trail: tuple[Step, ...], other: Interpreter, node: Any, given: list[Value]) -> tuple[Step, ...]:
    """A trail from another file: its steps are told at the line where it comes here, with their file."""
    known = {step for value in given for step in getattr(value, "trail", ())}
    file = os.path.basename(other.source.path)
    return tuple(
        step if step in known else step._replace(line=node.lineno, text=f"{step.text} in {file}:{step.line}")
        for step in trail
    )

"""What calls do whose meaning the project has declared in ``[tool.flake8-mps]``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..config import Config
from . import methods, modules, tables
from .calls import CALLS, Arguments
from .values import (
    OUTSIDE, UNKNOWN, Const, Device, Flag, Items, Module, Name, Standing, Table, Value, standing_on,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter

Handler = Callable[["Interpreter", ast.Call, str, Arguments], Value]


def calls_known(config: Config) -> Mapping[str, Handler]:
    """What is known by name of calls, with what the project has declared."""
    declared = {name: _moves for name in config.moves} | {name: _module for name in config.modules}
    declared |= {name: CALLS["torch.accelerator.current_accelerator"] for name in config.portable_devices}
    return {**CALLS, **declared} if declared else CALLS


def _moves(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """A function that moves: one argument comes back alone, several as a tuple; without a device, somewhere."""
    devices = [value for value in args.all() if isinstance(value, Device)]
    for device in devices:
        run.devices.used(run, device, node, "argument")
    at = standing_on(devices[0]) if devices else OUTSIDE
    moved = [_moved(run, node, value, at) for value in args.all() if not isinstance(value, (Device, Const, Flag, Name))]
    run.receivers.pop(node, None)  # no method: that its result is dropped says nothing
    return moved[0] if len(moved) == 1 else Items(tuple(moved)) if moved else UNKNOWN


def _moved(run: Interpreter, node: ast.Call, value: Value, at: str | None) -> Value:
    if isinstance(value, Items):
        return Items(tuple(_moved(run, node, item, at) for item in value.items))
    if isinstance(value, Table):
        return Table({key: _moved(run, node, item, at) for key, item in value.items.items()})
    return methods.move(run, node, value, at, None, False)


def _module(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """A module of which no more is known: it may have no weights, and stands nowhere until it is moved."""
    run.children[node] = [value for value in args.all() if isinstance(value, Module)]
    run.env[node] = Standing()
    return Module(node, modules.STATELESS if tables.LOSSES.search(name) else modules.Elsewhere())

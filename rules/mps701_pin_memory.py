"""Memory is pinned for a GPU that cannot use it.

## Why it breaks on MPS
Pinned memory is host memory that a CUDA device reads by itself while the CPU goes on. A Mac's GPU shares the CPU's
memory, and PyTorch pins nothing for it.

- `DataLoader(pin_memory=True)` goes on without it. Since torch 2.7 each iterator says so: `UserWarning: 'pin_memory'
  argument is set as true but not supported on MPS now, device pinned memory won't be used.` Older releases are silent.
- `x.pin_memory()` and `torch.empty(..., pin_memory=True)` fail or mix up devices: `RuntimeError: Attempted to set the
  storage of a tensor on device "cpu" to a storage on different device "mps:0".` Under a switch or in a method that is
  called so, pinning is the user's own choice and not reported.

## Use instead
Pin only for CUDA:

    loader = DataLoader(data, batch_size=8, pin_memory=device.type == "cuda")
    loader = DataLoader(data, batch_size=8, pin_memory=torch.cuda.is_available())

and leave `.pin_memory()` to code that runs only there.

## Fix safety
`True` becomes `torch.cuda.is_available()`, and `x.pin_memory()` is kept for CUDA: safe, a CUDA machine pins as before.

## Sources
- `_BaseDataLoaderIter.__init__` in `torch/utils/data/dataloader.py`, torch 2.13: "Currently, pin_memory would raise
  error on the MPS backend"; the warning is in the wheels since 2.7.
- pytorch/pytorch#86060 and #181374 (`.pin_memory()` on a Mac).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..facts.tables import FACTORIES
from ..facts.values import Class, Const, Function, Table
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, Warns, World, calls, keywords, methods

if TYPE_CHECKING:
    from ..facts import Facts

_LOADER = "torch.utils.data.DataLoader"
_LOADS = re.compile(r"(?:loader|datamodule|dict)$", re.IGNORECASE)
_WANTED = re.compile(r"(?:^|[._ ])(?:pin|use_pin|stream)", re.IGNORECASE)
_LOADER_MESSAGE = 'MPS cannot pin memory, the loader only warns; pin_memory=device.type == "cuda"'
_TENSOR_MESSAGE = 'MPS cannot pin memory, this fails or mixes up devices; pin only if device.type == "cuda"'
_PINNED = Raises(RuntimeError, 'Attempted to set the storage of a tensor on device "cpu" to a storage on different device')


class PinMemory(Rule):
    code = "MPS701"
    name = "pin-memory"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = keywords("pin_memory") | methods("pin_memory") | calls(_LOADER)
    expect = Warns(UserWarning, "'pin_memory' argument is set as true but not supported on MPS now")

    def check(self, node: ast.keyword | ast.Call, facts: Facts) -> Iterator[Finding]:
        if facts.guarded(node) or facts.out_of_reach_once_ported(node):
            return
        if isinstance(node, ast.keyword):
            call = facts.parent(node)
            if isinstance(call, ast.Call) and facts.literal(node.value) is True and (message := _asked(call, facts)):
                yield self.finding(facts.source.token(node), message)
        elif facts.name(node.func) == _LOADER:
            yield from (self.finding(facts.source.token(key), _LOADER_MESSAGE) for key in _unpacked(node, facts))
        elif not (node.args or node.keywords or _on_demand(node, facts)) and isinstance(node.func, ast.Attribute):
            yield self.finding(facts.source.attribute(node.func), _TENSOR_MESSAGE)

    def fix(self, node: ast.keyword | ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return machine.pinned(facts, node, finding)

    bad = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), batch_size=2, pin_memory=True)
                                                                                ^^^^^^^^^^ MPS701
            batches = list(loader)
            """),
        Example("""
            import torch
            from torch.utils import data

            options = {"batch_size": 2, "pin_memory": True}
                                        ^^^^^^^^^^^^ MPS701
            others = dict(options, pin_memory=True)
                                   ^^^^^^^^^^ MPS701
            batches = list(data.DataLoader(data.TensorDataset(torch.zeros(4, 2)), shuffle=False, **options))
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            PIN_MEMORY = True

            def loaders(tensors):
                return [DataLoader(TensorDataset(tensor), pin_memory=PIN_MEMORY) for tensor in tensors]
                                                          ^^^^^^^^^^ MPS701

            batches = [list(loader) for loader in loaders([torch.zeros(4, 2)])]
            """),
        Example("""
            import torch

            batch = torch.zeros(4, 2).pin_memory()
                                      ^^^^^^^^^^ MPS701
            """, expect=_PINNED),
        Example("""
            import torch

            buffer = torch.empty(4, 2, pin_memory=True)
                                       ^^^^^^^^^^ MPS701
            """, expect=_PINNED),
    ]
    good = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), pin_memory=device.type == "cuda")
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            options = {"num_workers": 1, "pin_memory": True} if torch.cuda.is_available() else {}
            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), **options)
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            batch, options = torch.zeros(4, 2), {}
            if torch.cuda.is_available():
                options = {"pin_memory": True}
                batch = batch.pin_memory()
                loader = DataLoader(TensorDataset(batch), pin_memory=True)
            loader = DataLoader(TensorDataset(batch), **options)
            """),
        Example("""
            import torch

            class Batch:
                def __init__(self, images):
                    self.images = images

                def pin_memory(self):  # called by a loader that pins
                    self.images = self.images.pin_memory()
                    return self
            """),
    ]


def _on_demand(call: ast.Call, facts: Facts) -> bool:
    """Whether a tensor is pinned because somebody wants it so, or for a stream of CUDA: ``if pin_memory:``."""
    for node in facts.around(call):
        if isinstance(node, (ast.If, ast.IfExp)) and _WANTED.search(ast.unparse(node.test)):
            return True
        if isinstance(node, ast.FunctionDef) and _WANTED.search(node.name):
            return True
    return False


def _asked(call: ast.Call, facts: Facts) -> str | None:
    """What to say of ``pin_memory=True`` in a call; None for a function that may make something else of it."""
    name = facts.name(call.func)
    if name in FACTORIES:
        return _TENSOR_MESSAGE
    if isinstance(facts.value(call.func), (Function, Class)):
        return None  # its body says what becomes of the argument
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return _LOADER_MESSAGE if name == _LOADER or _LOADS.search(last) else None


def _unpacked(call: ast.Call, facts: Facts) -> Iterator[ast.expr]:
    """The key of ``"pin_memory": True`` in a dict that the call unpacks: written there, or under a name of its own."""
    for keyword in call.keywords:
        given = keyword.value
        if keyword.arg is not None or not isinstance(table := facts.value(given), Table):
            continue
        pinned = table.items.get("pin_memory")
        if not isinstance(pinned, Const) or pinned.value is not True:
            continue
        display = facts.only_value(given) if isinstance(given, ast.Name) else given
        if isinstance(display, ast.Dict) and not any(isinstance(node, ast.If) for node in facts.around(display)):
            for key, value in zip(display.keys, display.values):
                if facts.literal(key) == "pin_memory" and facts.literal(value) is True:
                    yield key

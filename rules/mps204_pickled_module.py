"""A whole model is loaded from a pickle.

## Why it breaks on MPS
Since torch 2.6 `torch.load` reads tensors and plain containers only, unless told otherwise. A file that holds a model
itself, and not its `state_dict()`, is refused on every machine:

    _pickle.UnpicklingError: Weights only load failed. This file can still be loaded, ... (1) In PyTorch 2.6, we changed
    the default value of the `weights_only` argument in `torch.load` from `False` to `True`.

It is met in ports because a Mac gets a new torch: MPS is of little use in releases older than 2.6. Such a file also
needs the very classes that it was saved with, and it can run any code when it is loaded.

Reported where what was loaded is used as a model in the same scope: called, or asked for `.eval()`, `.parameters()`.

## Use instead
Save the weights, and load them into a model that the program makes:

    torch.save(model.state_dict(), "unet.pt")

    model = UNet()
    model.load_state_dict(torch.load("unet.pt", map_location="cpu"))

For a file of your own, `torch.load("unet.pt", map_location="cpu", weights_only=False)` reads it as before.

## Fix safety
There is no automatic fix: `weights_only=False` runs what the file says, so only the author can decide to trust it.

## Sources
- `load` in `torch/serialization.py`, torch 2.13, executed on the CPU build; the default was changed in 2.6.
"""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

# What modules have and neither tensors nor dicts of weights do.
_OF_MODULES = frozenset({
    "eval", "train", "parameters", "named_parameters", "modules", "named_modules", "children", "named_children", "forward",
    "zero_grad", "state_dict", "load_state_dict",
})


class PickledModule(Rule):
    code = "MPS204"
    name = "pickled-module"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls("torch.load")
    expect = Raises(pickle.UnpicklingError, "Weights only load failed", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        if facts.argument(call, "weights_only") is not None or facts.has_star(call):
            return
        if _becomes_a_model(call, facts) and not facts.guarded(call, pickle.UnpicklingError):
            message = "torch 2.6 and later load no pickled model; load a state_dict, or add weights_only=False"
            yield self.finding(facts.source.token(call.func), message)

    bad = [
        Example("""
            import torch

            torch.save(torch.nn.Linear(3, 1), "unet.pt")
            model = torch.load("unet.pt", map_location="cpu")
                    ^^^^^^^^^^ MPS204
            model.eval()
            """),
        Example("""
            import torch

            def predict(path, images):
                model = torch.load(path, "cpu")
                        ^^^^^^^^^^ MPS204
                return model(images)

            torch.save(torch.nn.Linear(3, 1), "unet.pt")
            predict("unet.pt", torch.zeros(2, 3))
            """),
        Example("""
            from torch import load, nn, save

            save(nn.Linear(3, 1), "unet.pt")
            weights = dict(load("unet.pt", map_location="cpu").float().named_parameters())
                           ^^^^ MPS204
            """),
        Example("""
            import torch

            torch.save({"epoch": 3, "model": torch.nn.Linear(3, 1)}, "unet.pt")
            checkpoint = torch.load("unet.pt", map_location="cpu")
                         ^^^^^^^^^^ MPS204
            model = checkpoint["model"].float().eval()
            """),
    ]
    good = [
        Example("""
            import torch

            model = torch.nn.Linear(3, 1)
            torch.save(model.state_dict(), "unet.pt")
            model.load_state_dict(torch.load("unet.pt", map_location="cpu"))
            model.eval()
            """),
        Example("""
            import torch

            torch.save(torch.nn.Linear(3, 1), "unet.pt")
            model = torch.load("unet.pt", map_location="cpu", weights_only=False)
            model(torch.zeros(2, 3))
            """),
        Example("""
            import torch

            torch.save({"model": torch.nn.Linear(3, 1).state_dict(), "epoch": 3}, "unet.pt")
            checkpoint = torch.load("unet.pt", map_location="cpu")
            epoch = checkpoint.get("epoch", 0)
            model = torch.nn.Linear(3, 1)
            model.load_state_dict(checkpoint["model"])
            """),
        Example("""
            import torch

            torch.save(torch.nn.Linear(3, 1).state_dict(), "unet.pt")
            loaded = torch.load("unet.pt", map_location="cpu")
            state = loaded if isinstance(loaded, dict) else loaded.state_dict()
            """),
        Example("""
            import torch

            model = torch.nn.Linear(3, 1)
            torch.save(torch.zeros(2, 3), "images.pt")
            images = torch.load("images.pt", map_location="cpu")
            scores = model(images.to(torch.float32))
            """),
    ]


def _becomes_a_model(call: ast.Call, facts: Facts) -> bool:
    """Whether what is loaded is used as a module, at once or by its name in the same scope."""
    last, around = call, None
    for around in facts.around(call):
        if isinstance(around, ast.Attribute) and around.attr in _OF_MODULES:
            return True
        is_link = isinstance(around, ast.Call) and around.func is last or isinstance(around, ast.Subscript) and around.value is last
        if not isinstance(around, ast.Attribute) and not is_link:
            break  # torch.load(path)["model"].float().eval() goes on as a chain
        last = around
    if not isinstance(around, ast.Assign) or around.value is not last or not isinstance(around.targets[0], ast.Name):
        return isinstance(around, ast.Call) and around.func is call
    return _used_as_model(around, around.targets[0].id, facts)


def _used_as_model(binding: ast.Assign, name: str, facts: Facts) -> bool:
    """Whether a name is used as a module after its binding, and nobody asks first what it is."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    scope = next((node for node in facts.around(binding) if isinstance(node, functions)), facts.source.tree)
    for node in sorted(filter(lambda node: hasattr(node, "lineno"), ast.walk(scope)), key=lambda node: node.lineno):
        if node.lineno <= (binding.end_lineno or 0):
            continue
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return False
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("isinstance", "hasattr", "type") and name in map(ast.unparse, node.args):
                return False
            if node.func.id == name:
                return True
        if isinstance(node, ast.Attribute) and node.attr in _OF_MODULES and _root(node.value) == name:
            return True
    return False


def _root(node: ast.AST) -> str | None:
    """``checkpoint`` of ``checkpoint["ema"].float()``."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None

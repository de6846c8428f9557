"""A checkpoint is loaded without map_location.

## Why it breaks on MPS
A checkpoint remembers the device of every storage in it. Without `map_location`, PyTorch puts each storage back on that
device, so a file that was saved from a CUDA tensor stops on a Mac, whatever the program does with the tensors later:

    RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.

Whether it fails depends on the file, which the source does not show: hence a warning, and a hint (info) where the
source names the address, for everybody loads that file, on the CPU too. `torch.hub.load_state_dict_from_url` calls `torch.load`. `torch.jit.load` restores its storages in C++:

    NotImplementedError: Could not run 'aten::empty_strided' with arguments from the 'CUDA' backend.

## Use instead
Load to the CPU, then move what you keep:

    state = torch.load("unet.pth", map_location="cpu")
    model.load_state_dict(state)
    model.to(device)

`map_location="cpu"` is right for files with float64 tensors too: `map_location="mps"` refuses those while it loads.

## Fix safety
`map_location="cpu"` is added. `load_state_dict` copies into the parameters wherever they are, so for what goes to it alone
nothing changes but the peak of GPU memory. Unsafe elsewhere: tensors that are used as they come from the file are on the
CPU from then on, on a CUDA machine too, and want a `.to(device)`; a scripted model is loaded to the device at hand.

## Sources
- torch 2.13, `torch/serialization.py`: `_validate_device`, called for each storage by `default_restore_location`. The
  wheel for Macs holds the same Python files as the CPU wheel for Linux. Older releases say the same.
- `torch/hub.py`: `load_state_dict_from_url` passes `map_location` on, None unless given; `torch/jit/_serialization.py`:
  modules move "to the devices they were saved from".
- `LRScheduler.state_dict` and `GradScaler.state_dict` (torch 2.13, `optim/lr_scheduler.py`, `amp/grad_scaler.py`) hold
  numbers: what is loaded into a scheduler or a scaler has no storages, and is not reported.
- Seen on Macs: invoke-ai/InvokeAI#3719, OpenTalker/SadTalker#440, neonbjb/tortoise-tts#855.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import devices
from ..facts.names import last_name
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, calls, checkpoint

if TYPE_CHECKING:
    from ..facts import Facts

# The place of map_location among the positional arguments.
_POSITION = {"torch.load": 1, "torch.jit.load": 1, "torch.hub.load_state_dict_from_url": 2}

# What keeps numbers, not tensors, in its state: a learning rate's schedule, a loss scale.
_OF_NUMBERS = re.compile(r"(?:^|_)(?:scheduler|sched|scaler)$", re.IGNORECASE)
# The states of generators of numbers, CUDA's too, are bytes on the CPU (torch/cuda/random.py).
_OF_GENERATORS = frozenset({"random.setstate", "numpy.random.set_state", "torch.set_rng_state", "torch.random.set_rng_state"})
# Read by torchvision itself without map_location, on every machine (WeightsEnum.get_state_dict in models/_api.py).
_SAVED_ON_CPU = "https://download.pytorch.org/models/"

_TEXT = "Attempting to deserialize object on a CUDA device"
_UNET = checkpoint("unet.pth", device="cuda")


class LoadWithoutMapLocation(Rule):
    code = "MPS201"
    name = "load-without-map-location"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls(*_POSITION)
    expect = Raises(RuntimeError, _TEXT, same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        if _is_left_open(call, facts) and not facts.guarded(call, RuntimeError) and not _holds_no_cuda(call, facts):
            message = 'a checkpoint saved from CUDA does not load without CUDA; add map_location="cpu"'
            published = _addresses(facts.argument(call, "url", 0) or facts.argument(call, "f"), facts)
            if not published or not all(address.startswith(_SAVED_ON_CPU) for address in published):
                severity = Severity.INFO if published else None
                yield self.finding(facts.source.token(call.func), message, severity=severity)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return devices.loaded_to(facts, call, facts.argument(call, "map_location", _POSITION[facts.name(call.func) or ""]))

    bad = [
        Example("""
            import torch

            state = torch.load("unet.pth")
                    ^^^^^^^^^^ MPS201
            """, given=_UNET),
        Example("""
            import torch

            weights = {"weight": torch.zeros(2)}
            weights.update(
                torch.load(
                ^^^^^^^^^^ MPS201
                    "unet.pth",
                    weights_only=True,
                )
            )
            """, given=_UNET),
        Example("""
            from torch import load as read

            state = read("unet.pth", map_location=None)
                    ^^^^ MPS201
            """, given=_UNET),
    ]
    good = [
        Example("""
            import torch
            from torch.utils import model_zoo

            model_urls = {"resnet18": "https://download.pytorch.org/models/resnet18-5c106cde.pth"}

            def resnet18(model):
                model.load_state_dict(model_zoo.load_url(model_urls["resnet18"]))
                return model
            """),
        Example("""
            import random
            import torch

            def continue_random(path):
                states = torch.load(path)
                random.setstate(states["python"])
                torch.random.set_rng_state(states["cpu"])
            """),
        Example("""
            import torch

            def export(model, path):
                torch.jit.save(torch.jit.script(model), path)
                return torch.jit.load(path)

            export(torch.nn.Linear(2, 1), "exported.pt")
            """),
    ]


def _is_left_open(call: ast.Call, facts: Facts) -> bool:
    """Whether the file alone decides where its storages go."""
    name = facts.name(call.func)
    location = facts.argument(call, "map_location", position=_POSITION.get(name or "", 1))
    if location is None:
        return not facts.has_star(call)
    return isinstance(location, ast.Constant) and location.value is None


def _holds_no_cuda(call: ast.Call, facts: Facts) -> bool:
    """Whether the file shows that it reads nothing of a GPU's: what it has just saved, numbers, states of generators, or
    NumPy's arrays."""
    return facts.reads_back(call) or _holds_numbers(call, facts) or _holds_arrays(call, facts)


def _addresses(source: ast.AST | None, facts: Facts, depth: int = 5) -> list[str]:
    """The addresses in the file that a load can be given: ``model_urls["resnet18"]``, ``look_up(arch, model_urls)``."""
    if isinstance(source, ast.Constant):
        return [source.value] if str(source.value).startswith("http") else []
    parts = facts.bindings(source.id) if isinstance(source, ast.Name) else ast.iter_child_nodes(source) if source else ()
    return [found for part in parts if depth for found in _addresses(part, facts, depth - 1)]


def _holds_numbers(call: ast.Call, facts: Facts) -> bool:
    """``scheduler.load_state_dict(torch.load(...))``."""
    user = facts.parent(call)
    if not isinstance(user, ast.Call) or not isinstance(user.func, ast.Attribute) or user.func.attr != "load_state_dict":
        return False
    return _OF_NUMBERS.search(last_name(user.func.value)) is not None


def _holds_arrays(call: ast.Call, facts: Facts) -> bool:
    """``table = torch.load(path)``, and then ``torch.from_numpy(table["means"])`` or ``random.setstate(table["python"])``."""
    given, around = facts.parent(call), facts.around(call)
    if not isinstance(given, ast.Assign) or not isinstance(given.targets[0], ast.Name):
        return False
    uses = [node for node in ast.walk(around[-1]) if _is_use(given.targets[0].id, node)]
    names = {facts.name(node.func) for node in uses}
    return "torch.from_numpy" in names or not names.isdisjoint(_OF_GENERATORS) and not any(map(_loads_state, uses))


def _is_use(name: str, node: ast.AST) -> bool:
    """True for a call that is given ``table`` or ``table["means"]`` first."""
    if not isinstance(node, ast.Call) or not node.args:
        return False
    source = node.args[0].value if isinstance(node.args[0], ast.Subscript) else node.args[0]
    return isinstance(source, ast.Name) and source.id == name


def _loads_state(call: ast.Call) -> bool:
    return last_name(call.func) == "load_state_dict"

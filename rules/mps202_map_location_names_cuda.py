"""A checkpoint is loaded to a CUDA device.

## Why it breaks on MPS
`map_location` says where the storages of a checkpoint go, whatever device they came from. Where it names CUDA, a Mac
refuses even a file that was saved on the CPU:

    RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.

Without a number, as in `map_location="cuda"`, PyTorch asks for the current device first, which `torch.mps` cannot
tell; and so does a function that calls `.cuda()` on the storage:

    AttributeError: module 'torch.mps' has no attribute 'current_device'

In a dict only the values are destinations: `{"cuda:1": "cuda:0"}` fails, `{"cuda:0": "cpu"}` is the cure.

A device that is named elsewhere and only handed over is reported there, as MPS101.

## Use instead
Load to the CPU, then move what you keep:

    state = torch.load("unet.pth", map_location="cpu")
    model.load_state_dict(state)
    model.to(device)

`map_location=device` works too, with a device chosen at run time and a file that holds no float64: MPS has none, and
refuses such a tensor while it loads.

## Fix safety
For `load_state_dict`, which copies into the parameters wherever they are, it becomes `"cpu"`: that changes nothing but
saves GPU memory. Elsewhere it becomes the device at hand, which is unsafe: MPS takes no float64 from the file.

## Sources
- torch 2.13, executed on the CPU build: `_get_restore_location` and `_validate_device` in `torch/serialization.py`, and
  on the emulated Mac `_get_device_attr` in `torch/_utils.py`, which takes `torch.mps` where it is available;
  `torch.jit.load` checks in `validate_map_location`, `torch/jit/_serialization.py`. The wheel for Macs holds the same
  files. Older releases say the same.
- Seen on Macs: ThereforeGames/txt2mask#18 (`map_location=torch.device('cuda')`); nari-labs/dia#10 and pytorch/pytorch#150091
  (`torch.mps` has no `current_device`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import devices
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, calls, checkpoint

if TYPE_CHECKING:
    from ..facts import Facts

# The place of map_location among the positional arguments.
_POSITION = {"torch.load": 1, "torch.jit.load": 1, "torch.hub.load_state_dict_from_url": 2}

_UNET = checkpoint("unet.pth", device="cuda")
_NO_CURRENT = Raises(AttributeError, "module 'torch.mps' has no attribute 'current_device'")


class MapLocationNamesCuda(Rule):
    code = "MPS202"
    name = "map-location-names-cuda"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = calls(*_POSITION)
    expect = Raises(RuntimeError, "Attempting to deserialize object on a CUDA device", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        argument = facts.argument(call, "map_location", _POSITION[facts.name(call.func) or "torch.load"])
        if argument is None or facts.guarded(call, RuntimeError):
            return
        destinations = argument.values if isinstance(argument, ast.Dict) else [argument]
        for node in (named for one in destinations for named in facts.cuda_named_in(one)):
            is_method = isinstance(node, ast.Attribute)
            span = facts.source.attribute(node) if is_method else facts.source.token(node)
            yield self.finding(span, 'without CUDA nothing loads to a CUDA device; write map_location="cpu"')

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return devices.loaded_to(facts, call, facts.argument(call, "map_location", _POSITION[facts.name(call.func) or ""]))

    bad = [
        Example("""
            import torch

            state = torch.load("unet.pth", map_location="cuda")
                                                        ^^^^^^ MPS202
            """, given=checkpoint("unet.pth", device="cpu"), expect=_NO_CURRENT),
        Example("""
            from torch import device, load

            state = load("unet.pth", device('cuda', 0), weights_only=True)
                                            ^^^^^^ MPS202
            """, given=_UNET),
        Example("""
            import torch

            def resume(path, rank):
                return torch.load(  # raises
                    path,
                    map_location=f"cuda:{rank}",
                                 ^^^^^^^^^^^^^^ MPS202
                )

            resume("unet.pth", 0)
            """, given=_UNET),
        Example("""
            import torch as th

            print("Zwölf «½» →", th.load("unet.pth", map_location={"cuda:1": "cuda:0"}))
                                                                             ^^^^^^^^ MPS202
            """, given=_UNET),
        Example("""
            import torch

            state = torch.load("unet.pth", map_location=lambda storage, location: storage.cuda())
                                                                                          ^^^^ MPS202
            """, given=_UNET, expect=_NO_CURRENT),
        Example("""
            import torch

            model = torch.jit.load("clip.pt", map_location=torch.device("cuda:0"))
                                                                        ^^^^^^^^ MPS202
            """, given=checkpoint("clip.pt", device="cpu")),
        Example("""
            from torch.hub import load_state_dict_from_url

            url = "https://example.org/unet.pth"
            weights = load_state_dict_from_url(url, model_dir=".", map_location="cuda", progress=False)
                                                                                ^^^^^^ MPS202
            """, given=_UNET, expect=_NO_CURRENT),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            state = torch.load("unet.pth", map_location=device)
            """, given=_UNET),
        Example("""
            import torch

            state = torch.load("unet.pth", map_location={"cuda:0": "cpu", "cuda:1": "cpu"})
            """, given=_UNET),
        Example("""
            import torch

            state = torch.load("unet.pth", lambda storage, location: storage)
            """, given=_UNET),
        Example("""
            import torch

            def load(path):
                if torch.cuda.is_available():
                    location = "cuda"
                elif torch.backends.mps.is_available():
                    location = "mps"
                else:
                    location = "cpu"
                return torch.load(path, map_location=location)

            load("unet.pth")
            """, given=_UNET),
        Example("""
            import torch

            def load(path, map_location):
                print(f"{map_location} was asked for")
                return torch.load(path, map_location="cpu")

            load("unet.pth", map_location="cuda")
            """, given=_UNET),
    ]

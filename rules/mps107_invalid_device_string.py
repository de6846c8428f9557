"""A device is asked for by a name that no PyTorch knows.

## Why it breaks on MPS
Device names are lower case, and short: `"mps"`, `"cuda"`, `"cpu"`. There is no `"MPS"`, no `"gpu"` and no `"metal"`:

    RuntimeError: Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy,
    vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: MPS

`"gpu" if torch.cuda.is_available() else "cpu"` raises where CUDA is; a Mac takes the CPU and says nothing: a warning.

Some of these names are good elsewhere: `Trainer(accelerator="gpu")` of Lightning means CUDA or MPS, whichever is there,
and TensorFlow, JAX and LightGBM have a `"gpu"`. Only what PyTorch itself reads is reported.

## Use instead
Write the name in lower case, or choose a device at run time (torch 2.6 or newer):

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")

## Fix safety
A name in capitals is written as PyTorch spells it: safe, it raised everywhere. Beside CUDA, in a choice by the system, it
becomes a choice of cuda, mps or cpu: unsafe, for that asks something else. The others are left to the author: `"gpu"` says
that a GPU is wanted, not which.

## Sources
- torch 2.13, executed on the CPU build: `parse_type` in `c10/core/Device.cpp`, called by `torch.device`, by `.to` and by
  every `device=`. Older releases list fewer names and refuse the same ones.
- Seen on Macs: openai/CLIP#406 (`"MPS"`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, RunsOnCpu, Severity, World, calls, keywords, literals, methods

if TYPE_CHECKING:
    from ..facts import Facts

_REAL = frozenset({"mps", "cuda", "cpu", "xpu", "meta", "hpu", "xla"})  # refused when written with capitals
_IMAGINED = frozenset({"gpu", "metal", "nvidia", "apple", "m1", "m2", "m3", "m4", "cuda0", "mps0", "gpu0", "mac"})
_ASKS_CUDA = re.compile("cuda|gpu", re.IGNORECASE)
_TAKES_DEVICE = ("to", "to_empty", "new_tensor", "new_zeros", "new_ones", "new_full", "new_empty")


class InvalidDeviceString(Rule):
    code = "MPS107"
    name = "invalid-device-string"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = literals(methods("to") | calls("torch.device", "torch.set_default_device") | keywords("device"))
    expect = Raises(RuntimeError, "device type at start of device string", same_on_linux=True)

    def check(self, found: ast.Call | ast.keyword, facts: Facts) -> Iterator[Finding]:
        if "torch" not in facts.modules or facts.guarded(found):
            return
        for text, severity in _texts(_device(found, facts)):
            name = text.value.partition(":")[0].lower()
            if name in _IMAGINED or name in _REAL and not text.value.startswith(name):
                instead = f'write "{text.value.lower()}"' if name in ("mps", "cpu") else "choose cuda, mps or cpu at run time"
                message = f'"{text.value}" is no device of PyTorch; {instead}'
                yield self.finding(facts.source.token(text), message, severity=severity)

    def fix(self, found: ast.Call | ast.keyword, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.named_device(facts, finding)

    bad = [
        Example("""
            import torch

            device = torch.device("MPS")
                                  ^^^^^ MPS107
            """),
        Example("""
            import torch

            model = torch.nn.Linear(2, 2)
            model.to("gpu")
                     ^^^^^ MPS107
            """),
        Example("""
            import torch

            noise = torch.randn(2, device="Metal")
                                          ^^^^^^^ MPS107
            """),
        Example("""
            import sys
            import torch

            on_some_machine = sys.platform != "plan9"
            device = torch.device("MPS:0" if on_some_machine else "cpu")
                                  ^^^^^^^ MPS107
            """),
        Example("""
            import torch

            use_gpu = torch.cuda.is_available()
            device = torch.device("gpu" if use_gpu else "cpu")
                                  ^^^^^ MPS107
            print(torch.zeros(2, device=device) + 1)
            """, expect=RunsOnCpu()),
        Example("""
            import torch

            def like(x):
                return x.new_zeros(2, device="GPU:0")
                                             ^^^^^^^ MPS107

            like(torch.ones(1))
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.device("mps" if torch.backends.mps.is_available() else "cpu")
            print(torch.zeros(2).to(device))
            """),
        Example("""
            import torch

            if torch.cuda.is_available():
                device = torch.device("gpu")  # wrong there, and no matter here
            else:
                device = torch.device("mps" if torch.backends.mps.is_available() else "cpu")
            """),
        Example("""
            import torch

            class Trainer:
                def __init__(self, accelerator, device):
                    print(accelerator, device, torch.__version__)

            Trainer(accelerator="gpu", device="gpu")
            """),
        Example("""
            class Length:
                def to(self, unit):
                    print("a length in", unit, "not in a torch device")

            Length().to("metal")
            """),
        Example("""
            import torch

            x = torch.zeros(2).to("cpu")
            print("MPS" if x.device.type == "mps" else "CPU")
            """),
    ]


def _device(found: ast.Call | ast.keyword, facts: Facts) -> ast.expr | None:
    """The device that PyTorch is given there."""
    if isinstance(found, ast.Call):
        return facts.argument(found, "device", position=0) or facts.argument(found, "type")
    call = facts.parent(found) if isinstance(found.value, (ast.Constant, ast.IfExp)) else None
    if not isinstance(call, ast.Call) or facts.name(call.func) in ("torch.device", "torch.set_default_device"):
        return None  # seen as a call
    is_method = facts.name(call.func) is None and isinstance(call.func, ast.Attribute)
    if is_method and call.func.attr in _TAKES_DEVICE:  # type: ignore[union-attr]
        return found.value if call.func.attr != "to" else None  # type: ignore[union-attr]
    return found.value if (facts.name(call.func) or "").startswith("torch.") else None


def _texts(device: ast.expr | None, severity: Severity | None = None) -> Iterator[tuple[ast.Constant, Severity | None]]:
    """The texts that a device is chosen from. Where CUDA is asked for, a Mac gets the other one."""
    if isinstance(device, ast.IfExp):
        asks_cuda = _ASKS_CUDA.search(ast.unparse(device.test)) is not None
        if not asks_cuda or isinstance(device.orelse, ast.Constant) and device.orelse.value == "cpu":
            yield from _texts(device.body, Severity.WARNING if asks_cuda else severity)
        yield from _texts(device.orelse, severity)
    elif isinstance(device, ast.Constant) and isinstance(device.value, str):
        yield device, severity

"""The loss is scaled for CUDA alone.

## Why it breaks on MPS
`torch.cuda.amp.GradScaler()`, and `torch.amp.GradScaler()` whose device is "cuda" unless named, switch themselves off
without CUDA, after one warning:

    UserWarning: torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.

`scale`, `unscale_`, `step` and `update` then hand everything through. Small float16 gradients become zero, and a step
with an infinite one is taken all the same. It does no harm where nothing is float16; but a checkpoint of this scaler is
empty, and does not load where the scaler is on.

## Use instead
Name the type of the device that computes:

    scaler = torch.amp.GradScaler(device.type, enabled=device.type != "cpu")

`GradScaler("mps")` works since torch 2.8. Before, `step` raises on MPS: bfloat16, or float32, needs no scaler.

## Fix safety
The type of the device at hand is named. On a CUDA machine nothing changes. Unsafe: with torch before 2.8 naming MPS turns a
silence into an error.

## Sources
- torch 2.13, `torch/amp/grad_scaler.py` and `torch/cuda/amp/grad_scaler.py`, executed on the CPU build, whose Python
  files are those of the Mac's.
- `torch.amp.GradScaler` exists since 2.3, `torch.cuda.amp.GradScaler` is deprecated since 2.4.
- On MPS before 2.8: pytorch/pytorch#142397.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Rule, Severity, Warns, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_CUDA = "torch.cuda.amp.GradScaler"
# The place of enabled among the positional arguments.
_ENABLED = {_CUDA: 4, "torch.amp.GradScaler": 5}


class CudaOnlyGradScaler(Rule):
    code = "MPS604"
    name = "cuda-only-gradscaler"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls(*_ENABLED)
    expect = Warns(UserWarning, "GradScaler is enabled, but CUDA is not available.  Disabling.", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if facts.guarded(call) or facts.off_without_cuda(call, "enabled", _ENABLED[name]):
            return
        if name == _CUDA and not facts.for_older_torch(call) or _is_for_cuda(call, facts):
            message = "CUDA's GradScaler switches itself off on a Mac; write torch.amp.GradScaler(device.type)"
            yield self.finding(facts.source.token(call.func), message)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return machine.grad_scaler(facts, call, _CUDA)

    bad = [
        Example("""
            import torch

            scaler = torch.cuda.amp.GradScaler()
                     ^^^^^^^^^^^^^^^^^^^^^^^^^ MPS604
            """),
        Example("""
            from torch.amp import GradScaler

            class Trainer:
                def __init__(self, amp=True):
                    self.scaler = GradScaler(enabled=amp)
                                  ^^^^^^^^^^ MPS604

            Trainer()
            """),
        Example("""
            import torch

            scaler = torch.amp.GradScaler("cuda", init_scale=2.0**10)
                     ^^^^^^^^^^^^^^^^^^^^ MPS604
            """),
        Example("""
            import torch
            from torch.cuda import amp

            backend = "cuda"
            scalers = [torch.GradScaler(device=backend), amp.GradScaler(growth_interval=100)]
                       ^^^^^^^^^^^^^^^^ MPS604
                                                         ^^^^^^^^^^^^^^ MPS604
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            scaler = torch.amp.GradScaler(device.type, enabled=device.type != "cpu")
            """),
        Example("""
            import torch

            scaler = torch.amp.GradScaler("cuda", enabled=torch.cuda.is_available())
            """),
        Example("""
            import torch

            def build(use_cuda=False):
                return torch.cuda.amp.GradScaler(enabled=use_cuda)

            build()
            """),
        Example("""
            import torch

            scaler = torch.cuda.amp.GradScaler() if torch.cuda.is_available() else None
            without = torch.amp.GradScaler(enabled=False), torch.cuda.amp.GradScaler(1.0, 2.0, 0.5, 2000, False)
            """),
        Example("""
            import torch

            def build(device):
                try:
                    return torch.amp.GradScaler(device=device)
                except (AttributeError, TypeError):
                    return torch.cuda.amp.GradScaler()

            build("cpu")
            """),
        Example("""
            import torch

            settings = {"device": "cpu", "init_scale": 2.0**12}
            scaler = torch.amp.GradScaler(**settings)
            """),
    ]


def _is_for_cuda(call: ast.Call, facts: Facts) -> bool:
    """Whether a device of torch.amp's is CUDA, named or left open."""
    if facts.name(call.func) == _CUDA:
        return False
    if not call.args and not any(keyword.arg in ("device", None) for keyword in call.keywords):
        return True
    return facts.names_cuda_alone(call, "device", 0)

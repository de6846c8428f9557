"""Mixed precision is asked for on CUDA alone.

## Why it breaks on MPS
`torch.cuda.amp.autocast()` and `torch.autocast("cuda")` cast what CUDA computes. Without CUDA they switch themselves
off and the program goes on in float32, slower and with twice the memory, after one warning that is soon lost in a log:

    UserWarning: CUDA is not available or torch_xla is imported. Disabling autocast.

Before 2.12 the text was `User provided device_type of 'cuda', but CUDA is not available. Disabling`.

Where the same program has been moved to MPS by hand, this line is often what was forgotten.

## Use instead
Name the type of the device that computes:

    with torch.autocast(device.type, dtype=torch.float16):
        loss = criterion(model(images), masks)

Who wants it on CUDA alone can say so: `enabled=device.type == "cuda"` is not reported.

## Fix safety
The type of the device at hand is named; arguments stay. On a CUDA machine nothing changes. Unsafe: where there was no CUDA
it was switched off, and is on from now on. CUDA's own default is float16, that of the CPU bfloat16. MPS takes float16 since
torch 2.5 and bfloat16 since 2.6; before, it warns and computes in float32.

## Sources
- torch 2.13, `torch/amp/autocast_mode.py`, executed on the CPU build, whose Python files are those of the Mac's.
- `torch.cuda.amp.autocast` is deprecated since 2.4.
- "Autocast for MPS": pytorch/pytorch#99272 (float16) and pytorch/pytorch#139390 (bfloat16).
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

_CUDA = "torch.cuda.amp.autocast"
# The place of enabled among the positional arguments.
_ENABLED = {_CUDA: 0, "torch.autocast": 2}


class CudaOnlyAutocast(Rule):
    code = "MPS603"
    name = "cuda-only-autocast"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls(*_ENABLED)
    expect = Warns(UserWarning, "CUDA is not available or torch_xla is imported. Disabling autocast.", True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if facts.guarded(call) or facts.off_without_cuda(call, "enabled", _ENABLED[name]):
            return
        if name == _CUDA and not facts.for_older_torch(call) or facts.names_cuda_alone(call, "device_type", 0):
            message = "CUDA's autocast switches itself off on a Mac; write torch.autocast(device.type, ...)"
            yield self.finding(facts.source.token(call.func), message)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return machine.autocast(facts, call, _CUDA)

    bad = [
        Example("""
            import torch

            model, images = torch.nn.Linear(2, 2), torch.zeros(1, 2)
            with torch.cuda.amp.autocast():
                 ^^^^^^^^^^^^^^^^^^^^^^^ MPS603
                print(model(images).dtype)
            """),
        Example("""
            import torch

            @torch.autocast(device_type="cuda", dtype=torch.bfloat16)
             ^^^^^^^^^^^^^^ MPS603
            def forward(x):
                return x @ x.T

            forward(torch.zeros(2, 2))
            """),
        Example("""
            from torch.cuda.amp import autocast

            class Encoder:
                @autocast(enabled=True)
                 ^^^^^^^^ MPS603
                def forward(self, x):
                    return x * 2

            Encoder().forward(1)
            """),
        Example("""
            import torch

            device_type = "cuda"
            use_amp = True
            precision = torch.amp.autocast(device_type, torch.float16, use_amp)
                        ^^^^^^^^^^^^^^^^^^ MPS603
            """),
        Example("""
            import contextlib
            import torch

            with contextlib.ExitStack() as stack:
                stack.enter_context(torch.autocast("cuda", enabled=True))
                                    ^^^^^^^^^^^^^^ MPS603
            """),
        Example("""
            import contextlib
            import torch

            precision = "autocast"
            scope = torch.autocast if precision == "autocast" else contextlib.nullcontext
            with scope("cuda"):
                 ^^^^^ MPS603
                print(torch.nn.Linear(2, 2)(torch.zeros(1, 2)))
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            with torch.autocast(device.type, dtype=torch.bfloat16):
                print(torch.nn.Linear(2, 2, device=device)(torch.zeros(1, 2, device=device)).dtype)
            """),
        Example("""
            import torch

            def forward(model, x):
                device_type = "cuda" if x.is_cuda else "cpu"
                with torch.autocast(device_type=device_type, dtype=torch.bfloat16):
                    return model(x)

            forward(torch.nn.Linear(2, 2), torch.zeros(1, 2))
            """),
        Example("""
            import torch

            with torch.cuda.amp.autocast(enabled=torch.cuda.is_available()):
                print(torch.zeros(2))
            """),
        Example("""
            import torch

            x = torch.zeros(2)
            with torch.autocast("cuda", enabled=False), torch.cuda.amp.autocast(False), torch.autocast("cpu"):
                norm = x.float().norm()
            """),
        Example("""
            import torch

            use_amp = True
            if not torch.cuda.is_available():
                use_amp = False
            with torch.cuda.amp.autocast(enabled=use_amp):
                print(torch.zeros(2))
            """),
        Example("""
            import contextlib
            import torch

            def precision(device):
                if device.type == "cuda":
                    return torch.autocast("cuda", dtype=torch.float16)
                return contextlib.nullcontext()

            with precision(torch.device("cpu")):
                print(torch.zeros(2))
            """),
        Example("""
            import contextlib
            import torch

            def predict(model, x, precision="autocast"):
                scope = torch.autocast if precision == "autocast" else contextlib.nullcontext
                if x.device.type in ("mps", "cpu"):
                    scope = contextlib.nullcontext
                amp = torch.autocast if torch.cuda.is_available() else contextlib.nullcontext
                with scope("cuda"), amp("cuda"):
                    return model(x)

            predict(torch.nn.Linear(2, 2), torch.zeros(1, 2))
            """),
    ]

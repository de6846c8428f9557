"""An operator that MPS leaves to the CPU.

## Why it breaks on MPS
It does not break: PyTorch waits for the GPU, copies the tensors to the CPU, computes there and copies the result back. In
a training loop that can cost more than the rest of the step. It says so once:

    UserWarning: The operator 'aten::linalg_svd' is not currently supported on the MPS backend and will fall back to run
    on the CPU. This may have performance implications.

That is how PyTorch treats a few operators by itself (`torch.linalg.svd` up to 2.13, `nn.Embedding(max_norm=...)` in all
releases so far), and all that have no kernel where the file sets `PYTORCH_ENABLE_MPS_FALLBACK=1` before it loads torch.

## Use instead
The same step once, outside of the loop; on a smaller tensor; or a release that has the kernel, where there is one.

    singular_values = torch.linalg.svd(weight.cpu()).S     # once, after training

## Fix safety
There is no automatic fix.

## Sources
- `mps_fallback` in `aten/src/ATen/mps/MPSFallback.mm`, and the operators registered there in each release's library for
  macOS, read by `tools/update_operator_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..operators import State
from ..rule import Example, Rule, Severity, Warns, World
from .mps501_no_kernel import WATCHED, falls_back, unsupported, written

if TYPE_CHECKING:
    from ..facts import Event, Facts


class CpuFallback(Rule):
    code = "MPS502"
    name = "cpu-fallback"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = WATCHED
    expect = Warns(UserWarning, "will fall back to run on the CPU")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        form = unsupported(event, facts)
        if form is None or form.state is not State.FALLBACK and not falls_back(form, facts):
            return
        until = f"before torch {form.added}" if form.added else f"up to torch {form.before}"
        ways = [f"require {form.added} or keep it out of loops"] if form.added else []
        message = written(f"{form.shown} runs on the CPU {until}", *ways, "keep it out of loops")
        yield self.finding(facts.source.token(event.node.func), message, trail=event.trail)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            weight = torch.rand(4, 3, device=device)
            values = torch.linalg.svd(weight).S
                     ^^^^^^^^^^^^^^^^ MPS502
            """, torch=(2, 13)),
        Example("""
            from torch import accelerator, rand

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
            "Größe"; inverse = rand(4, 3).to(gpu).pinverse()
                                                  ^^^^^^^^ MPS502
            """, torch=(2, 12)),
        Example("""
            import os

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"

            import torch as th

            device = th.accelerator.current_accelerator() or th.device("cpu")
            votes = th.randint(0, 4, (5, 8), device=device)
            majority = th.mode(votes, dim=0).values
                       ^^^^^^^ MPS502
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            weight = torch.rand(4, 3, device=device)
            values = torch.linalg.svd(weight.cpu()).S
            """, torch=(2, 13)),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            matrix = torch.rand(4, 3, device=device)
            values = torch.linalg.svd(matrix).S
            """),
        Example("""
            import os

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"

            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            votes = torch.randint(0, 4, (5, 8), device=device)
            majority = torch.mode(votes.cpu(), dim=0).values
            lengths = torch.nn.Embedding(4, 3).to(device)(votes).norm(dim=-1)
            """),
    ]

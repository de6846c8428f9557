"""An operator whose MPS kernel is newer than the oldest torch to support.

## Why it breaks on MPS
Each release of PyTorch brings kernels for MPS. With an older one that the project still supports, the same call raises:

    NotImplementedError: The operator 'aten::_linalg_eigh.eigenvalues' is not currently implemented for the MPS device.

The oldest release is what `--mps-torch` says, or the torch that the project requires; where neither is told, the newest
release of the table is meant, and this rule has nothing to say. Each name is reported once a file, where it comes first:
the cause is the requirement. Branches for newer releases (`if torch.__version__ >= ...`) are silent.

## Use instead
The release that the message names, as the least that the project requires on a Mac, or that one step on the CPU:

    torch>=2.14; sys_platform == "darwin"
    values, vectors = torch.linalg.eigh(matrix.cpu())

## Fix safety
There is no automatic fix.

## Sources
- The kernels in PyTorch's wheels for macOS, release by release, read by `tools/update_operator_table.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..operators import State
from ..rule import Example, Raises, Rule, Severity, World
from .mps501_no_kernel import WATCHED, falls_back, instead, unsupported, written

if TYPE_CHECKING:
    from ..facts import Event, Facts

_ASKS_RELEASE = re.compile(r"version|torch_?(?:ge|gt|is|\d)|hasattr\(torch", re.IGNORECASE)


class NewerKernel(Rule):
    code = "MPS503"
    name = "newer-kernel"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = WATCHED
    expect = Raises(NotImplementedError, "is not currently implemented for the MPS device")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        form = unsupported(event, facts)
        if form is None or form.added is None or form.state is State.FALLBACK or falls_back(form, facts):
            return
        if _depends_on_release(event, facts) or _is_repeated(event, facts):
            return
        way = instead(form, event)
        what = f"{form.shown} has no MPS kernel before torch {form.added}"
        message = written(what, f"require that, or {way}", "require that, or use x.cpu()")
        yield self.finding(facts.source.token(event.node.func), message, trail=event.trail)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            points = torch.rand(5, 3, device=device)
            values, vectors = torch.linalg.eigh(points.T @ points)
                              ^^^^^^^^^^^^^^^^^ MPS503
            """, torch=(2, 6)),
        Example("""
            import torch as th

            gpu = th.accelerator.current_accelerator() or th.device("cpu")
            "Größe"; steps = th.logspace(-3, 0, 4, device=gpu)
                             ^^^^^^^^^^^ MPS503
            """, torch=(2, 13)),
        Example("""
            from torch import accelerator, nn, rand, tensor

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"
            criterion = nn.CTCLoss()
                        ^^^^^^^^^^ MPS503
            scores = rand(6, 1, 4).log_softmax(2).to(gpu)
            loss = criterion(  # raises
                scores,
                tensor([[1, 2]], device=gpu), (6,), (2,),
            )
            """, torch=(2, 12)),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            points = torch.rand(5, 3, device=device)
            values, vectors = torch.linalg.eigh((points.T @ points).cpu())
            ordered = points.cumsum(0).sort(dim=0).values
            """, torch=(2, 6)),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            points = torch.rand(5, 3, device=device)
            q, r = torch.linalg.qr(points)
            """, torch=(2, 12)),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            points = torch.rand(5, 3, device=device)
            if torch.__version__ >= "2.14":
                values, vectors = torch.linalg.eigh(points.T @ points)
            """, torch=(2, 6)),
    ]


def _depends_on_release(event: Event, facts: Facts) -> bool:
    return any(_ASKS_RELEASE.search(ast.unparse(test)) for test in facts.tests(event.node))


def _is_repeated(event: Event, facts: Facts) -> bool:
    """True behind the first place of a name that comes to the device."""
    events = (each for each in facts.events(frozenset({"on-device"})) if each.how == event.how)
    return next(each for each in events if not facts.out_of_reach_once_ported(each)) is not event

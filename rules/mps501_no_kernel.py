"""An operator that MPS has no kernel for.

## Why it breaks on MPS
Not every operator of PyTorch is written for Metal. A call that reaches one that is not raises where it is made:

    NotImplementedError: The operator 'aten::mode' is not currently implemented for the MPS device. If you want this op to
    be considered for addition please comment on https://github.com/pytorch/pytorch/issues/141287 [...] As a temporary fix,
    you can set the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1` to use the CPU as a fallback for this op.

Reported is what no release of PyTorch supports, from the oldest that the project supports to the newest that is known
(`flake8-mps operators NAME` prints the table). What newer releases support is MPS503's.

It is an error where the tensor is known to be on the device, is made there, or belongs to a module that this file moves.
In a module that others move it is a warning: its inputs stand where its user has put it. Where only some forms of a call
are not supported, the arguments have to show that this is one of them.

## Use instead
That one step on the CPU, and its result back on the device:

    values = torch.mode(labels.cpu(), dim=0).values.to(labels.device)
    pooled = x.mean((2, 3, 4), keepdim=True)        # for nn.AdaptiveAvgPool3d(1)
    distances = torch.cdist(x, x)                   # torch.pdist(x) is its upper triangle

or `PYTORCH_ENABLE_MPS_FALLBACK=1` in the environment, set before torch is loaded, which does the same in silence (MPS502).
All of these run on CUDA, on MPS and on the CPU.

## Fix safety
There is no automatic fix: where to leave the device is for the author to choose.

## Sources
- The kernels in PyTorch's wheels for macOS, read by `tools/update_operator_table.py`; the text of the error is from the
  library of torch 2.13, `aten/src/ATen/mps/MPSFallback.mm`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import operators
from ..facts import fallback
from ..facts.events import Event, is_distinct
from ..facts.guards import has
from ..facts.kernels import OF_MODULE
from ..finding import Finding
from ..operators import State
from ..operators.forms import Form, release_of
from ..operators.forms import unsupported as form_of
from ..rule import Example, Raises, Rule, Severity, World, calls, on_device

if TYPE_CHECKING:
    from ..facts import Facts

WATCHED = on_device(*sorted(operators.names_not_everywhere()))
NEWEST = operators.releases()[-1]
# Code is followed for what no release supports; the others are noted where it is followed for its moves.
SOUGHT = [name for name in sorted(WATCHED.watched) if operators.api(name).states[NEWEST] in (State.MISSING, State.FALLBACK)]
LONGEST = 99  # characters of a message

# What has a kernel and gives the same. Source: the names' pages at https://docs.pytorch.org/docs/stable/, and the table.
EQUIVALENT = {
    "torch.pdist": "use the upper triangle of torch.cdist(x, x)",
    "torch.nn.functional.pdist": "use the upper triangle of torch.cdist(x, x)",
    "torch.nn.functional.channel_shuffle": "use view(), transpose() and reshape()",
    "torch.nn.ChannelShuffle": "use view(), transpose() and reshape()",
    "torch.logspace": "use base ** torch.linspace(...)",
    "torch.heaviside": "use torch.where()",
    "torch.take": "use x.flatten()[index]",
    "torch.Tensor.take": "use x.flatten()[index]",
}


class NoKernel(Rule):
    code = "MPS501"
    name = "no-kernel"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = WATCHED | calls(*filter(is_distinct, SOUGHT))
    expect = Raises(NotImplementedError, "is not currently implemented for the MPS device")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        form = unsupported(event, facts) if isinstance(event, Event) else None  # a call was sought, to be followed
        if form is None or form.added is not None or form.state is State.FALLBACK or falls_back(form, facts):
            return
        severity = Severity.WARNING if event.detail == OF_MODULE else Severity.ERROR
        message = written(f"{form.shown} has no MPS kernel up to torch {form.before}", instead(form, event))
        yield self.finding(facts.source.token(event.node.func), message, severity=severity, trail=event.trail)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            votes = torch.randint(0, 4, (5, 8)).to(device)
            majority = torch.mode(votes, dim=0).values
                       ^^^^^^^^^^ MPS501
            """),
        Example("""
            import torch as th
            import torch.nn.functional as F

            gpu = th.accelerator.current_accelerator() or th.device("cpu")
            "Größe"; spread = F.pdist(th.rand(5, 3, device=gpu)).mean()
                              ^^^^^^^ MPS501
            """),
        Example("""
            from torch import accelerator, linalg, rand

            gpu = accelerator.current_accelerator() if accelerator.is_available() else "cpu"

            def spectrum(matrix):
                return linalg.eigvals(
                       ^^^^^^^^^^^^^^ MPS501
                    matrix,
                ).abs()

            largest = spectrum(rand(3, 3, device=gpu)).max()
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            votes = torch.randint(0, 4, (5, 8), device=device)
            majority, _ = votes.mode(dim=0)
                          ^^^^^^^^^^ MPS501
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            votes = torch.randint(0, 4, (5, 8), device=device)
            majority = torch.mode(votes.cpu(), dim=0).values.to(device)
            largest = torch.linalg.eigvals(torch.rand(3, 3)).abs().max()
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            points = torch.rand(5, 3, device=device)
            spread = torch.cdist(points, points).triu(1).sum() / 10
            volume = torch.linalg.det(points.T @ points)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            votes = torch.randint(0, 4, (5, 8), device=device)
            try:
                majority = torch.mode(votes, dim=0).values
            except NotImplementedError:
                majority = torch.mode(votes.cpu(), dim=0).values.to(device)
            """),
    ]


def unsupported(event: Event, facts: Facts) -> Form | None:
    """What the oldest torch to support lacks of a call on the device; None for what it has, and where nobody comes."""
    call = event.node
    if facts.out_of_reach_once_ported(event) or has(event.guards, "caught NotImplementedError"):
        return None

    def given(argument: str, position: int | None) -> Any:
        node = facts.argument(call, argument, position)
        if node is None:
            return None if facts.has_star(call) else operators.OMITTED
        return facts.literal(node)

    return form_of(event.how, release_of(facts.config.oldest_torch), given)


def falls_back(form: Form, facts: Facts) -> bool:
    """True where the file lets the CPU compute what has no kernel."""
    return form.state is State.MISSING and fallback.is_on(facts)


def instead(form: Form, event: Event) -> str:
    """What to write."""
    if form.name in EQUIVALENT:
        return EQUIVALENT[form.name]
    call: ast.Call = event.node
    if form.name.startswith("torch.nn.") and form.shown.startswith("nn."):
        return "call it on x.cpu()"
    operand = call.func.value if form.name.startswith("torch.Tensor.") else call.args[0] if call.args else None
    text = operand.id if isinstance(operand, ast.Name) else "x"
    return f"compute it on the CPU: {text}.cpu()"


def written(what: str, *ways: str) -> str:
    """The message with the first way to write it that leaves it short enough."""
    ways = (*ways, "use x.cpu()")
    return next((text for way in ways if len(text := f"{what}; {way}") <= LONGEST), f"{what}; use .cpu()")

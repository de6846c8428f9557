"""A device is asked for by number.

## Why it breaks on MPS
A number names a GPU of the machine. A Mac has one: number 0. Others, in `.to(1)`, `torch.device("mps", 1)` or `"mps:1"`,
name a GPU that no Mac has. PyTorch does not refuse them: MPS knows index 0 only and places everything there, so two
"devices" are one, and `x.device == torch.device("mps:1")` is False for a tensor that was just moved to `"mps:1"`.

Before PyTorch 2.5 a bare number meant CUDA, so that `.to(0)` and `device=0` raise on a Mac:

    AssertionError: Torch not compiled with CUDA enabled

Since 2.5 it means the accelerator of the machine, and `.to(0)` is `mps:0`. Number 0 is therefore reported only where an
older PyTorch has to be supported (`--torch 2.4`).

## Use instead
Choose a device once and hand it on (torch 2.6 or newer):

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    x = x.to(device)

## Fix safety
The number becomes the device at hand, and stays for CUDA where it is not 0; `"mps:1"` becomes `"mps"`. Unsafe: a second
GPU is often there for a reason, such as a second model, that a Mac cannot serve.

## Sources
- pytorch/pytorch#129119: a bare number is the current accelerator; in releases since 2.5.
- `aten/src/ATen/mps/MPSGuardImpl.h`: `exchangeDevice` and `getDevice` give index 0 whatever is asked, `deviceCount` is 1.
- pytorch/pytorch#118495: "Does each mac have only one available mps device?"
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Runs, Severity, World, calls, keywords, literals, methods

if TYPE_CHECKING:
    from ..facts import Facts

_ACCELERATOR_SINCE = (2, 5)  # a bare number is the accelerator's; before, CUDA's
_NOT_TENSORS = ("cuda", "accelerator", "distributed", "xpu", "utils", "profiler", "backends", "mps", "export")
_TAKES_DEVICE = ("new_tensor", "new_zeros", "new_ones", "new_full", "new_empty", "to_empty")
_SECOND = re.compile(r"mps:0*[1-9]\d*$")
_FIRST_INSTEAD = Runs("everything is on mps:0, and no tensor is on the device that was asked for")


class DeviceOrdinal(Rule):
    code = "MPS106"
    name = "device-ordinal"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = literals(methods("to") | calls("torch.device", "torch.set_default_device") | keywords("device"))
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled")

    def check(self, found: ast.Call | ast.keyword, facts: Facts) -> Iterator[Finding]:
        number = _number(found, facts)
        if number is None or "torch" not in facts.modules or facts.guarded(found):
            return
        oldest = facts.config.oldest_torch
        if number.value != 0:
            message = f"a Mac has no GPU {facts.source.text_of(number)}; hand a device on"
        elif oldest is not None and oldest < _ACCELERATOR_SINCE:
            message = "0 means CUDA's GPU 0 before torch 2.5; hand a device on"
        else:
            return
        yield self.finding(facts.source.token(number), message)

    def fix(self, found: ast.Call | ast.keyword, finding: Finding, facts: Facts) -> Fix | None:
        number = _number(found, facts)
        if isinstance(number, ast.Constant) and isinstance(number.value, str):
            return edits.unsafe(edits.replaced(facts.source, number, '"mps"'))
        if isinstance(found, ast.Call) and number in found.args[1:]:
            return edits.unsafe(edits.argument_deleted(facts.source, found, number))
        return edits.unsafe(edits.replaced(facts.source, number, edits.device_for(facts.source, number))) if number else None

    bad = [
        Example("""
            import torch

            x = torch.zeros(2).to(1)
                                  ^ MPS106
            """, expect=_FIRST_INSTEAD),
        Example("""
            import torch

            second = torch.device("mps", 1)
                                         ^ MPS106
            """, expect=Runs("the device that it names is not there", same_on_linux=True)),
        Example("""
            import torch

            head = torch.nn.Linear(2, 2, device=3)
                                                ^ MPS106
            """, expect=_FIRST_INSTEAD),
        Example("""
            import torch

            def split(encoder, decoder):
                return encoder.to("mps:0"), decoder.to(device="mps:1")
                                                              ^^^^^^^ MPS106

            split(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
            """, expect=_FIRST_INSTEAD),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            x = torch.zeros(2).to(device)
            """),
        Example("""
            import torch

            def first(x):
                return x.to(0), torch.ones(2, device=0), torch.device("mps", 0), torch.device("cpu", 1)
            """),
        Example("""
            import torch

            model = torch.nn.Linear(2, 2)
            if torch.cuda.device_count() > 1:
                model.to(1)
            """),
        Example("""
            import torch

            def record(stream, device):
                print(stream, device, torch.__version__)

            record("microphone", device=2)
            """),
    ]


def _number(found: ast.Call | ast.keyword, facts: Facts) -> ast.Constant | None:
    """The number of the GPU that PyTorch is asked for there, or the text that holds one above 0."""
    if isinstance(found, ast.keyword):
        call = facts.parent(found) if isinstance(found.value, ast.Constant) else None
        given = found.value if isinstance(call, ast.Call) and _takes_device(call, facts) else None
    elif facts.name(found.func) == "torch.device":
        kind = facts.argument(found, "type", position=0)
        given = facts.argument(found, "index", position=1) or kind
        if given is not kind and not (isinstance(kind, ast.Constant) and kind.value == "mps"):
            return None
    else:
        given = facts.argument(found, "device", position=0)
    if isinstance(given, ast.Constant) and type(given.value) is int:
        return given
    if isinstance(given, ast.Constant) and isinstance(given.value, str) and _SECOND.match(given.value):
        return given
    return None


def _takes_device(call: ast.Call, facts: Facts) -> bool:
    """Whether the ``device=`` of a call is PyTorch's own; ``.to()`` and ``torch.device()`` are seen as calls."""
    name = facts.name(call.func)
    if name is None:
        return isinstance(call.func, ast.Attribute) and call.func.attr in _TAKES_DEVICE
    package, _, rest = name.partition(".")
    return package == "torch" and rest.partition(".")[0] not in (*_NOT_TENSORS, "device", "set_default_device")

"""A random generator is on CUDA, or on another device than the tensor it fills.

## Why it breaks on MPS
A `torch.Generator` belongs to one device and can only draw for tensors there.

- `torch.Generator(device="cuda")` fails wherever there is no CUDA, as written and not only once ported: `RuntimeError:
  Cannot get CUDA generator without ATen_cuda library. PyTorch splits its backend into two shared libraries ...`
- `torch.randn(3, generator=g, device=device)` with a generator of the CPU, which `torch.Generator()` is:
  `RuntimeError: Expected a 'mps' device type for generator but found 'cpu'`. `torch.randperm` says `Expected a 'mps:0'
  generator device but found 'cpu'`. On the CPU nothing fails; the port brings it out.

## Use instead
A generator on the device of the tensor:

    generator = torch.Generator(device=device).manual_seed(0)
    noise = torch.randn(3, generator=generator, device=device)

or, to draw the same numbers on every device, draw on the CPU and move:

    noise = torch.randn(3, generator=torch.Generator().manual_seed(0)).to(device)

A generator for a DataLoader stays on the CPU: its sampler draws there.

## Fix safety
A generator on CUDA becomes one on the device at hand. Unsafe: another device draws other numbers from the same seed. One of
the CPU that meets the device is left to the author.

## Sources
- torch 2.13, executed on the CPU build: `CUDAHooksInterface.h` refuses a CUDA generator. The other text is
  `check_generator` in `aten/src/ATen/core/Generator.h`, read in the wheel for Macs; that of `randperm` is in `randperm_out_mps`,
  `aten/src/ATen/native/mps/operations/Distributions.mm`, and was seen on a Mac in pytorch/pytorch#110820.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import devices
from ..facts.values import Device
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, beside, calls, keywords

if TYPE_CHECKING:
    from ..facts import Facts

_DRAWS = frozenset(f"torch.{name}" for name in "rand randn randint randperm normal".split())
_APART = Raises(RuntimeError, "Expected a 'mps' device type for generator but found 'cpu'")
_PERMUTATION = Raises(RuntimeError, "Expected a 'mps:0' generator device but found 'cpu'")


class GeneratorDevice(Rule):
    code = "MPS406"
    name = "generator-device"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = calls("torch.Generator") | beside("torch.Generator", keywords("generator"))
    expect = Raises(RuntimeError, "Cannot get CUDA generator without ATen_cuda library.", same_on_linux=True)

    def check(self, node: ast.Call | ast.keyword, facts: Facts) -> Iterator[Finding]:
        if isinstance(node, ast.keyword):
            yield from self._apart(node, facts)
            return
        device = facts.argument(node, "device", position=0)
        if device is None or facts.guarded(node, RuntimeError) or facts.out_of_reach_once_ported(node):
            return
        for named in facts.cuda_named_in(device)[:1]:
            message = "a generator on CUDA needs CUDA; write torch.Generator(device=device)"
            yield self.finding(facts.source.token(named), message)

    def _apart(self, keyword: ast.keyword, facts: Facts) -> Iterator[Finding]:
        call = facts.parent(keyword)
        if not isinstance(call, ast.Call) or facts.name(call.func) not in _DRAWS or facts.out_of_reach_once_ported(keyword):
            return
        device = facts.argument(call, "device")
        if device is not None and _may_be_mps(device, facts) and _is_on_cpu(keyword.value, facts):
            message = "a generator of the CPU cannot draw on the device; write torch.Generator(device=device)"
            yield self.finding(facts.source.token(keyword), message)

    def fix(self, node: ast.Call | ast.keyword, finding: Finding, facts: Facts) -> Fix | None:
        if isinstance(node, ast.keyword):
            raise edits.NoFix("on which device to draw is the author's to say")
        device = facts.argument(node, "device", position=0)
        return edits.unsafe(*devices.literal(facts, facts.cuda_named_in(device)[0])) if device is not None else None

    bad = [
        Example("""
            import torch

            generator = torch.Generator(device="cuda").manual_seed(0)
                                               ^^^^^^ MPS406
            """),
        Example("""
            from torch import Generator, device

            def sampler(seed):
                return Generator(device("cuda:0")).manual_seed(seed)
                                        ^^^^^^^^ MPS406

            sampler(0)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            generator = torch.Generator()
            generator.manual_seed(0)
            noise = torch.randn(3, generator=generator, device=device)
                                   ^^^^^^^^^ MPS406
            """, expect=_APART),
        Example("""
            import torch as th

            def shuffled(count, device):
                fixed = th.Generator("cpu").manual_seed(0)
                return th.randperm(count, device=device, generator=fixed)
                                                         ^^^^^^^^^ MPS406

            shuffled(4, th.accelerator.current_accelerator() or th.device("cpu"))
            """, expect=_PERMUTATION),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            generator = torch.Generator(device=device).manual_seed(0)
            noise = torch.randn(3, generator=generator, device=device)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(3, generator=generator).to(device)
            order = torch.randperm(3, generator=generator, device="cpu")
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), shuffle=True, generator=torch.Generator())
            generator = torch.Generator("cuda" if torch.cuda.is_available() else "cpu")
            if torch.cuda.is_available():
                generator = torch.Generator("cuda")
            """),
        Example("""
            import torch

            def noise(shape, device, generator=None):
                if generator is None:
                    generator = torch.Generator(device=device)
                return torch.randn(shape, generator=generator, device=device)

            noise((2, 3), torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            """),
    ]


def _may_be_mps(device: ast.expr, facts: Facts) -> bool:
    value = facts.value(device)
    return isinstance(value, Device) and not value.kinds <= {"cpu", "other"}


def _is_on_cpu(node: ast.expr, facts: Facts) -> bool:
    """Whether a generator was certainly made on the CPU: ``torch.Generator().manual_seed(0)``, here or under its name."""
    made = facts.only_value(node) if isinstance(node, ast.Name) else node
    if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr == "manual_seed":
        made = made.func.value
    if not isinstance(made, ast.Call) or facts.name(made.func) != "torch.Generator":
        return False
    device = facts.argument(made, "device", position=0)
    return device is None and not facts.has_star(made) or facts.literal(device) == "cpu"

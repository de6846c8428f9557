"""Data are shuffled or split while the default device is not the CPU.

## Why it breaks on MPS
`torch.set_default_device(device)` sends every new tensor to the device, also the order in which a DataLoader shuffles
and `random_split` divides. The generator that draws the order stays on the CPU, and the two do not go together:

    RuntimeError: Expected a 'mps:0' generator device but found 'cpu'

It shows when the loader is first iterated, and where `random_split` is called. On the CPU nothing fails.

## Use instead
Leave the default alone and say where tensors go:

    model.to(device)
    images = images.to(device)

or give the loader and the split a generator of the device:

    generator = torch.Generator(device=device)
    train, test = random_split(data, [0.8, 0.2], generator=generator)
    loader = DataLoader(train, shuffle=True, generator=generator)

## Fix safety
There is no automatic fix: with another generator the same seed gives another order.

## Sources
- torch 2.13: `RandomSampler.__iter__` in `torch/utils/data/sampler.py` makes `torch.Generator()`, and `random_split` in
  `torch/utils/data/dataset.py` has the CPU's as its default; both call `torch.randperm`, which obeys the default device.
- pytorch/pytorch#110820 (open).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts.values import Device
from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_DEFAULT = "torch.set_default_device"
_LOADER = "torch.utils.data.DataLoader"
_SPLITS = ("torch.utils.data.random_split", "torch.utils.data.dataset.random_split")


class DefaultDeviceLoader(Rule):
    code = "MPS408"
    name = "default-device-loader"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = calls(_DEFAULT, _LOADER, *_SPLITS)
    expect = Raises(RuntimeError, "Expected a 'mps:0' generator device but found 'cpu'")

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        if facts.name(call.func) == _DEFAULT or facts.out_of_reach_once_ported(call) or not _draws(call, facts):
            return
        if any(_moves_default(node, facts) for node in facts.source.nodes(ast.Call)):
            message = "it draws on the default device from the CPU; add generator=torch.Generator(device=device)"
            yield self.finding(facts.source.token(call.func), message)

    bad = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            torch.set_default_device("mps")
            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), shuffle=True)
                     ^^^^^^^^^^ MPS408
            for (batch,) in loader:  # raises
                batch.sum()
            """),
        Example("""
            import torch
            from torch.utils import data

            torch.set_default_device(torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
            train, test = data.random_split(range(8), [6, 2])
                          ^^^^^^^^^^^^^^^^^ MPS408
            """),
        Example("""
            import torch

            def main(device):
                torch.set_default_device(device)
                images = torch.utils.data.TensorDataset(torch.zeros(4, 2))
                loader = torch.utils.data.DataLoader(images, 2, True)
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS408
                return next(iter(loader))  # raises

            main("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
            """),
    ]
    good = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            torch.set_default_device(device)
            generator = torch.Generator(device=device)
            for (batch,) in DataLoader(TensorDataset(torch.zeros(4, 2)), shuffle=True, generator=generator):
                batch.sum()
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            torch.set_default_device("cpu")
            for (batch,) in DataLoader(TensorDataset(torch.zeros(4, 2)), shuffle=True):
                batch.sum()
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, RandomSampler, TensorDataset

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            torch.set_default_device(device)
            data = TensorDataset(torch.zeros(4, 2))
            order = RandomSampler(data, generator=torch.Generator(device))
            loaders = DataLoader(data), DataLoader(data, shuffle=False), DataLoader(data, sampler=order)
            """),
    ]


def _draws(call: ast.Call, facts: Facts) -> bool:
    """Whether a loader or a split draws an order and leaves the generator to torch."""
    is_loader = facts.name(call.func) == _LOADER
    if facts.has_star(call) or facts.argument(call, "generator", position=None if is_loader else 2) is not None:
        return False
    return not is_loader or facts.literal(facts.argument(call, "shuffle", position=2)) is True


def _moves_default(node: ast.Call, facts: Facts) -> bool:
    """Whether a call makes a device the default that is, or may be, MPS."""
    if facts.name(node.func) != _DEFAULT or facts.out_of_reach_once_ported(node):
        return False
    device = facts.argument(node, "device", position=0)
    value = facts.value(device) if device is not None else None
    return isinstance(value, Device) and not value.kinds <= {"cpu", "other"}

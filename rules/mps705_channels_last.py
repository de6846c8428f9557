"""A model or a batch is laid out channels_last.

## Why it breaks on MPS
With `memory_format=torch.channels_last` tensor cores read images faster. MPS gains little, and parts of its backward
pass take strides for granted that such tensors do not have:

- the backward pass of `MaxPool2d`, `AvgPool2d` and `AdaptiveAvgPool2d` aborts the whole process, past any `except`:
  `[MPSNDArray, initWithBuffer:descriptor:] Error: buffer is not large enough` (seen with 2.10 and later)
- that of `BatchNorm2d` fails on some shapes

A U-Net trains through both. Whether it fails depends on layers and shapes that the line does not show: hence a warning.
A switch that names the layout, such as `if args.channels_last:`, is taken for the user's own choice.

## Use instead
Keep the layout for CUDA, where it pays:

    if device.type == "cuda":
        model = model.to(memory_format=torch.channels_last)

and the same for the batches, whose layout decides that of all layers after them.

## Fix safety
The layout is kept for CUDA, and stays as it is elsewhere: safe, it changes speed and no value, and nothing on a CUDA machine.

## Sources
- pytorch/pytorch#175190 (abort in the backward pass of pooling, open in February 2026) and #188371 (BatchNorm).
- ultralytics keeps the layout for CUDA and calls it "numerically wrong on MPS" (`ultralytics/engine/trainer.py`).
- Not proved by running: it needs a Mac.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Rule, Runs, Severity, World, keywords

if TYPE_CHECKING:
    from ..facts import Facts

_LAYOUTS = frozenset({"torch.channels_last", "torch.channels_last_3d"})


class ChannelsLast(Rule):
    code = "MPS705"
    name = "channels-last"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = keywords("memory_format")
    expect = Runs("the backward pass of pooling layers aborts the process")

    def check(self, keyword: ast.keyword, facts: Facts) -> Iterator[Finding]:
        call = facts.parent(keyword)
        if not _is_move(call) or not _is_channels_last(keyword.value, facts):
            return
        if facts.guarded(keyword) or facts.out_of_reach_once_ported(keyword):
            return
        if not any(_asks_for_layout(node) for node in facts.around(keyword)):
            message = 'channels_last can abort the backward pass on MPS; keep it for device.type == "cuda"'
            yield self.finding(facts.source.token(keyword), message)

    def fix(self, keyword: ast.keyword, finding: Finding, facts: Facts) -> Fix | None:
        return edits.safe(*machine.for_cuda(facts, keyword.value, f"{edits.TORCH}.preserve_format"))

    bad = [
        Example("""
            import torch

            model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.MaxPool2d(2))
            model = model.to(memory_format=torch.channels_last)
                             ^^^^^^^^^^^^^ MPS705
            model(torch.zeros(1, 1, 8, 8)).sum().backward()
            """),
        Example("""
            import torch

            def train(model, batches, device):
                for images in batches:
                    images = images.to(device, memory_format=torch.channels_last)
                                               ^^^^^^^^^^^^^ MPS705
                    model(images).sum().backward()

            train(torch.nn.Conv2d(1, 4, 3), [torch.zeros(1, 1, 8, 8)], torch.device("cpu"))
            """),
        Example("""
            import torch

            layout = torch.channels_last_3d
            volume = torch.zeros(1, 1, 4, 4, 4).to(
                memory_format=layout,
                ^^^^^^^^^^^^^ MPS705
            )
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            model = torch.nn.Conv2d(1, 4, 3).to(device)
            if device.type == "cuda":
                model = model.to(memory_format=torch.channels_last)
            """),
        Example("""
            import torch

            images = torch.zeros(1, 1, 8, 8).permute(0, 2, 3, 1)
            images = images.contiguous().to(memory_format=torch.contiguous_format)
            copy = images.clone(memory_format=torch.preserve_format)
            """),
        Example("""
            import torch

            layout = torch.channels_last if torch.cuda.is_available() else torch.contiguous_format
            model = torch.nn.Conv2d(1, 4, 3).to(memory_format=layout)
            if torch.cuda.is_available():
                images = torch.zeros(1, 1, 8, 8).to(memory_format=torch.channels_last)
            """),
        Example("""
            import torch

            def forward(model, x):
                if x.device.type == "cpu" and x.dtype == torch.float32:
                    x = x.to(memory_format=torch.channels_last)
                elif x.device.type in ("cpu", "cuda"):
                    x = x.to(memory_format=torch.channels_last)
                return model(x)

            forward(torch.nn.Conv2d(1, 4, 3), torch.zeros(1, 1, 8, 8))
            """),
        Example("""
            import argparse
            import torch

            parser = argparse.ArgumentParser()
            parser.add_argument("--channels-last", action="store_true")
            args = parser.parse_args()
            model = torch.nn.Conv2d(1, 4, 3)
            if args.channels_last:
                model = model.to(memory_format=torch.channels_last)
            """),
    ]


def _is_channels_last(layout: ast.expr, facts: Facts) -> bool:
    """Whether a layout is channels_last whatever the machine; a name that is chosen is not."""
    chosen = facts.only_value(layout) if isinstance(layout, ast.Name) else layout
    return isinstance(chosen, (ast.Attribute, ast.Name)) and facts.name(layout) in _LAYOUTS


def _is_move(call: ast.AST | None) -> bool:
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "to"


def _asks_for_layout(node: ast.AST) -> bool:
    """``if args.channels_last:``: somebody asks for the layout by its name."""
    return isinstance(node, (ast.If, ast.IfExp)) and "channels_last" in ast.unparse(node.test)

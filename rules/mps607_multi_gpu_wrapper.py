"""A model is spread over several GPUs; a Mac has one.

## Why it breaks on MPS
`DataParallel` with `device_ids` hands everything through where there is no CUDA: one GPU computes, and only the names
of the parameters have changed, so that a checkpoint saved here does not load into the bare model:

    RuntimeError: Error(s) in loading state_dict for Linear:
        Missing key(s) in state_dict: "weight", "bias".
        Unexpected key(s) in state_dict: "module.weight", "module.bias".

`DistributedDataParallel` with `device_ids` refuses a model on the CPU, where a Mac's is unless it was moved:

    ValueError: DistributedDataParallel device_ids and output_device arguments only work with
    single-device/multiple-device GPU modules or CPU modules, but got device_ids [0], output_device None, and module
    parameters {device(type='cpu')}.

On MPS it fails as well, for no backend of `torch.distributed` sends tensors of MPS.

## Use instead
Wrap only where there is something to spread over:

    if torch.cuda.device_count() > 1:
        model = nn.DataParallel(model)

and leave `device_ids` of `DistributedDataParallel` to CUDA:

    model = DistributedDataParallel(model, device_ids=[rank] if torch.cuda.is_available() else None)

## Fix safety
There is no automatic fix: without the wrapper the names in checkpoints change, and `model.module` is gone.

## Sources
- torch 2.13: `torch/nn/parallel/data_parallel.py`, which returns early for MPS, and `torch/nn/parallel/distributed.py`;
  both executed on the CPU build, whose Python files are those of the Mac's.
- Seen on Macs: AnswerDotAI/RAGatouille#23, ultralytics/ultralytics#15701, d2l-ai/d2l-en#2601.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Runs, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_INSTEAD = {
    "torch.nn.DataParallel": "keep DataParallel under torch.cuda.device_count() > 1",
    "torch.nn.parallel.DistributedDataParallel": "give device_ids under torch.cuda.is_available() only",
}
_DISTRIBUTED = Raises(
    ValueError, "DistributedDataParallel device_ids and output_device arguments only work with", same_on_linux=True
)


class MultiGpuWrapper(Rule):
    code = "MPS607"
    name = "multi-gpu-wrapper"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls(*_INSTEAD)
    expect = Runs('one GPU computes, and keys of checkpoints begin with "module."', same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if _names_gpus(call, facts) and not facts.of_several(call) and not facts.guarded(call, ValueError):
            yield self.finding(facts.source.token(call.func), f"a Mac has one GPU; {_INSTEAD[name]}")

    bad = [
        Example("""
            import torch

            model = torch.nn.DataParallel(torch.nn.Linear(2, 2), device_ids=[0, 1])
                    ^^^^^^^^^^^^^^^^^^^^^ MPS607
            print(model.state_dict().keys())
            """),
        Example("""
            from torch import nn, zeros

            def spread(model, gpus):
                return nn.DataParallel(model, gpus, dim=0)
                       ^^^^^^^^^^^^^^^ MPS607

            print(spread(nn.Linear(2, 2), [0])(zeros(1, 2)))
            """),
        Example("""
            import torch
            import torch.distributed as dist
            from torch.nn.parallel import DistributedDataParallel as DDP

            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
            model = DDP(torch.nn.Linear(2, 2), device_ids=[0])
                    ^^^ MPS607
            """, expect=_DISTRIBUTED),
    ]
    good = [
        Example("""
            import os
            import torch
            from torch.nn.parallel import DistributedDataParallel

            rank, world_size = int(os.environ.get("LOCAL_RANK", -1)), int(os.environ.get("WORLD_SIZE", 1))
            model = torch.nn.Linear(2, 2)
            if world_size > 1:
                model = DistributedDataParallel(model, device_ids=[rank])
            if rank != -1:
                model = DistributedDataParallel(model, device_ids=[rank])
            """),
        Example("""
            import torch
            from torch import nn

            model = nn.Linear(2, 2)
            if torch.cuda.device_count() > 1:
                model = nn.DataParallel(model, device_ids=[0, 1])
            """),
        Example("""
            import torch
            import torch.distributed as dist
            from torch.nn.parallel import DistributedDataParallel

            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
            devices = [0] if torch.cuda.is_available() else None
            model = DistributedDataParallel(torch.nn.Linear(2, 2), device_ids=devices)
            """),
        Example("""
            import torch

            model = torch.nn.DataParallel(torch.nn.Linear(2, 2))
            print(model.module)
            """),
        Example("""
            import torch
            from torch.nn import DataParallel

            def wrap(model, gpus):
                if torch.cuda.is_available() and len(gpus) > 1:
                    return DataParallel(model, device_ids=gpus)
                return model

            wrap(torch.nn.Linear(2, 2), [])
            """),
    ]


def _names_gpus(call: ast.Call, facts: Facts) -> bool:
    """Whether device_ids are given, and nothing in the file says that they may be none."""
    devices = facts.argument(call, "device_ids", 1)
    values = [devices]
    if isinstance(devices, ast.Name):
        values += facts.bindings(devices.id)
    return devices is not None and not any(map(_may_be_none, values)) and not _asks_cuda(devices, facts)


def _asks_cuda(devices: ast.expr, facts: Facts) -> bool:
    """Whether CUDA itself is asked for the device: that call raises, and is a finding of its own."""
    called = (node.func for node in ast.walk(devices) if isinstance(node, ast.Call))
    return any(facts.name(function) == "torch.cuda.current_device" for function in called)


def _may_be_none(value: ast.expr | None) -> bool:
    if isinstance(value, ast.List):
        return not value.elts
    return isinstance(value, ast.IfExp) or isinstance(value, ast.Constant) and value.value is None

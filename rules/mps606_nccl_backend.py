"""NCCL is asked for, which only a CUDA build of PyTorch has.

## Why it breaks on MPS
`init_process_group("nccl")` and `new_group(backend="nccl")` stop on a Mac, whether they are started by `torchrun` or as
a single process:

    RuntimeError: Distributed package doesn't have NCCL built in

A default of the command line, or of a parameter, is what everybody gets who names no backend: hence a warning there, as
for what runs only if somebody asks for several processes.

## Use instead
Take Gloo where there is no CUDA:

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend)

Gloo sends tensors of the CPU, not of MPS. A Mac has one GPU, so a program that trains there wants one process and no
group at all.

## Fix safety
`"nccl"` is kept for CUDA, with `"gloo"` elsewhere. Unsafe: with Gloo the group begins, and the first `all_reduce` of a tensor
on MPS raises.

## Sources
- torch 2.13, `torch/distributed/distributed_c10d.py`, executed on the CPU build, whose Python files are those of the
  Mac's.
- Seen on Macs: meta-llama/llama3#37, meta-llama/llama#112, meta-llama/llama#722.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Runs, Severity, World, calls, methods

if TYPE_CHECKING:
    from ..facts import Facts

# The place of backend among the positional arguments.
_POSITION = {"torch.distributed.init_process_group": 0, "torch.distributed.new_group": 2}
_NCCL = re.compile(r"(?:\w+:\w+,)*(?:cuda:)?nccl\b")
# Conditions under which somebody has asked for several processes.
_ASKED = re.compile(r"distribut|ddp|world_?size|rank|parallel|multi|n_?gpus?|num_gpus", re.IGNORECASE)
_LATE = Runs("who names no backend gets NCCL, and there is none", same_on_linux=True)


class NcclBackend(Rule):
    code = "MPS606"
    name = "nccl-backend"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = calls(*_POSITION) | methods("add_argument")
    expect = Raises(RuntimeError, "Distributed package doesn't have NCCL built in", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func)
        given = facts.argument(call, "backend", _POSITION[name]) if name else facts.argument(call, "default")
        if given is None or facts.guarded(call, RuntimeError):
            return
        values = facts.bindings(given.id) if name and isinstance(given, ast.Name) else [given]
        for value in values if all(map(_is_nccl, values)) else ():
            if name is None or isinstance(facts.parent(value), ast.arguments):
                message = 'the default is NCCL, which no Mac has; let it be "gloo" without CUDA'
                yield self.finding(facts.source.token(value), message, severity=Severity.WARNING)
            else:
                severity = Severity.WARNING if facts.optional(call) or _is_asked_for(call, facts) else None
                message = 'no Mac has NCCL; write "nccl" if torch.cuda.is_available() else "gloo"'
                yield self.finding(facts.source.token(value), message, severity=severity)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return edits.unsafe(*machine.for_cuda(facts, machine.node_at(facts, finding.span, ast.Constant), '"gloo"'))

    bad = [
        Example("""
            import torch.distributed as dist

            dist.init_process_group("nccl", "tcp://127.0.0.1:29571", rank=0, world_size=1)  # raises
                                    ^^^^^^ MPS606
            """),
        Example("""
            from torch.distributed import HashStore, init_process_group

            def setup(rank, world_size):
                init_process_group(backend="nccl", store=HashStore(), rank=rank, world_size=world_size)
                                           ^^^^^^ MPS606

            setup(0, 1)
            """),
        Example("""
            import torch

            BACKEND = "cpu:gloo,cuda:nccl"
                      ^^^^^^^^^^^^^^^^^^^^ MPS606
            store = torch.distributed.HashStore()
            torch.distributed.init_process_group(BACKEND, store=store, rank=0, world_size=1)  # raises
            """),
        Example("""
            import argparse
            import torch

            parser = argparse.ArgumentParser()
            parser.add_argument("--dist-backend", default="nccl", type=str)
                                                          ^^^^^^ MPS606
            print(parser.parse_args([]).dist_backend, torch.__version__)
            """, expect=_LATE),
        Example("""
            import torch.distributed as dist

            def setup(rank, backend="nccl"):
                                    ^^^^^^ MPS606
                dist.init_process_group(backend, store=dist.HashStore(), rank=rank, world_size=1)

            setup(0, "gloo")
            """, expect=_LATE),
    ]
    good = [
        Example("""
            import torch
            import torch.distributed as dist

            backend = "nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
            """),
        Example("""
            import torch
            import torch.distributed as dist

            if torch.cuda.is_available():
                dist.init_process_group("nccl")
            else:
                dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
            """),
        Example("""
            import torch.distributed as dist

            def setup(backend="nccl"):
                if not dist.is_nccl_available():
                    backend = "gloo"
                dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)

            setup()
            """),
        Example("""
            import torch.distributed as dist

            try:
                dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
            except RuntimeError:
                print("one process")
            """),
    ]


def _is_nccl(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and _NCCL.match(node.value) is not None


def _is_asked_for(call: ast.Call, facts: Facts) -> bool:
    """Whether a condition around has to do with several processes."""
    tests = (node.test for node in facts.around(call) if isinstance(node, ast.If))
    return any(_ASKED.search(ast.unparse(test)) for test in tests)

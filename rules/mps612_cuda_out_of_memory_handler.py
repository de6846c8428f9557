"""A handler waits for an out-of-memory error that only CUDA raises.

## Why it breaks on MPS
Where the memory of MPS ends, a plain RuntimeError is raised. `torch.cuda.OutOfMemoryError`, the same class as
`torch.OutOfMemoryError`, is a subclass of that, so the handler lets it pass and the program ends:

    RuntimeError: MPS backend out of memory (MPS allocated: 17.90 GB, other allocations: 1.20 GB, max allowed:
    18.13 GB). Tried to allocate 512.00 MB on private pool. Use PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to ...

The smaller batch, or the cleared cache, that the handler was written for never comes.

## Use instead
Catch what both raise, and tell it by its text:

    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise

## Fix safety
The handler takes a RuntimeError, and raises it again unless its text says "out of memory". Unsafe, though on a CUDA machine
nothing changes, for CUDA's error says so too: a handler beside it could have caught the other. One of several handlers,
or of several errors, is left to the author.

## Sources
- torch 2.13, executed: `torch.cuda.OutOfMemoryError is torch.OutOfMemoryError`, its base is RuntimeError. The message
  of MPS comes from TORCH_CHECK in `aten/src/ATen/mps/MPSAllocator.mm`.
- Seen on a Mac, with the type and the text: huggingface/accelerate#4226.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Runs, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts

# What catches the error of MPS as well.
_WIDER = {f"builtins.{name}" for name in ("RuntimeError", "Exception", "BaseException")}


class CudaOutOfMemoryHandler(Rule):
    code = "MPS612"
    name = "cuda-out-of-memory-handler"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = conflicts("memory-handler")
    expect = Runs("where the memory of MPS ends, its RuntimeError passes the handler by", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if not facts.guarded(event.node) and not _is_caught_beside(event.node, facts):
            message = 'MPS raises a plain RuntimeError; catch that and look for "out of memory" in its text'
            yield self.finding(facts.source.token(event.node), message)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return machine.memory_handler(facts, event.node)

    bad = [
        Example("""
            import torch

            try:
                x = torch.zeros(4, 4)
            except torch.cuda.OutOfMemoryError:
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS612
                x = torch.zeros(2, 2)
            """),
        Example("""
            import torch

            def batch_size(run, size):
                while size:
                    try:
                        return run(size)
                    except (torch.OutOfMemoryError, MemoryError):
                            ^^^^^^^^^^^^^^^^^^^^^^ MPS612
                        size //= 2

            batch_size(torch.zeros, 8)
            """),
        Example("""
            from torch.cuda import OutOfMemoryError

            def train(batch):
                # In the words of MPS:
                raise RuntimeError("MPS backend out of memory")  # raises

            try:
                train(8)
            except OutOfMemoryError as error:
                   ^^^^^^^^^^^^^^^^ MPS612
                train(4)
            """, expect=Raises(RuntimeError, "MPS backend out of memory", same_on_linux=True)),
    ]
    good = [
        Example("""
            import torch

            try:
                x = torch.zeros(4, 4)
            except RuntimeError as error:
                if "out of memory" not in str(error):
                    raise
                x = torch.zeros(2, 2)
            """),
        Example("""
            import torch

            try:
                x = torch.zeros(4, 4)
            except torch.cuda.OutOfMemoryError:
                x = torch.zeros(2, 2)
            except RuntimeError as error:
                print(error)
                raise
            """),
        Example("""
            import torch

            try:
                x = torch.zeros(4, 4)
            except (torch.OutOfMemoryError, RuntimeError):
                x = torch.zeros(2, 2)
            """),
        Example("""
            import torch

            if torch.cuda.is_available():
                try:
                    torch.cuda.synchronize()
                except torch.cuda.OutOfMemoryError:
                    torch.cuda.empty_cache()
            """),
    ]


def _is_caught_beside(node: ast.AST, facts: Facts) -> bool:
    """Whether this handler, or another of the same try, takes a RuntimeError too."""
    here = next(around for around in facts.around(node) if isinstance(around, (ast.Try, ast.TryStar)))
    types = [handler.type for handler in here.handlers]
    parts = [part for kind in types for part in (kind.elts if isinstance(kind, ast.Tuple) else [kind])]
    return any(part is None or facts.name(part) in _WIDER for part in parts)

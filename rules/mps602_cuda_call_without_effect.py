"""A function of torch.cuda is called that does nothing without CUDA.

## Why it breaks on MPS
Part of `torch.cuda` is quiet where there is no CUDA. Nothing fails, and nothing happens either:

- `manual_seed()`, `manual_seed_all()`, `seed()` and `seed_all()` seed no generator of MPS.
- `empty_cache()` gives no memory of MPS back.
- `memory_allocated()`, `max_memory_allocated()`, `memory_reserved()` and their kin return 0, `memory_stats()` an empty
  dict: a log of them shows a program that needs no memory.
- `set_rng_state()` and `set_rng_state_all()` restore nothing, `get_rng_state_all()` returns an empty list: noise on MPS
  is not repeated after a checkpoint is resumed.

This is a hint, off by default: show it with `--level info`. It is not given under a condition that asks for CUDA, or
under an option such as `use_cuda`.

## Use instead
`torch.manual_seed(seed)` seeds every device, CUDA and MPS included. For the rest name MPS too:

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()

Figures of memory are `torch.mps.current_allocated_memory()` and `torch.mps.driver_allocated_memory()`, states of
generators `torch.mps.get_rng_state()` and `torch.mps.set_rng_state()`.

## Fix safety
Nothing has to be mended for a Mac to run the program. `torch.mps.empty_cache()` raises where MPS is not available.

## Sources
- Each name was executed on torch 2.13 without CUDA. The wheel for Macs holds the same Python: `torch/cuda/memory.py`
  and `torch/cuda/random.py`. `torch.manual_seed` in `torch/random.py` seeds MPS.
- What an emptied cache is worth on a Mac: ultralytics/ultralytics#16078, invoke-ai/InvokeAI#4506.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Rule, Runs, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts


def _table(instead: str, module: str, names: str) -> dict[str, str]:
    """The names of a module of torch.cuda, each by both of its spellings, and what to write instead."""
    return {f"torch.cuda.{prefix}{name}": instead for name in names.split() for prefix in ("", f"{module}.")}


SILENT = {
    **_table("torch.manual_seed() seeds MPS too", "random", "manual_seed manual_seed_all"),
    **_table("torch.seed() seeds MPS too", "random", "seed seed_all"),
    **_table("see torch.mps.get_rng_state()", "random", "get_rng_state_all"),
    **_table("see torch.mps.set_rng_state()", "random", "set_rng_state set_rng_state_all"),
    **_table("see torch.mps.empty_cache()", "memory", "empty_cache"),
    **_table(
        "see torch.mps.current_allocated_memory()", "memory",
        "memory_allocated max_memory_allocated memory_reserved max_memory_reserved memory_cached max_memory_cached "
        "memory_stats memory_stats_as_nested_dict",
    ),
}


class CudaCallWithoutEffect(Rule):
    code = "MPS602"
    name = "cuda-call-without-effect"
    severity = Severity.INFO
    world = World.AS_WRITTEN
    where = calls(*SILENT)
    expect = Runs("what is asked of CUDA is not done for MPS", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if not facts.guarded(call) and not facts.optional(call):
            message = f"{name.removeprefix('torch.')}() does nothing on a Mac; {SILENT[name]}"
            yield self.finding(facts.source.token(call.func), message)

    bad = [
        Example("""
            import torch

            torch.manual_seed(0)
            torch.cuda.manual_seed_all(0)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS602
            """, expect=Runs("one of two seeds is set", same_on_linux=True)),
        Example("""
            import gc
            import torch

            def clean():
                gc.collect()
                torch.cuda.empty_cache()
                ^^^^^^^^^^^^^^^^^^^^^^ MPS602

            clean()
            """, expect=Runs("the cache of MPS keeps what it has", same_on_linux=True)),
        Example("""
            from torch.cuda import memory, max_memory_allocated as peak

            print(f"{peak() / 2**20:.0f} MiB, {memory.memory_reserved()} reserved")
                     ^^^^ MPS602
                                               ^^^^^^^^^^^^^^^^^^^^^^ MPS602
            """, expect=Runs("the figures are 0", same_on_linux=True)),
        Example("""
            import torch

            state = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS602
            torch.cuda.set_rng_state_all(state["cuda"])
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS602
            """, expect=Runs("noise on MPS is not repeated", same_on_linux=True)),
    ]
    good = [
        Example("""
            import torch

            torch.manual_seed(0)
            if torch.cuda.is_available():
                torch.cuda.manual_seed_all(0)
            """),
        Example("""
            import torch

            def empty_cache():
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                elif torch.backends.mps.is_available():
                    torch.mps.empty_cache()

            empty_cache()
            """),
        Example("""
            import torch

            def memory(device):
                if device.type != "cuda":
                    return 0
                return torch.cuda.memory_allocated(device)

            print(memory(torch.device("cpu")))
            """),
        Example("""
            import torch

            def seed(number, use_cuda=False):
                torch.manual_seed(number)
                if use_cuda:
                    torch.cuda.manual_seed(number)

            seed(0)
            """),
        Example("""
            import torch

            print(torch.cuda.is_available(), torch.cuda.device_count(), torch.version.cuda)
            """),
    ]

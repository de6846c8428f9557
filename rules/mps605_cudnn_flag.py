"""A switch of cuDNN or of CUDA's kernels is set.

## Why it breaks on MPS
`torch.backends.cudnn` and `torch.backends.cuda` can be set everywhere, and on a Mac they steer nothing:

- `cudnn.benchmark = True` and `cudnn.deterministic = True` choose among cuDNN's convolutions. MPS has others.
- `cuda.matmul.allow_tf32 = True` and its kin lower the precision of CUDA's matrix products.
- `cuda.enable_flash_sdp(True)`, `enable_mem_efficient_sdp`, `enable_cudnn_sdp` and `sdp_kernel` choose among kernels of
  attention that MPS does not have. (Those of the CPU obey `enable_flash_sdp` as well.)

A program that relies on `deterministic` to repeat itself is not repeatable on a Mac by that alone.

This is a hint, off by default: show it with `--level info`. It is not given under a condition that asks for CUDA, or
under an option such as `use_cuda`.

## Use instead
Keep it for CUDA, and say so:

    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True

What has to repeat itself on every device asks for `torch.use_deterministic_algorithms(True)`.

## Fix safety
Nothing has to be mended for a Mac to run the program, and nothing changes when such a line is guarded.

## Sources
- torch 2.13: `torch/backends/cudnn/__init__.py` and `torch/backends/cuda/__init__.py`, executed on the CPU build, whose
  Python files are those of the Mac's. `torch.backends.cudnn.version()` is None there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Rule, Runs, Severity, World, attributes, calls

if TYPE_CHECKING:
    from ..facts import Facts

FLAGS = [f"torch.backends.{name}" for name in (
    "cudnn.benchmark cudnn.benchmark_limit cudnn.deterministic cudnn.enabled cudnn.allow_tf32 "
    "cudnn.fp32_precision cudnn.conv.fp32_precision cudnn.rnn.fp32_precision cuda.matmul.allow_tf32 "
    "cuda.matmul.fp32_precision cuda.matmul.allow_fp16_reduced_precision_reduction "
    "cuda.matmul.allow_bf16_reduced_precision_reduction cuda.matmul.allow_fp16_accumulation"
).split()]
SWITCHES = [f"torch.backends.{name}" for name in (
    "cudnn.set_flags cudnn.flags cuda.enable_flash_sdp cuda.enable_mem_efficient_sdp cuda.enable_cudnn_sdp "
    "cuda.sdp_kernel"
).split()]


class CudnnFlag(Rule):
    code = "MPS605"
    name = "cudnn-flag"
    severity = Severity.INFO
    world = World.AS_WRITTEN
    where = attributes(*FLAGS) | calls(*SWITCHES)
    expect = Runs("nothing is switched", same_on_linux=True)

    def check(self, found: ast.Attribute | ast.Call, facts: Facts) -> Iterator[Finding]:
        named = found.func if isinstance(found, ast.Call) else found
        if isinstance(found, ast.Attribute) and not isinstance(found.ctx, ast.Store):
            return
        if facts.guarded(found) or facts.optional(found):
            return
        flag = (facts.name(named) or "").removeprefix("torch.backends.")
        message = f"{flag} switches nothing on a Mac; keep it under torch.cuda.is_available()"
        yield self.finding(facts.source.token(named), message)

    bad = [
        Example("""
            import torch

            torch.backends.cudnn.benchmark = True
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS605
            """),
        Example("""
            import torch
            from torch.backends import cudnn

            def repeatable(seed):
                torch.manual_seed(seed)
                cudnn.deterministic, cudnn.benchmark = True, False
                ^^^^^^^^^^^^^^^^^^^ MPS605
                                     ^^^^^^^^^^^^^^^ MPS605

            repeatable(0)
            """),
        Example("""
            import torch

            torch.backends.cuda.matmul.allow_tf32 = True
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS605
            torch.backends.cuda.enable_flash_sdp(True)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS605
            """),
    ]
    good = [
        Example("""
            import torch

            if torch.cuda.is_available():
                torch.backends.cudnn.benchmark = True
                torch.backends.cuda.matmul.allow_tf32 = True
            """),
        Example("""
            import torch

            print(torch.backends.cudnn.enabled, torch.backends.cudnn.version(), torch.backends.cuda.is_built())
            """),
        Example("""
            import torch

            def settings(device):
                if device.type == "cuda":
                    torch.backends.cuda.enable_mem_efficient_sdp(False)
                torch.set_float32_matmul_precision("high")

            settings(torch.device("cpu"))
            """),
    ]

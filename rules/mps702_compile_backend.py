"""torch.compile is asked for a backend that a Mac does not have.

## Why it breaks on MPS
- `backend="cudagraphs"` compiles nothing on a machine without CUDA. The model runs as it was, slower by the time it
  takes to trace it, and a line of the log says `skipping cudagraphs due to ...`.
- `"tensorrt"`, `"torch_tensorrt"` and others come with packages that only an NVIDIA or an Intel machine can install:
  `torch._dynamo.exc.InvalidBackend: Invalid backend: 'tensorrt', see torch._dynamo.list_backends() ...`. The names of
  older releases (`"nvfuser"`, `"aot_cudagraphs"`, `"onnxrt"`) fail in the same way.
- The default backend, inductor, writes Metal kernels since torch 2.8. Up to 2.6 it stops with `AssertionError: Device mps
  not supported`, and 2.7 has a prototype that makes faulty shaders. Reported only if the oldest torch to support is
  given (`--torch`) and is older than 2.8.

The modes (`"reduce-overhead"`, `"max-autotune"`) are not reported: inductor leaves out of them what MPS does not have.

## Use instead
The default backend, and no compiling where torch is too old for it:

    model = torch.compile(model)                             # torch >= 2.8
    model = torch.compile(model, backend="aot_eager")        # traced, not compiled: runs everywhere

## Fix safety
A backend that only CUDA has is kept for CUDA, with `"aot_eager"` elsewhere. Unsafe: backends differ in speed, memory and what
they accept. For torch before 2.8 there is none to offer.

## Sources
- torch 2.13, executed on the CPU build: `lookup_backend` in `torch/_dynamo/backends/registry.py`, `cudagraphs` in
  `torch/_dynamo/backends/cudagraphs.py`.
- `MpsInterface` in `torch/_dynamo/device_interface.py`; pytorch/pytorch#125254 (`Device mps not supported`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, RunsOnCpu, Severity, World, calls, methods

if TYPE_CHECKING:
    from ..facts import Facts

_MISSING = frozenset({"tensorrt", "torch_tensorrt", "fx2trt", "nvfuser", "aot_cudagraphs", "ipex", "onnxrt", "hpu_backend"})
_INDUCTOR = (2, 8)  # the first torch whose inductor is of use on MPS
_INSTEAD = 'leave backend= out, or write backend="aot_eager"'


class CompileBackend(Rule):
    code = "MPS702"
    name = "compile-backend"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls("torch.compile") | methods("compile")
    expect = Raises(RuntimeError, "Invalid backend: 'tensorrt'", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        is_function = facts.name(call.func) == "torch.compile"
        given = facts.argument(call, "backend")
        backend = facts.literal(given)
        if facts.guarded(call):
            return
        if backend in _MISSING:
            yield self.finding(facts.source.token(given), f"no Mac has the backend {backend}; {_INSTEAD}")
        elif backend == "cudagraphs":
            yield self.finding(facts.source.token(given), f"cudagraphs compiles nothing without CUDA; {_INSTEAD}")
        elif is_function and backend in (None, "inductor") and (facts.config.oldest_torch or _INDUCTOR) < _INDUCTOR:
            if given is None and not facts.has_star(call) or backend:
                message = "torch.compile does not work on MPS before torch 2.8; require 2.8 or compile for CUDA only"
                yield self.finding(facts.source.token(call.func), message)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        given = facts.argument(call, "backend")
        if not isinstance(given, ast.Constant) or facts.literal(given) == "inductor":
            raise edits.NoFix("torch before 2.8 has nothing to compile with for MPS")
        return edits.unsafe(*machine.for_cuda(facts, given, '"aot_eager"'))

    bad = [
        Example("""
            import torch

            model = torch.compile(torch.nn.Linear(3, 1), backend="tensorrt")
                                                                 ^^^^^^^^^^ MPS702
            """),
        Example("""
            import torch

            model = torch.compile(torch.nn.Linear(3, 1), backend="cudagraphs")
                                                                 ^^^^^^^^^^^^ MPS702
            scores = torch.zeros(2, 3) + 1
            """, expect=RunsOnCpu()),
        Example("""
            from torch import compile as compiled, zeros

            @compiled(fullgraph=True, backend='torch_tensorrt')
                                              ^^^^^^^^^^^^^^^^ MPS702
            def double(x):
                return x * 2

            double(zeros(2))
            """, expect=Raises(RuntimeError, "Invalid backend: 'torch_tensorrt'", same_on_linux=True)),
        Example("""
            import torch

            BACKEND = "nvfuser"
            model = torch.nn.Linear(3, 1)
            model.compile(backend=BACKEND)
                                  ^^^^^^^ MPS702
            """, expect=Raises(RuntimeError, "Invalid backend: 'nvfuser'", same_on_linux=True)),
    ]
    good = [
        Example("""
            import torch

            model = torch.compile(torch.nn.Linear(3, 1))
            faster = torch.compile(torch.nn.Linear(3, 1), mode="max-autotune")
            """),
        Example("""
            import torch

            model = torch.nn.Linear(3, 1)
            model.compile(backend="aot_eager")
            model = torch.compile(model, backend="eager")
            """),
        Example("""
            import torch

            backend = "cudagraphs" if torch.cuda.is_available() else "inductor"
            model = torch.compile(torch.nn.Linear(3, 1), backend=backend)
            if torch.cuda.is_available():
                model = torch.compile(torch.nn.Linear(3, 1), backend="cudagraphs")
            """),
        Example("""
            import re
            import torch

            pattern = re.compile("cudagraphs|tensorrt")
            print(pattern.match(torch.__version__))
            """),
    ]

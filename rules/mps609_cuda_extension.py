"""An extension is built from CUDA sources.

## Why it breaks on MPS
`CUDAExtension`, `load_inline(cuda_sources=...)` and `load(sources=["kernel.cu"])` need `nvcc`, for which there is no
macOS. They stop while the package is installed, or at the import that builds the kernel:

    OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.

Nothing is reported under a condition that asks for CUDA, for `CUDA_HOME`, or for an option such as `FORCE_CUDA`. Under
any other it is a warning: who leaves that option be builds nothing.

## Use instead
Build the CUDA part only where CUDA is, and keep a way without it:

    from torch.utils.cpp_extension import CUDA_HOME, CppExtension, CUDAExtension

    if CUDA_HOME is not None:
        extension = CUDAExtension("_ops", ["ops.cpp", "ops.cu"])
    else:
        extension = CppExtension("_ops", ["ops.cpp"])

For a kernel on MPS, `torch.mps.compile_shader` compiles Metal's own language.

## Fix safety
There is no automatic fix: somebody has to write the code that takes the kernel's place.

## Sources
- torch 2.13, executed on the CPU build: `_join_cuda_home` in `torch/utils/cpp_extension.py`. `load` looks at the
  endings of its sources, `.cu` and `.cuh`, and at `with_cuda=True`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_EXTENSION, _LOAD, _INLINE = (f"torch.utils.cpp_extension.{name}" for name in ("CUDAExtension", "load", "load_inline"))
_ASKS_CUDA = re.compile(r"cuda|gpu|nvcc", re.IGNORECASE)


class CudaExtension(Rule):
    code = "MPS609"
    name = "cuda-extension"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = calls(_EXTENSION, _LOAD, _INLINE)
    expect = Raises(OSError, "CUDA_HOME environment variable is not set.", same_on_linux=True)

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if not _has_cuda(call, name, facts) or _is_choice(call, name) or facts.guarded(call, OSError):
            return
        tests = [ast.unparse(test) for test in facts.tests(call)]
        if any(_ASKS_CUDA.search(test) for test in tests):
            return
        message = f"{name.rpartition('.')[2]}() of CUDA sources needs nvcc; build them only if CUDA_HOME is set"
        sure = all("__name__" in test for test in tests)
        yield self.finding(facts.source.token(call.func), message, severity=None if sure else Severity.WARNING)

    bad = [
        Example("""
            from torch.utils.cpp_extension import CUDAExtension

            extensions = [CUDAExtension("_ops", ["ops.cpp", "ops.cu"])]
                          ^^^^^^^^^^^^^ MPS609
            """),
        Example("""
            import torch.utils.cpp_extension

            module = torch.utils.cpp_extension.load_inline(
                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS609
                "square",
                cpp_sources="torch::Tensor square(torch::Tensor x);",
                cuda_sources="torch::Tensor square(torch::Tensor x) { return x * x; }",
                functions=["square"],
            )
            """),
        Example("""
            from torch.utils import cpp_extension

            ops = cpp_extension.load(name="ops", sources=["ops.cpp", "csrc/ops.cu"])
                  ^^^^^^^^^^^^^^^^^^ MPS609
            """, expect=Raises(OSError, "CUDA_HOME environment variable is not set.")),
    ]
    good = [
        Example("""
            from torch.utils.cpp_extension import CUDA_HOME, CppExtension, CUDAExtension

            if CUDA_HOME is not None:
                extension = CUDAExtension("_ops", ["ops.cpp", "ops.cu"])
            else:
                extension = CppExtension("_ops", ["ops.cpp"])
            """),
        Example("""
            import torch
            from torch.utils.cpp_extension import CppExtension, CUDAExtension

            Extension = CUDAExtension if torch.cuda.is_available() else CppExtension
            extension = Extension("_ops", ["ops.cpp"])
            """),
        Example("""
            import torch
            from torch.utils.cpp_extension import load

            def build():
                return load(name="ops", sources=["ops.cpp"], extra_cflags=["-O3"])

            print(torch.__version__)
            """),
        Example("""
            from torch.utils.cpp_extension import load_inline

            try:
                ops = load_inline("ops", cpp_sources="", cuda_sources="__global__ void f() {}", functions=[])
            except (OSError, RuntimeError):
                ops = None
            """),
    ]


def _has_cuda(call: ast.Call, name: str, facts: Facts) -> bool:
    """Whether these very arguments hold something that nvcc has to compile."""
    if name == _EXTENSION:
        return True
    asked = facts.argument(call, "with_cuda")
    if isinstance(asked, ast.Constant) and asked.value is not None:
        return bool(asked.value)
    if name == _INLINE:
        sources = facts.argument(call, "cuda_sources", position=2)
        return sources is not None and not (isinstance(sources, (ast.Constant, ast.List)) and ast.unparse(sources) in ("None", "''", "[]"))
    sources = facts.argument(call, "sources", position=1)
    texts = (part.value for part in ast.walk(sources) if isinstance(part, ast.Constant)) if sources is not None else ()
    return any(isinstance(text, str) and text.endswith((".cu", ".cuh")) for text in texts)


def _is_choice(call: ast.Call, name: str) -> bool:
    """True for a function by a name of the file's own, which may stand for another one where CUDA is not."""
    return isinstance(call.func, ast.Name) and call.func.id != name.rpartition(".")[2]

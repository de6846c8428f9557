"""A package is imported that exists, or works, only with CUDA.

## Why it breaks on MPS
Packages of CUDA kernels have no release for macOS, and their sources do not compile without `nvcc`. The import raises:

    ModuleNotFoundError: No module named 'triton'

A few can be installed on a Mac and fail in use, hence a warning: `xformers` (`No operator found for
memory_efficient_attention_forward ... device=mps (supported: {'cuda'})`), `pynvml` (`NVMLError_LibraryNotFound`), `apex`,
`deepspeed.ops`. An import inside a function is a warning too: it fails only once the function is called.

An import is not reported where its failure is caught, if only to say so in other words; where a condition asks for the
package or for CUDA; and in a file without PyTorch, for who writes CuPy wants CUDA. Of one package in one file, the first
import is reported.

## Use instead
Catch the failure, and do without:

    try:
        from flash_attn import flash_attn_func
    except ImportError:
        flash_attn_func = None

`torch.nn.functional.scaled_dot_product_attention` is fast attention on CUDA, on MPS and on the CPU; PyTorch's own
normalisation layers and optimizers do what those of `apex` do.

## Fix safety
There is no automatic fix: what to do without the package is the author's to say.

## Sources
- `Requires-Dist: triton; platform_system == "Linux"` of torch 2.13, and pip: no wheel of triton, flash-attn or cupy for macOS
  (2026), one of xformers that installs anywhere. The other packages of the table are not checked one by one.
- facebookresearch/xformers#740, kijai/ComfyUI-SUPIR#84 (xformers on MPS), mistralai/mistral-inference#7 (installing it).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts.third_party import NEED_CUDA, NOT_ON_MACS, needs_cuda
from ..finding import Finding, Severity, Span
from ..rule import Example, Raises, Rule, World, imports

if TYPE_CHECKING:
    from ..facts import Facts

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# A condition that asks whether a package, or what it needs, is there.
_ASKS = re.compile(r"\bis_|avail|install|has_|have_|find_spec|exist|TYPE_CHECKING|enable|support|version|cuda|gpu|nvidia", re.IGNORECASE)


class CudaOnlyImport(Rule):
    code = "MPS608"
    name = "cuda-only-import"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = imports(*{name.partition(".")[0] for name in NEED_CUDA})
    expect = Raises(ModuleNotFoundError, "No module named 'triton'", same_on_linux=True)

    def check(self, node: ast.Import | ast.ImportFrom, facts: Facts) -> Iterator[Finding]:
        for name, span in _named(node, facts):
            package = needs_cuda(name)
            if package is None or not _is_needed(node, package, facts):
                continue
            others = list(_others(node, package, facts))
            if any(facts.guarded(one, ModuleNotFoundError) or _is_needed(one, package, facts) for one in others):
                continue
            sure = package in NOT_ON_MACS and not _may_be_left(node, facts)
            message = f"{package} {'is not there' if package in NOT_ON_MACS else 'does not work'} without CUDA; {NEED_CUDA[package]}"
            yield self.finding(span, message, severity=None if sure else Severity.WARNING)

    bad = [
        Example("""
            import torch
            import triton
                   ^^^^^^ MPS608
            import triton.language as tl
            """),
        Example("""
            import torch
            from flash_attn import flash_attn_func
                 ^^^^^^^^^^ MPS608
            """, expect=Raises(ModuleNotFoundError, "No module named 'flash_attn'", same_on_linux=True)),
        Example("""
            import torch
            import numpy as np, tensorrt as trt
                                ^^^^^^^^ MPS608
            """, expect=Raises(ModuleNotFoundError, "No module named 'tensorrt'", same_on_linux=True)),
        Example("""
            import torch

            def attention(q, k, v):
                from xformers.ops import memory_efficient_attention
                     ^^^^^^^^^^^^ MPS608
                return memory_efficient_attention(q, k, v)
            """, expect=Raises(NotImplementedError, "No operator found for `memory_efficient_attention_forward`")),
    ]
    good = [
        Example("""
            import torch
            try:
                from flash_attn import flash_attn_func
            except ImportError:
                flash_attn_func = None
            """),
        Example("""
            import torch
            if torch.cuda.is_available():
                import apex
            """),
        Example("""
            import torch
            def kernels():
                try:
                    import xformers
                except ImportError as error:
                    raise RuntimeError("pip install xformers") from error
                else:
                    import xformers.ops
            """),
        Example("""
            from importlib.util import find_spec
            from typing import TYPE_CHECKING
            import torch
            if TYPE_CHECKING:
                import cupy
            if find_spec("xformers") is not None:
                import xformers.ops as xops
            """),
        Example("""
            def to_array(frames):
                import cupy  # a file that has nothing to do with torch
                return cupy.asarray(frames)
            """),
        Example("""
            import torch

            def kernel():
                if not torch.cuda.is_available():
                    return None
                import triton
                return triton.jit
            kernel()
            """),
    ]


def _named(node: ast.Import | ast.ImportFrom, facts: Facts) -> Iterator[tuple[str, Span]]:
    """The modules that a statement names, and where."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            line, column, *_ = facts.source.span(alias)
            yield alias.name, Span(line, column, line, column + len(alias.name))
    elif node.module and not node.level:
        span = facts.source.span(node)
        column = facts.source.lines[span.line - 1].find(node.module, span.column + len("from"))
        names = {f"{node.module}.{alias.name}" for alias in node.names} & NEED_CUDA.keys()  # from nvidia import dali
        place = Span(span.line, column, span.line, column + len(node.module)) if column > 0 else span
        yield names.pop() if names else node.module, place


def _is_needed(node: ast.Import | ast.ImportFrom, package: str, facts: Facts) -> bool:
    """Whether a Mac comes to an import, and nothing takes its failure or has asked whether it can succeed."""
    if not facts.modules & {"torch", "pytorch_lightning", "lightning", "transformers", "diffusers"}:
        return False
    if facts.guarded(node, ModuleNotFoundError) or _is_tried(node, facts) or f"importorskip(\"{package}" in facts.source.text.replace("'", '"'):
        return False
    texts = [ast.unparse(test) for test in facts.tests(node)]
    return not any(_ASKS.search(text) or package.partition(".")[0] in text for text in texts)


def _is_tried(node: ast.AST, facts: Facts) -> bool:
    """Whether somebody expects an import to fail, if only to say so in other words."""
    handlers = [handler for one in facts.around(node) if isinstance(one, ast.Try) for handler in one.handlers]
    return any(re.search("ImportError|ModuleNotFound", ast.unparse(one.type)) for one in handlers if one.type is not None)


def _may_be_left(node: ast.AST, facts: Facts) -> bool:
    """Whether a program may well never come to an import: it stands in a function, or under some condition."""
    tests = [test for test in facts.tests(node) if "__name__" not in ast.unparse(test)]
    return bool(tests) or facts.optional(node) or any(isinstance(one, _FUNCTIONS) for one in facts.around(node))


def _others(node: ast.AST, package: str, facts: Facts) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports of the same package further up in the file, and those anywhere whose failure is handled: the file can
    do without."""
    for other in (*facts.source.nodes(ast.Import), *facts.source.nodes(ast.ImportFrom)):
        if not facts.reached(other):
            continue
        if other.lineno < node.lineno or facts.guarded(other, ModuleNotFoundError):  # type: ignore[attr-defined]
            if any(needs_cuda(name) == package for name, _ in _named(other, facts)):
                yield other

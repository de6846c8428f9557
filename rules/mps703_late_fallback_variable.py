"""PYTORCH_ENABLE_MPS_FALLBACK is set after torch has been imported.

## Why it breaks on MPS
The variable lets operators without an MPS kernel run on the CPU. PyTorch reads it once, when its library is loaded, which
`import torch` does. Whoever sets it afterwards sets it in vain, and the operator fails as if it had not been set:

    NotImplementedError: The operator 'aten::...' is not currently implemented for the MPS device. [...] As a temporary
    fix, you can set the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1`

In a notebook an import in an earlier cell counts too. A program that starts others (`subprocess`, `os.exec...`) sets the
variable for them and is not reported.

## Use instead
Set it above the first import of torch, or of anything that imports torch, or in the shell:

    import os
    os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"
    import torch

    PYTORCH_ENABLE_MPS_FALLBACK=1 python train.py

## Fix safety
The line moves above the first import of torch, where os is imported above that. Unsafe: what ran before it now runs behind
it. Without a Mac the variable does nothing.

## Sources
- `TORCH_LIBRARY_IMPL(_, MPS, m)` in `aten/src/ATen/mps/MPSFallback.mm` calls `getenv` in a static initialiser; read in
  the wheel of 2.13 for Macs too.
- Not proved by running: it needs a Mac.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Rule, Runs, Severity, World, attributes, calls

if TYPE_CHECKING:
    from ..facts import Facts

_VARIABLE = "PYTORCH_ENABLE_MPS_FALLBACK"
_SETTERS = ("os.environ.setdefault", "os.environ.update", "os.putenv")
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})  # packages that load torch at once
_STARTS_OTHERS = ("subprocess", "os.exec", "os.spawn", "os.system", "Popen")


class LateFallbackVariable(Rule):
    code = "MPS703"
    name = "late-fallback-variable"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = attributes("os.environ") | calls(*_SETTERS)
    expect = Runs("operators without a kernel fail as if the variable had not been set")

    def check(self, node: ast.Attribute | ast.Call, facts: Facts) -> Iterator[Finding]:
        if _sets(node, facts) and _is_late(node, facts) and not any(word in facts.source.text for word in _STARTS_OTHERS):
            message = f"{_VARIABLE} is read by import torch; set it above that import"
            yield self.finding(facts.source.token(node.func if isinstance(node, ast.Call) else node), message)

    def fix(self, node: ast.Attribute | ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return machine.fallback_variable(facts, node)

    bad = [
        Example("""
            import os
            import torch

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"
            ^^^^^^^^^^ MPS703
            """),
        Example("""
            from os import environ
            from torch import nn

            environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
            ^^^^^^^^^^^^^^^^^^ MPS703
            """),
        Example("""
            import os
            import torch.nn.functional as F

            def main():
                os.environ.update({"PYTORCH_ENABLE_MPS_FALLBACK": "1", "OMP_NUM_THREADS": "1"})
                ^^^^^^^^^^^^^^^^^ MPS703

            main()
            """),
        Example("""
            import os as system

            def prepare():
                import torch
                system.putenv("PYTORCH_ENABLE_MPS_FALLBACK", "1")
                ^^^^^^^^^^^^^ MPS703
                return torch.zeros(2)

            prepare()
            """),
    ]
    good = [
        Example("""
            import os

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"
            import torch

            print(os.environ["PYTORCH_ENABLE_MPS_FALLBACK"], torch.zeros(2))
            """),
        Example("""
            import os
            import torch

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "0"
            os.environ["CUDA_VISIBLE_DEVICES"] = "1"
            if os.environ.get("PYTORCH_ENABLE_MPS_FALLBACK") == "1":
                print(torch.zeros(2))
            """),
        Example("""
            import os

            def allow_fallback():
                os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

            allow_fallback()
            import torch

            print(torch.zeros(2))
            """),
        Example("""
            import os
            import subprocess
            import sys
            import torch

            os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            """),
    ]


def _sets(node: ast.Attribute | ast.Call, facts: Facts) -> bool:
    """Whether a place switches the fallback on; switching off what is off does no harm."""
    if isinstance(node, ast.Attribute):
        item = facts.parent(node)
        given = facts.parent(item) if isinstance(item, ast.Subscript) and isinstance(item.ctx, ast.Store) else None
        return isinstance(given, ast.Assign) and _is_on(item.slice, given.value, facts)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Dict):
        return any(_is_on(key, value, facts) for key, value in zip(first.keys, first.values))
    return len(node.args) > 1 and _is_on(node.args[0], node.args[1], facts)


def _is_on(key: ast.expr | None, value: ast.expr, facts: Facts) -> bool:
    return facts.literal(key) == _VARIABLE and facts.literal(value) != "0"


def _is_late(node: ast.AST, facts: Facts) -> bool:
    """Whether torch has been imported when a place is come to: further up in one of the blocks around it."""
    functions = [around for around in facts.around(node) if isinstance(around, ast.FunctionDef)]
    bodies = [facts.source.tree, *functions]
    imports = (each for body in bodies for each in _own_statements(body) if each.lineno < node.lineno)
    return any(_loads_torch(each) for each in imports)


def _own_statements(block: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a block, without those that run only when a function is called or a type is checked."""
    for child in ast.iter_child_nodes(block):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if isinstance(child, ast.stmt) and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not for_types:
            yield child
            yield from _own_statements(child)
        elif isinstance(child, ast.ExceptHandler):
            yield from _own_statements(child)


def _loads_torch(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in _TORCH for alias in node.names)
    return isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in _TORCH

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
from ..facts.fallback import SETTERS, VARIABLE, is_late, switches_on
from ..finding import Finding, Fix
from ..rule import Example, Rule, Runs, Severity, World, attributes, calls

if TYPE_CHECKING:
    from ..facts import Facts

_STARTS_OTHERS = ("subprocess", "os.exec", "os.spawn", "os.system", "Popen")


class LateFallbackVariable(Rule):
    code = "MPS703"
    name = "late-fallback-variable"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = attributes("os.environ") | calls(*SETTERS)
    expect = Runs("operators without a kernel fail as if the variable had not been set")

    def check(self, node: ast.Attribute | ast.Call, facts: Facts) -> Iterator[Finding]:
        if switches_on(node, facts) and is_late(node, facts) and not any(word in facts.source.text for word in _STARTS_OTHERS):
            message = f"{VARIABLE} is read by import torch; set it above that import"
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

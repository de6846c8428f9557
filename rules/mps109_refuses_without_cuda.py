"""The program ends where CUDA is not available.

## Why it breaks on MPS
`torch.cuda.is_available()` is False and `torch.cuda.device_count()` is 0 on every Mac. A program that insists on CUDA
ends right there, with the exception that its author chose, whatever the rest of it could do:

    assert torch.cuda.is_available()                        # AssertionError
    if not torch.cuda.is_available():
        sys.exit("needs a GPU")                             # SystemExit

Reported is the question about CUDA, once for each refusal: an `assert`, a `raise`, `sys.exit()` or `parser.error()` in
the branch that a Mac takes. Skipped tests and refusals that MPS satisfies too are not reported.

## Use instead
Take any accelerator (torch 2.6 or newer), and go on without one where that is merely slow:

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    if device.type == "cpu":
        warnings.warn("no GPU: this will be slow")

A program that is of no use without a GPU asks for any: `if not torch.accelerator.is_available(): sys.exit(...)`, and
before 2.6 `if not (torch.cuda.is_available() or torch.backends.mps.is_available()): ...`.

## Fix safety
The question becomes one for any accelerator, and an assertion a warning. Unsafe: a refusal often stands for a reason, such
as kernels written in CUDA, NCCL, a library of NVIDIA's. Such a line says so, in `# noqa: MPS109  CUDA only: <reason>`.

## Sources
- torch 2.13, executed on the CPU build: `is_available` and `device_count` in `torch/cuda/__init__.py`. All releases.
- `torch.accelerator` exists since 2.6, `torch.backends.mps` since 1.12.
- Seen on a Mac: nanoporetech/bonito#2 (`assert(torch.cuda.is_available())`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


def _ends(kind: type[BaseException], text: str = "") -> Raises:
    return Raises(kind, text, same_on_linux=True)


class RefusesWithoutCuda(Rule):
    code = "MPS109"
    name = "refuses-without-cuda"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("refusal")
    expect = _ends(AssertionError)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        message = "ends without CUDA, so on every Mac; unless only CUDA has the kernels, accept any accelerator"
        severity = Severity.INFO if event.how == "asked for" else None
        yield self.finding(facts.source.token(facts.question(event.node)), message, severity=severity)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return machine.refusal(facts, event.node)

    bad = [
        Example("""
            import torch

            assert torch.cuda.is_available(), "needs CUDA"
                   ^^^^^^^^^^^^^^^^^^^^^^^ MPS109
            """, expect=_ends(AssertionError, "needs CUDA")),
        Example("""
            import torch as th

            assert "größer" and (th.cuda.device_count() > 0)
                                 ^^^^^^^^^^^^^^^^^^^^ MPS109
            """),
        Example("""
            import sys
            import torch

            if not torch.cuda.is_available():
                   ^^^^^^^^^^^^^^^^^^^^^^^ MPS109
                print("no GPU found", file=sys.stderr)
                sys.exit(1)  # raises
            """, expect=_ends(SystemExit, "1")),
        Example("""
            from torch import cuda

            def check_environment():
                if cuda.device_count() == 0:
                   ^^^^^^^^^^^^^^^^^ MPS109
                    raise RuntimeError(f"{cuda.device_count()} GPUs: one is needed")  # raises

            check_environment()
            """, expect=_ends(RuntimeError, "0 GPUs: one is needed")),
        Example("""
            import torch

            class Trainer:
                def __init__(self):
                    has_gpu = torch.cuda.is_available()
                    if has_gpu:
                       ^^^^^^^ MPS109
                        self.device = torch.device("cuda")
                    else:
                        raise SystemExit("Trainer needs a GPU")  # raises

            Trainer()
            """, expect=_ends(SystemExit, "Trainer needs a GPU")),
        Example("""
            import sys
            from torch.cuda import is_available as has_cuda

            def main() -> None:
                if not has_cuda(): sys.exit("Benötigt: CUDA")
                       ^^^^^^^^ MPS109

            main()
            """, expect=_ends(SystemExit, "Benötigt: CUDA")),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            if device.type == "cpu":
                print("no GPU: this will be slow")
            """),
        Example("""
            import sys
            import torch

            def require_a_gpu():
                if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
                    sys.exit("needs a GPU")

            if "--gpu" in sys.argv:
                require_a_gpu()
            """),
        Example("""
            import unittest
            import torch

            class MemoryTest(unittest.TestCase):
                @unittest.skipUnless(torch.cuda.is_available(), "needs CUDA")
                def test_peak(self):
                    self.assertGreater(torch.cuda.max_memory_allocated(), 0)

                def test_name(self):
                    if not torch.cuda.is_available():
                        raise unittest.SkipTest("needs CUDA")
                    self.assertTrue(torch.cuda.get_device_name())
            """),
        Example("""
            import torch

            def capability():
                if not torch.cuda.is_available():
                    return None
                return torch.cuda.get_device_capability()

            assert capability() is None or torch.cuda.is_available()
            """),
        Example("""
            import torch

            def set_device(name):
                if name == "cuda" and not torch.cuda.is_available():
                    raise ValueError("CUDA was asked for and is not there")
                torch.set_default_device(name)

            set_device("cpu")
            """),
    ]

"""A choice between CUDA and the CPU leaves out MPS.

## Why it breaks on MPS
`torch.cuda.is_available()` is False on every Mac, so a choice of two takes its other side: the program runs to its end
on the CPU, without an error or a warning, and the GPU idles. Nothing tells but the clock.

The choice can be a conditional expression, an `if` with or without `else`, an early return, a flag that many `.cuda()`
calls obey, a default argument, or a CUDA attempt whose failure is caught. Each is reported once, where it names CUDA
for the first time.

Questions about CUDA that place nothing are not reported: seeds, cache, memory figures, timing, names of devices,
`pin_memory`, cudnn flags.

## Use instead
Ask for any accelerator (torch 2.6 or newer):

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")

or a choice of three, for every torch since 1.12:

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"

A flag such as `use_cuda` becomes that device, and `.cuda()` under it an unconditional `.to(device)`.

## Fix safety
The choice gains a branch for MPS, as it is written: a further condition, or an `elif`. Unsafe: with MPS in the choice the
code after it meets the GPU of a Mac for the first time, and what cannot run there (float64, operators without a kernel)
fails only then: MPS3xx, MPS4xx and MPS5xx tell beforehand. On a CUDA machine nothing changes.

## Sources
- `is_available` in `torch/cuda/__init__.py`, torch 2.13: False where the build has no CUDA. `torch.backends.mps` exists
  since 1.12, `torch.accelerator` since 2.6.
- What is lost: jingyaogong/minimind#818 measured 4.8 s a step on the CPU and 1.3 s on MPS.
- Seen: invoke-ai/InvokeAI#105, rohitg00/ai-engineering-from-scratch#294; the default device of openai/CLIP's `load`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import choices
from ..finding import Finding, Fix
from ..rule import Example, Rule, RunsOnCpu, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class CudaOrCpuChoice(Rule):
    code = "MPS103"
    name = "cuda-or-cpu-choice"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = conflicts("cuda-or-cpu")
    expect = RunsOnCpu()

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        source = facts.source
        span = source.attribute(event.node.func) if event.how == "method" else source.token(event.node)
        what = "a Mac gets the CPU at best" if facts.only_if_asked(event) else "a Mac runs this on the CPU in silence"
        message = f"cuda or cpu: {what}; add mps to the choice"
        if facts.asks_of_a_tensor(event):
            message = "only cuda is asked for: what is on mps takes the way of the CPU here; write .to(x.device)"
        yield self.finding(span, message)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        mended = choices.of_tensor if facts.asks_of_a_tensor(event) else choices.with_mps
        return edits.unsafe(*mended(facts, event.node))

    bad = [
        Example("""
            import torch

            device = "cuda" if torch.cuda.is_available() else "cpu"
                     ^^^^^^ MPS103
            x = torch.zeros(2, device=device) + 1
            """),
        Example("""
            import torch as th

            print("Gerät «½» →", place := th.device("cuda:0" if th.cuda.is_available() else "cpu"))
                                                    ^^^^^^^^ MPS103
            model = th.nn.Linear(2, 2).to(place)
            """),
        Example("""
            from torch import cuda, device, ones

            def pick():
                if cuda.device_count() > 0:
                    return device("cuda", 0)
                                  ^^^^^^ MPS103
                return device("cpu")

            total = ones(3, device=pick()).sum()
            """),
        Example("""
            import torch

            use_cuda = torch.cuda.is_available()
            model, batch = torch.nn.Linear(2, 2), torch.zeros(1, 2)
            if use_cuda:
                model.cuda()
                      ^^^^ MPS103
            for step in range(2):
                if use_cuda:
                    batch = batch.cuda()
                print(model(batch))
            """),
        Example("""
            import torch

            class Encoder:
                def __init__(self, index=0):
                    self.device = "cpu"
                    if torch.cuda.is_available():
                        self.device = f"cuda:{index}"
                                      ^^^^^^^^^^^^^^^ MPS103
                    self.table = torch.rand(4, 2).to(self.device)

            Encoder()
            """),
        Example("""
            import torch

            def load(name, device="cuda" if torch.cuda.is_available() else "cpu"):
                                  ^^^^^^ MPS103
                return torch.zeros(len(name), device=device)

            load("ViT-B/32")
            """),
    ]
    good = [
        Example("""
            import os
            import torch

            def extension_works():
                if not os.path.exists("kernels.so") or not torch.cuda.is_available():
                    return False
                return torch.ones(2, device="cuda").sum().item() == 2

            print(extension_works())
            """),
        Example("""
            import torch

            def pretrained(model, path):
                device = "cuda" if torch.cuda.is_available() else "cpu"
                model.load_state_dict(torch.load(path, map_location=device))
                return model
            """),
        Example("""
            import os
            import torch

            found = vars(torch)["get_default_device"]().type  # as if imported from a file of the project

            def placed(asked=None):
                if asked is None:
                    if found == "cuda":
                        rank = os.environ.get("LOCAL_RANK")
                        if rank is not None:
                            return f"cuda:{rank}"
                    return found
                return torch.device(asked)

            x = torch.zeros(2, device=placed())
            """),
        Example("""
            import torch
            import torch.distributed as dist

            def device_of(group=None):
                if dist.get_backend(group) == "nccl":
                    return torch.device("cuda")
                return torch.device("cpu")

            def average(loss):
                if torch.cuda.is_available():
                    dist.all_reduce(loss.cuda())
                return loss

            if dist.is_initialized():
                print(torch.zeros(1, device=device_of()), average(torch.ones(1)))
            """),
        Example("""
            import torch

            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            x = torch.zeros(2, device=device)
            """),
    ]

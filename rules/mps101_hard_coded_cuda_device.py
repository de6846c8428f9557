"""A CUDA device is written into the code.

## Why it breaks on MPS
PyTorch for Macs is built without CUDA. It can still name a CUDA device, so `torch.device("cuda")` and
`torch.set_default_device("cuda")` pass; the first tensor that has to live there stops the program:

    AssertionError: Torch not compiled with CUDA enabled

It does not matter how the device is spelled: `"cuda:0"`, `f"cuda:{rank}"`, `torch.device("cuda", 0)`, `device=` of a
factory or of a layer, `.to(...)`, `with torch.device("cuda"):`. One device that is used thirty times is one finding, at
the text that names it. `torch.Generator("cuda")` raises a RuntimeError instead: `Cannot get CUDA generator ...`.

A default (of a parameter, `argparse`, `os.environ.get`) harms only those who leave it be: a warning, not an error.

## Use instead
Choose once, at run time, and hand the device on (torch 2.6 or newer):

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")

or, for every torch since 1.12:

    if torch.cuda.is_available():
        device = torch.device("cuda")
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
    else:
        device = torch.device("cpu")

A Mac has one GPU: there is no `mps:1`.

## Fix safety
A literal that is handed to a call becomes the device variable in scope, or one that is added below the imports; where a
name, a default or a result is given the literal, a choice of cuda, mps or cpu takes its place. On a CUDA machine nothing
changes. Unsafe where the device at hand is a parameter or an attribute: somebody may have put another one there.

## Sources
- torch 2.13, executed on the CPU build: `_lazy_init` in `torch/cuda/__init__.py` raises when `torch._C` has no
  `_cuda_getDeviceCount`. The wheel for Macs holds the same Python files; no release is known to differ.
- `current_accelerator()` in `torch/accelerator/__init__.py`, 2.13, gives what PyTorch was built for: None on a build for
  the CPU, and CUDA on a build for CUDA even without a GPU. Hence the question `is_available()`.
- Seen on Macs: vietai/mTet#7 (`.to('cuda')`), mistralai/mistral-inference#3 (`.to(device=device)`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import devices
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class HardCodedCudaDevice(Rule):
    code = "MPS101"
    name = "hard-coded-cuda-device"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = conflicts("cuda-literal")
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled", same_on_linux=True)

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        source = facts.source
        if event.how == "map_location" and facts.is_argument(event.node, "map_location"):
            return  # MPS202 names it there
        default = facts.by_default(event)
        sure = event.how not in ("named", "local") and not default
        text = f"the default {source.text_of(event.node)}" if default else source.text_of(event.node)
        what = "raises without CUDA" if sure or event.how == "argument" else "is no device of a Mac"
        message = f"{text} {what}; choose cuda, mps or cpu at run time"
        yield self.finding(source.token(event.node), message, severity=None if sure else Severity.WARNING)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return edits.safe(*devices.literal(facts, event.node))

    bad = [
        Example("""
            import torch

            device = torch.device("cuda")
                                  ^^^^^^ MPS101
            model = torch.nn.Linear(2, 2).to(device)  # raises
            batch = torch.zeros(1, 2, device=device)
            print(model(batch).to(device))
            """),
        Example("""
            from torch import nn as layers

            head = layers.Sequential(
                layers.Linear(  # raises
                    4,
                    2,
                    device="cuda:0",
                           ^^^^^^^^ MPS101
                ),
            )
            """),
        Example("""
            import torch

            for rank in range(2):
                print("Größe →", torch.ones(2).to(f"cuda:{rank}").numel())
                                                  ^^^^^^^^^^^^^^ MPS101
            """),
        Example("""
            import torch

            class Segmenter:
                device = 'cuda'
                         ^^^^^^ MPS101

                def predict(self, image):
                    return image.to(self.device, non_blocking=True)  # raises

            Segmenter().predict(torch.zeros(1, 8, 8))
            """),
        Example("""
            import torch

            def gpu(index=0):
                return torch.device("cuda", index)
                                    ^^^^^^ MPS101

            weights = torch.zeros(2).new_ones(3, device=gpu())  # raises
            """),
        Example("""
            from torch import device, zeros

            with device("cuda"):
                        ^^^^^^ MPS101
                grid = zeros(2, 2)  # raises
            """),
        Example("""
            import torch

            def embed(text, device="cuda"):
                                   ^^^^^^ MPS101
                return torch.tensor([len(text)], device=device)  # raises

            embed("a cat")
            """),
    ]
    good = [
        Example("""
            import torch

            get_accelerator = vars(torch)["get_default_device"]  # as packages that the file does not show call theirs
            device_type = (get_accelerator() or torch.device("cuda")).type
            x = torch.zeros(2, device=get_accelerator() or "cuda")
            """),
        Example("""
            import torch

            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            model = torch.nn.Linear(2, 2, device=device)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            rates = {"cuda": 3e-4, "mps": 3e-4, "cpu": 1e-4}
            noise = torch.randn(2, device=device) * rates[device.type]
            if device.type == "cuda":
                print("training on cuda")
            """),
        Example("""
            import torch

            def pick():
                for name in ("cuda", "mps"):
                    try:
                        return torch.zeros(1, device=name).device
                    except (AssertionError, RuntimeError):
                        continue
                return torch.device("cpu")

            print(torch.ones(2, device=pick()))
            """),
        Example("""
            import torch

            class Report:
                def to(self, target):
                    return f"{target}: {torch.__version__}"

            print(Report().to("cuda"))
            """),
    ]

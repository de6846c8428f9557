"""A tensor on the device is made a NumPy array.

## Why it breaks on MPS
NumPy works in the memory of the host, and a tensor on the device has none there:

    TypeError: can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.

`x.numpy()` says so, and everything that asks a tensor for an array: `np.array(x)`, `np.asarray(x)`, matplotlib's
`plt.imshow(x)`, metrics of scikit-learn and SciPy. CUDA refuses the same with its own name in the text. So this shows on
a Mac in two ways: a program that ran on the CPU is ported, or the copy to the host is made only `if x.is_cuda`, which is
False for a tensor on MPS.

Not reported: `x.cpu().numpy()`, `x.numpy(force=True)`, `x.item()`, `x.tolist()`, and tensors of which it is not certain
that they were moved.

## Use instead
Copy to the host first, always:

    predicted = logits.argmax(dim=1).cpu().numpy()
    features = model(images).detach().cpu().numpy()

`.cpu()` gives back a tensor that is on the CPU already as it is, so that no condition is needed; `.detach()` is for
tensors with a gradient, which `numpy()` refuses on any device. Runs on CUDA, on MPS and on the CPU.

## Fix safety
`.cpu()` goes before `.numpy()`: safe, for a tensor that is on the CPU is given back as it is, and shares its memory as
before; on a device there was an error.

## Sources
- `torch/csrc/utils/tensor_numpy.cpp`, text read from the library of torch 2.13 for Macs; all releases.
- https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import tensors
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, conflicts

if TYPE_CHECKING:
    from ..facts import Event, Facts


class NumpyOfDeviceTensor(Rule):
    code = "MPS404"
    name = "numpy-of-device-tensor"
    severity = Severity.ERROR
    world = World.ONCE_PORTED
    where = conflicts("numpy-on-device")
    expect = Raises(TypeError, "can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host")

    def check(self, event: Event, facts: Facts) -> Iterator[Finding]:
        if facts.out_of_reach_once_ported(event) or facts.of_arrays(event):
            return
        is_method = event.how == "method" and isinstance(event.node, ast.Attribute)
        span = facts.source.attribute(event.node) if is_method else facts.source.token(event.node)
        instead = ".detach().cpu().numpy()" if is_method else "give it x.detach().cpu()"
        yield self.finding(span, f"NumPy cannot read a tensor on the device; {instead}", trail=event.trail)

    def fix(self, event: Event, finding: Finding, facts: Facts) -> Fix | None:
        return tensors.on_host(facts, event.node)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            scores = torch.rand(4, device=device)
            values = scores.numpy()
                            ^^^^^ MPS404
            """),
        Example("""
            import numpy as np
            import torch as th

            gpu = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            model = th.nn.Linear(3, 2).to(gpu).eval()
            with th.no_grad():
                logits = model(th.zeros(1, 3).to(gpu))
            print("Größe →", np.asarray(logits).shape)
                             ^^^^^^^^^^ MPS404
            """),
        Example("""
            import torch

            @torch.no_grad()
            def predict(net, image, device):
                masks = net(image.to(device)).argmax(dim=1)
                if masks.is_cuda:
                    masks = masks.cpu()
                return masks.numpy()
                             ^^^^^ MPS404

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            predict(torch.nn.Conv2d(1, 2, 3).to(device), torch.zeros(1, 1, 8, 8), device)
            """),
        Example("""
            from numpy import concatenate
            from torch import accelerator, ones

            class Collector:
                def __init__(self, device):
                    self.device = device
                    self.rows = []

                def add(self, row):
                    row = row.to(self.device) * 2
                    self.rows.append(
                        row
                        .squeeze(0)
                        .numpy()
                         ^^^^^ MPS404
                    )

            collector = Collector(accelerator.current_accelerator() or "cpu")
            collector.add(ones(1, 3))
            concatenate(collector.rows)
            """),
        Example("""
            import torch

            def to_array(x):
                return x.cpu().numpy() if x.is_cuda else x.numpy()
                                                           ^^^^^ MPS404

            to_array(torch.rand(4, device=torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"))
            """),
    ]
    good = [
        Example("""
            import numpy as np
            import torch

            def noisy(sample):
                device = sample.device if torch.is_tensor(sample) else "cpu"
                noise = torch.randn(sample.shape).to(device)
                if not torch.is_tensor(sample):
                    noise = noise.numpy()
                return sample + noise

            noisy(np.zeros(3, dtype=np.float32))
            """),
        Example("""
            import torch

            class Interface(torch.nn.Module):
                def decode(self, tokens):
                    assert tokens.dim() == 1
                    tokens = tokens.numpy()
                    tokens = tokens[1:]
                    return tokens[tokens != 0]

            print(Interface().decode(torch.tensor([1, 0, 2])))
            """),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            scores = torch.rand(4, device=device)
            values = scores.detach().cpu().numpy()
            mean = np.mean(scores.tolist()) + scores.sum().item() + float(scores[0])
            total = np.asarray(scores.cpu()).sum()
            """),
        Example("""
            import numpy as np
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            values = torch.from_numpy(np.zeros(3, dtype=np.float32)).numpy()
            scores = torch.rand(4, device=device).to("cpu").numpy()
            """),
        Example("""
            import torch

            def to_array(x):
                return x.cpu().numpy() if x.device.type != "cpu" else x.numpy()

            to_array(torch.rand(4, device=torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"))
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            x = torch.rand(4, device=device)
            values = x.numpy(force=True)
            sizes = [size for size in x.shape]
            """),
    ]

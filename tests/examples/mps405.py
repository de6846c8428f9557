"""Further examples of MPS405: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example
from flake8_mps.rules.mps405_model_and_batch_apart import _INDICES, _OPERANDS

bad = [
    Example("""
        import torch

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        weighted = torch.mul(torch.rand(4).to(device),
                   ^^^^^^^^^ MPS405
                             torch.ones(4))
        """, expect=_OPERANDS),
    Example("""
        import torch

        class Scheduler:
            def __init__(self):
                self.sigmas = torch.linspace(0.01, 50, 10)

            def step(self, sample, t):
                steps = (t * torch.ones(sample.shape[0], device=sample.device)).long()
                return self.sigmas[steps].to(sample.device) * sample
                       ^^^^^^^^^^^^^^^^^^ MPS405

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Scheduler().step(torch.rand(2, device=device), 3)
        """, expect=_INDICES),
    Example("""
        import torch
        from torch import nn

        def drop(x, keep):
            noise = torch.rand(x.shape, dtype=x.dtype)
            kept = (noise + keep).floor()
            return x * kept  # raises
                   ^^^^^^^^ MPS405

        class Drop(nn.Module):
            def forward(self, features):
                return drop(features, 0.9)

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        drop(torch.zeros(2, 3, device=device), 0.9)
        """, expect=_OPERANDS),
    Example("""
        import torch

        def rescale(codes, mean, std):
            mean = torch.tensor(mean).view(1, -1).to(codes.device, codes.dtype)
            std = torch.tensor(std)[:, None].to(codes.dtype)
            return codes * (std + mean)  # raises
                            ^^^^^^^^^^ MPS405

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        codes = [torch.zeros(2, 2, device=device)]
        rescale(codes.pop(), [0.0, 1.0], [1.0, 1.0])
        """, expect=_OPERANDS),
    Example("""
        import torch

        def centred(x: torch.Tensor):
            steps = torch.arange(3)
            shifted = steps - x
                      ^^^^^^^^^ MPS405
            return shifted * torch.tensor([2.0], device=x.device)

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        centred(torch.ones(3, device=device))
        """, expect=_OPERANDS),
]

good = [
    Example("""
        import torch

        x = torch.rand(4, device=torch.accelerator.current_accelerator() or torch.device("cpu"))
        x = x * torch.tensor(0.5) + torch.zeros_like(x) + x.new_ones(4) + torch.ones(4, device=x.device)
        """),
    Example("""
        import torch

        def predict(model, image):
            device = next(model.parameters()).device
            return model(image.to(device))

        predict(torch.nn.Linear(3, 1), torch.zeros(2, 3))
        """),
    Example("""
        import torch

        def scale(x, steps):
            sigmas = torch.linspace(0.01, 50, 10)
            return sigmas[steps.cpu()].to(x.device) * x[torch.arange(2)] * sigmas.to(x.device)[steps.to(x.device)]

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        scale(torch.rand(2, device=device), torch.tensor([1, 2]).to(device))
        """),
    Example("""
        import torch

        def scale(samples, steps):
            sigmas = torch.linspace(0.01, 50, 10).to(samples.device)
            return sigmas[steps.to(samples.device)] * samples

        def encode(images):
            return {"latents": images * 0.18215}

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        latents = encode(torch.rand(2, device=device))["latents"].clone()
        scale(latents, torch.tensor([1, 2], device=device))
        """),
    Example("""
        import torch

        class Portable(torch.nn.Linear):
            def forward(self, x):
                return super().forward(x.to(self.weight.device))

        Portable(3, 1).to(torch.accelerator.current_accelerator() or "cpu")(torch.zeros(2, 3))
        """),
]

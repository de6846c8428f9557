"""Further examples of MPS402: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example
from flake8_mps.rules.mps402_tensor_kept_by_module import _CONV_WEIGHT

bad = [
    Example("""
        import torch
        from torch import nn

        class Pyramid(nn.Module):
            def __init__(self, widths):
                super().__init__()
                self.convs = []
                for width in widths:
                    self.convs.append(nn.Conv2d(1, width, 3))
                    ^^^^^^^^^^ MPS402

            def forward(self, x):
                return [conv(x) for conv in self.convs]  # raises

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Pyramid([2, 4]).to(device)(torch.zeros(1, 1, 8, 8, device=device))
        """, expect=_CONV_WEIGHT),
    Example("""
        import torch
        from torch import nn
        from torch.nn import functional as F

        def ramp(size):
            return torch.linspace(0.1, 1, size).view(1, 1, size)

        class LowPass(nn.Module):
            def __init__(self, size, scaled=True):
                super().__init__()
                self.scaled = scaled
                if scaled:
                    self.taps = ramp(size)
                    ^^^^^^^^^ MPS402

            def forward(self, x):
                x = F.pad(x, (1, 1))
                return x[..., 1:-1] * self.taps if self.scaled else x  # raises

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        LowPass(4).to(device)(torch.zeros(1, 1, 4, device=device))
        """),
    Example("""
        import torch
        from torch import nn

        class Norm(nn.Module):
            def __init__(self, eps=1e-6, learnable=False):
                super().__init__()
                if learnable:
                    self.eps = nn.Parameter(torch.tensor([eps]))
                else:
                    self.eps = torch.tensor([eps])
                    ^^^^^^^^ MPS402

            def forward(self, x):
                return x / (x.pow(2) + self.eps)  # raises

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Norm().to(device)(torch.ones(1, 3, device=device))
        """),
]

"""Further examples of MPS501: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import torch
        from torch import nn

        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.grow = nn.Conv3d(1, 2, 1)
                self.pool = nn.AdaptiveAvgPool3d(2)
                            ^^^^^^^^^^^^^^^^^^^^ MPS501

            def forward(self, x):
                return self.pool(self.grow(x))  # raises

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        net = Encoder().to(device)
        net(torch.rand(1, 1, 4, 4, 4, device=device))
        """),
]

good = [
    Example("""
        import torch

        class Reader:
            def __init__(self, mode):
                self.mode = mode

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        x = torch.rand(3, device=device)
        reader = Reader("r")
        print(reader.mode, x.median())
        """),
]

"""Further examples of MPS401: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        from torch import accelerator, cat, zeros
        from torch.nn import Linear, Module

        class Encoder(Module):
            def __init__(self):
                super().__init__()
                self.project = Linear(3, 2)

            def forward(self, x):
                return self.add_noise(self.project(x))

            def add_noise(self, features):
                noise = zeros(
                        ^^^^^ MPS401
                    features.size(0),
                    2,
                )
                if features.is_cuda:
                    noise = noise.cuda()
                return features * noise  # raises

        device = accelerator.current_accelerator() or "cpu"
        Encoder().to(device)(zeros(2, 3, device=device))
        """),
    Example("""
        import torch
        from torch import nn

        class Mapping(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(width))
                self.register_buffer("shift", torch.zeros(width))

            def forward(self, codes):
                return codes * self.scale + self.shift

            def sample(self, count):
                noise = torch.randn(count, 4)
                        ^^^^^^^^^^^ MPS401
                return noise * self.scale  # raises

            def attend(self, x):
                query, key = (x * self.scale).chunk(2, dim=-1)
                mask = torch.ones(x.size(0), 2)
                       ^^^^^^^^^^ MPS401
                return query * mask + key

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Mapping(4).to(device).sample(2)
        """),
    Example("""
        import torch
        from torch import nn

        class Positions(nn.Module):
            def forward(self, x, positions=None):
                if positions is None:
                    positions = torch.arange(x.size(1))
                                ^^^^^^^^^^^^ MPS401
                return x + positions  # raises

            def grid(self, x):
                rows = torch.arange(x.size(0))
                       ^^^^^^^^^^^^ MPS401
                columns = torch.arange(x.size(1), device=x.device)
                rows, columns = torch.meshgrid(rows, columns, indexing="ij")
                return rows * columns

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Positions()(torch.zeros(2, 3, device=device))
        """),
]

good = [
    Example("""
        import torch

        def span(x):
            return torch.tensor(x.size(-1))

        class Shifted(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.ones(3))
                self.weight.data *= torch.ones(3)

            def forward(self, x, positions=None):
                return self.weight * (self.placed(x) + self.moved(x, positions))

            def placed(self, other: torch.Tensor):
                return torch.zeros(3).to(other)

            def moved(self, x, positions):
                shifted = positions + span(x)
                return shifted.expand([2, 3]) * self.weight

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Shifted().to(device)(torch.zeros(2, 3, device=device), torch.zeros(3, device=device))
        """),
    Example("""
        import torch

        class Packed(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(3))

            def forward(self, x):
                return x * self.scale

            def weights(self):
                ordinal = self.scale.get_device()
                if ordinal < 0:
                    ordinal = None
                return torch.ones(3, device=ordinal) * self.scale

            def offsets(self, shapes):
                sizes = torch.tensor(shapes).flip([1]).reshape(-1, 2)
                return sizes[:, :1] * shapes[:, 0].prod() * self.scale

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Packed().to(device).weights()
        """),
    Example("""
        import torch

        class Masked(torch.nn.Module):
            def forward(self, x):
                mask = torch.ones(x.size(1), x.size(1)).tril()
                ramp = torch.linspace(0, 1, x.size(1)).to(x)
                return (x * ramp) @ mask.to(x.device)

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Masked()(torch.zeros(2, 3, device=device))
        """),
    Example("""
        import torch

        class Grid(torch.nn.Module):
            def __init__(self, size):
                super().__init__()
                self.register_buffer("grid", torch.linspace(-1, 1, size))
                self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 4) * torch.ones(4)]

            def forward(self, x):
                return x * self.grid + self.rates[0]

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Grid(3).to(device)(torch.zeros(2, 3, device=device))
        """),
]

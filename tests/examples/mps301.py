"""Further examples of MPS301: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import torch

        def normalised(shape, device):
            return shape.to(dtype=torch.float64, device=device) / 2
                                  ^^^^^^^^^^^^^ MPS301

        normalised(torch.ones(2), torch.accelerator.current_accelerator() or torch.device("cpu"))
        """),
    Example("""
        import torch

        def evaluate(device):
            return torch.zeros(3, dtype=torch.float64, device=device)
                                        ^^^^^^^^^^^^^ MPS301

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        try:
            evaluate(device)
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
        """),
    Example("""
        import torch

        def upload(values, device):
            values = [value.to(torch.float64) for value in values]
            return [value.to(device) for value in values]
                          ^^ MPS301

        upload([torch.ones(2)], torch.accelerator.current_accelerator() or torch.device("cpu"))
        """),
    Example("""
        import functools
        import torch

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        weigh = functools.partial(torch.tensor, [0.3, 0.7])
        weights = weigh(dtype=torch.float64).to(device)
                                             ^^ MPS301
        """),
]

good = [
    Example("""
        import torch

        def precise_sum(x):
            if x.device.type == "mps":
                x = x.cpu()
            return x.double().sum()

        print(precise_sum(torch.ones(2)))
        """),
    Example("""
        import torch

        def frequencies(count, device):
            dtype = torch.float32 if device.type == "mps" else torch.float64
            return torch.arange(count, dtype=dtype, device=device)

        frequencies(4, torch.accelerator.current_accelerator() or torch.device("cpu"))
        """),
    Example("""
        import torch

        class Money:
            def double(self):
                return 2

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        x = torch.ones(2, device=device) * Money().double()
        """),
]

"""Further examples of MPS103: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--no-cuda", action="store_true")
        args = parser.parse_args([])
        args.cuda = not args.no_cuda and torch.cuda.is_available()
        device = torch.device(
            "cuda"
            ^^^^^^ MPS103
            if args.cuda
            else "cpu"
        )
        images = torch.zeros(2, device=device)
        """),
    Example("""
        import torch

        def options(given, **defaults):
            return {**defaults, **given}

        kept = options({"name": "net"}, device="cuda:0" if torch.cuda.is_available() else "cpu")
                                               ^^^^^^^^ MPS103
        net = torch.nn.Linear(2, 2).to(kept["device"])
        """),
    Example("""
        import torch

        device = 0 if torch.cuda.is_available() else "cpu"
                 ^ MPS103
        x = torch.zeros(2).to(device)
        """),
    Example("""
        import torch

        def accelerator():
            if torch.cuda.is_available():
                return "gpu"
                       ^^^^^ MPS103
            return "cpu"

        x = torch.ones(3, device={"gpu": "cuda:0", "cpu": "cpu"}[accelerator()]).sum()
        """),
]

good = [
    Example("""
        import torch

        device = "cpu"
        if torch.cuda.is_available():
            device = "cuda"
        if torch.backends.mps.is_available():
            device = "mps"
        x = torch.zeros(2).to(device)
        """),
    Example("""
        import torch

        def pick():
            if torch.cuda.is_available():
                return torch.device("cuda")
            return other_than_cuda()

        def other_than_cuda():
            return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

        x = torch.zeros(2, device=pick())
        """),
    Example("""
        import torch

        torch.manual_seed(0)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(0)
            torch.backends.cudnn.benchmark = True
            print("cuda", torch.cuda.get_device_name(0), torch.cuda.memory_allocated())
        print("gpu" if torch.cuda.is_available() else "cpu")
        threads = 0 if torch.cuda.is_available() else -1
        """),
    Example("""
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(torch.zeros(4, 2), batch_size=2, pin_memory=torch.cuda.is_available())
        for batch in loader:
            batch = batch.to(torch.accelerator.current_accelerator() or torch.device("cpu"))
        """),
    Example("""
        import torch

        def mean(x):
            if x.device.type == "cuda" and torch.cuda.is_available():
                torch.cuda.synchronize()
            return x.mean()

        def numbered(device, rank=0):
            if device == "cuda":
                device = f"cuda:{rank}"
            return torch.zeros(2, device=device)

        print(mean(torch.ones(2)), {"cuda": torch.cuda.is_available()})
        """),
    Example("""
        import torch

        def move(x, device):
            if device.type == "cuda":
                return x.pin_memory().cuda()
            return x.to(device)

        move(torch.zeros(2), torch.accelerator.current_accelerator() or torch.device("cpu"))
        """),
]

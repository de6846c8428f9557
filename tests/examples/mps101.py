"""Further examples of MPS101: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
                                                                         ^^^^^^ MPS101
        args = parser.parse_args([])
        noise = torch.randn(2, device=args.device)  # raises
        """),
]

good = [
    Example("""
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--device", choices=["cuda", "mps", "cpu"], default="cpu")
        x = torch.zeros(2, device=parser.parse_args([]).device)
        print(x.is_cuda, x.device.type == "cuda")
        """),
]

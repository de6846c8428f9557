"""flake8-mps: what in PyTorch code breaks, or silently runs on the CPU, on a Mac's GPU."""

__version__ = "0.1.0"

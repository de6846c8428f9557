"""Further examples of MPS302: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import numpy as np
        import torch

        class Replay:
            def __init__(self, device):
                self.device = device

            def to_torch(self, array):
                return torch.from_numpy(array).to(self.device)
                                               ^^ MPS302

            def sample(self, rewards):
                dones = np.asarray(rewards).astype(np.float64)
                return tuple(map(self.to_torch, (dones,)))

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        Replay(device).sample([1.0, 0.0])
        """),
]

good: list[Example] = []

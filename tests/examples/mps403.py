"""Further examples of MPS403: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example
from flake8_mps.rules.mps403_dropped_tensor_move import _FLOAT64

bad = [
    Example("""
        import torch

        class Trainer:
            def __init__(self, device):
                self.device = device
                self.model = torch.nn.Linear(3, 1).to(device)

            def step(self):
                batch = torch.zeros(2, 3)
                (batch
                    .to(device=self.device))
                     ^^ MPS403
                return self.model(batch)  # raises

        Trainer(torch.accelerator.current_accelerator() or torch.device("cpu")).step()
        """),
    Example("""
        import numpy as np
        import torch

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        mask = torch.from_numpy(np.zeros((4, 4)))
        mask.float()
             ^^^^^ MPS403
        mask = mask.to(device)  # raises
        """, expect=_FLOAT64),
    Example("""
        import torch

        model = torch.nn.Linear(3, 1).cuda()
                                      ^^^^ MPS102
        x = torch.zeros(2, 3)
        x.cuda()
          ^^^^ MPS403
          ^^^^ MPS102
        y = model(x)  # raises
        """),
]

good = [
    Example("""
        import torch

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        x = torch.zeros(2)
        x.requires_grad_()
        x.data = x.data.to(device)
        """),
]

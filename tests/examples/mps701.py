"""Further examples of MPS701: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

good = [
    Example("""
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        options = {"batch_size": 2, "pin_memory": True}
        options["pin_memory"] = torch.cuda.is_available()
        loader = DataLoader(TensorDataset(torch.zeros(4, 2)), **options)
        """),
]

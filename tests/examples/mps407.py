"""Further examples of MPS407: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example

bad = [
    Example("""
        import torch

        masks = torch.zeros(2, 3)
        masks = masks.cuda(non_blocking=True)
                           ^^^^^^^^^^^^ MPS407
        """),
]

good = [
    Example("""
        import torch

        def move(tensor, device, non_blocking=False):
            return tensor.to(device, non_blocking=non_blocking)

        images = move(torch.zeros(2, 3), "cpu").to(torch.float16, non_blocking=True)
        images = images.to(dtype=torch.float32, non_blocking=True)
        dtype = images.dtype
        masks = torch.zeros(2).to(dtype, non_blocking=True).to(images.dtype, non_blocking=True)
        """),
]

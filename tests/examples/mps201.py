"""Further examples of MPS201: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example, Raises
from flake8_mps.rules.mps201_load_without_map_location import _UNET

bad = [
    Example("""
        import torch

        def resume(path):
            with open(path, "rb") as file:
                return torch.load(file, None)
                       ^^^^^^^^^^ MPS201

        resume("unet.pth")
        """, given=_UNET),
    Example("""
        from torch.hub import load_state_dict_from_url

        state = load_state_dict_from_url("https://example.org/unet.pth", ".", progress=False)
                ^^^^^^^^^^^^^^^^^^^^^^^^ MPS201
        """, given=_UNET),
    Example("""
        import torch

        model = torch.jit.load("clip.pt")
                ^^^^^^^^^^^^^^ MPS201
        """, expect=Raises(NotImplementedError, "with arguments from the 'CUDA' backend")),
]

good = [
    Example("""
        import torch

        options = {"map_location": "cpu", "weights_only": True}
        state = torch.load("unet.pth", **options)
        """, given=_UNET),
    Example("""
        import torch
        from torch.hub import load_state_dict_from_url

        device = torch.accelerator.current_accelerator() or torch.device("cpu")
        state = load_state_dict_from_url("https://example.org/unet.pth", ".", device)
        """, given=_UNET),
    Example("""
        import json
        import torch

        def load(text):
            return torch.tensor(json.loads(text))

        print(load("[1, 2, 3]"))
        """),
    Example("""
        import torch

        try:
            state = torch.load("unet.pth")
        except RuntimeError:
            state = torch.load("unet.pth", map_location="cpu")
        """, given=_UNET),
    Example("""
        import torch

        def bounds(path, units):
            table = torch.load(path, weights_only=False)
            return torch.from_numpy(table[units])
        """),
    Example("""
        import torch

        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
        torch.save(scheduler.state_dict(), "scheduler.pt")
        scheduler.load_state_dict(torch.load("scheduler.pt"))
        """),
    Example("""
        import torch

        state = torch.load("unet.pth", map_location="cpu")
        print(state["weight"].sum())
        """, given=_UNET),
    Example("""
        import torch

        state = torch.load("unet.pth", "cpu")
        """, given=_UNET),
]

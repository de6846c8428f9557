"""Further examples of MPS601: spellings and near misses beyond those its own file shows."""

from flake8_mps.rule import Example
from flake8_mps.rules.mps601_cuda_only_call import _NO_CONTEXT, _NO_NVTX, _missing

bad = [
    Example("""
        import torch.cuda.nvtx as nvtx
        nvtx.range_push("epoch")
        ^^^^^^^^^^^^^^^ MPS601
        """, expect=_NO_NVTX),
    Example("""
        import torch
        with torch.cuda.device(0):
             ^^^^^^^^^^^^^^^^^ MPS601
            x = torch.zeros(2)
        """, expect=_NO_CONTEXT),
    Example("""
        import torch
        torch.cuda.set_device(0)
        ^^^^^^^^^^^^^^^^^^^^^ MPS601
        """, expect=_missing("_cuda_setDevice")),
]

good = [
    Example("""
        import torch
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        """),
    Example("""
        import torch
        def wait():
            if not torch.cuda.is_available():
                return
            torch.cuda.synchronize()
        wait()
        """),
    Example("""
        import torch
        synchronize = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
        synchronize()
        """),
    Example("""
        import torch
        try:
            name = torch.cuda.get_device_name()
        except (AssertionError, RuntimeError):
            name = "no CUDA device"
        """),
    Example("""
        import torch
        with torch.random.fork_rng(devices=[]), torch.profiler.record_function("noise"):
            noise = torch.randn(2)
        """),
]

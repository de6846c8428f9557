"""Packages beside PyTorch that know CUDA and not MPS, and where they are told a device in words of their own, as data.

Each row of the latter says which call, which parameter, what of it fails on a Mac, and where that was read. A ``device="cuda"`` by
keyword is in no row: it is a device like any other, whoever is given it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Packages that load or place models by ``device_map=``.
MAPS_DEVICES = frozenset({"transformers", "diffusers", "accelerate", "peft", "sentence_transformers", "trl", "optimum", "unsloth"})


class Literal(NamedTuple):
    """A value that a parameter must not have. ``modules``: the packages one of which the file has to import; ``callee``:
    the form of the called name, canonical or, for a method, bare; ``value``: the form of the value as source text."""

    modules: frozenset[str]
    callee: re.Pattern[str]
    value: re.Pattern[str]
    breaks: str
    instead: str
    source: str


_LIGHTNING = frozenset({"lightning", "pytorch_lightning", "lightning_fabric"})
_TRAINER = re.compile(r"(?:lightning|pytorch_lightning|lightning_fabric)\.(?:\w+\.)*(?:Trainer|Fabric)$")
_ANY = re.compile("^(?!assert_)")  # mock.assert_called_with() loads nothing

LITERALS: dict[str, Literal] = {
    "device_map": Literal(
        MAPS_DEVICES, _ANY, re.compile(r"f?['\"]cuda"), "raises without CUDA", 'write device_map="auto" or hand a device on',
        "accelerate, set_module_tensor_to_device: value.to(device); agiresearch/AIOS#14 and masterFoad/NanoSage#2 on Macs",
    ),
    "accelerator": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"['\"](?:cuda|nvidia)['\"]"), "raises without CUDA", 'write "auto" or "gpu"',
        "Lightning, accelerator_connector.py: `CUDAAccelerator` can not run on your system",
    ),
    "strategy": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"['\"](?:\w*ddp\w*|dp|deepspeed\w*)['\"]"), "is refused on MPS", 'write "auto"',
        "Lightning-AI/pytorch-lightning#16153 and #16455; accelerator_connector.py, is_parallel_strategy",
    ),
    "gpus": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"-?[1-9]\d*$|\[.+\]$|['\"]"), "needs CUDA", 'write accelerator="auto", devices=1',
        "Lightning 1 takes it for CUDA and says that the accelerator is not available; 2.0 has no such parameter",
    ),
    "device": Literal(
        frozenset({"ultralytics"}), re.compile(r"(?:train|predict|val|track|export|benchmark|tune)$"),
        re.compile(r"\d+$|\[[\d, ]+\]$|['\"]\d+(?:,\d+)*['\"]$"), "means CUDA to ultralytics", 'choose 0, "mps" or "cpu" at run time',
        "ultralytics 8.4.190, utils/torch_utils.py, select_device: ValueError: Invalid CUDA 'device=0' requested",
    ),
}

# Where a device is given by position: a "cuda" there is seen by nobody else.
POSITIONS = {
    "clip.load": 1,  # openai/CLIP, clip/clip.py
    "whisper.load_model": 1,  # openai-whisper 20250625, whisper/__init__.py
    "safetensors.torch.load_file": 1,  # safetensors 0.5, torch.py
    "safetensors.safe_open": 2,  # safetensors 0.5: filename, framework, device
}

# Calls that choose CUDA or the CPU, never MPS, where they are given no device; by the position of it.
CHOOSES_CUDA = {
    "clip.load": 1,  # openai/CLIP, clip/clip.py: device = "cuda" if torch.cuda.is_available() else "cpu"
    "whisper.load_model": 1,  # openai-whisper 20250625, whisper/__init__.py, line 131: the same
    "demucs.api.Separator": 2,  # demucs 4.1.0, api.py: the same
}

# --- packages that need CUDA -----------------------------------------------------------------------------------------

_GUARD = "catch the ImportError"
_ATTENTION = "use F.scaled_dot_product_attention"

# Without a release for macOS, and what to write instead. Asked of pip for triton, flash-attn and cupy (2026);
# the others are known to need CUDA, but not checked one by one.
NOT_ON_MACS = dict.fromkeys((
    "triton", "cupy", "cupyx", "tensorrt", "torch_tensorrt", "tensorrt_llm", "transformer_engine", "transformer_engine_torch",
    "causal_conv1d", "mamba_ssm", "pycuda", "tinycudann", "nvdiffrast", "diff_gaussian_rasterization", "simple_knn",
    "MinkowskiEngine", "spconv", "cudf", "cuml", "cugraph", "rmm", "auto_gptq", "awq", "exllamav2", "nvidia.dali",
), _GUARD) | dict.fromkeys(("flash_attn", "flash_attn_interface", "flashinfer", "sageattention"), _ATTENTION)
# Those that can be installed on a Mac, and fail there in use; asked of pip for xformers alone.
NO_USE_ON_MACS = {"xformers": _ATTENTION, "pynvml": _GUARD, "apex": "use PyTorch's own layers", "deepspeed.ops": _GUARD}
NEED_CUDA = NOT_ON_MACS | NO_USE_ON_MACS


def needs_cuda(module: str) -> str | None:
    """The package of NEED_CUDA that a module belongs to."""
    return next((name for name in NEED_CUDA if module == name or module.startswith(f"{name}.")), None)

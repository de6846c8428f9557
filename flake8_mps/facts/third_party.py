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
    the form of the called name, canonical or, for a method, bare; ``value``: the form of the value as source text;
    ``unless``: values of ``accelerator=`` beside it that make it right; ``only``: those that alone make it wrong."""

    modules: frozenset[str]
    callee: re.Pattern[str]
    value: re.Pattern[str]
    breaks: str
    instead: str
    source: str
    unless: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


_LIGHTNING = frozenset({"lightning", "pytorch_lightning", "lightning_fabric"})
_TRAINER = re.compile(r"(?:lightning|pytorch_lightning|lightning_fabric)\.(?:\w+\.)*(?:Trainer|Fabric)$")
_ANY = re.compile("^(?!assert_)")  # mock.assert_called_with() loads nothing
_NOT_MPS = ("cpu", "tpu", "cuda")  # the CPU has DDP and float64 too; CUDA is reported for itself

LITERALS: dict[str, Literal] = {
    "device_map": Literal(
        MAPS_DEVICES, _ANY, re.compile(r"f?['\"]cuda"), "raises without CUDA", 'write device_map="auto" or hand a device on',
        "accelerate 1.15, utils/modeling.py, set_module_tensor_to_device: value.to(device); agiresearch/AIOS#14, masterFoad/NanoSage#2",
    ),
    "accelerator": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"['\"](?:cuda|nvidia)['\"]"), "raises without CUDA", 'write "auto" or "gpu"',
        "lightning 2.6.6, accelerator_connector.py: `CUDAAccelerator` can not run on your system",
    ),
    "strategy": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"['\"](?:\w*ddp\w*|dp|deepspeed\w*)['\"]"), "is refused on MPS", 'write "auto"',
        "lightning 2.6.6, accelerator_connector.py, is_parallel_strategy; Lightning-AI/pytorch-lightning#16153 and #16455",
        unless=_NOT_MPS,
    ),
    "devices": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"(?:[2-9]|\d{2,})$|\[.+,.+\]$|\[[1-9]\d*\]$|['\"](?:[2-9]|\d{2,}|\d+,\s*\d.*)['\"]$"),
        "asks for more GPUs than a Mac has", "write devices=1",
        "lightning 2.6.6, fabric/utilities/device_parser.py, _sanitize_gpu_ids: You requested gpu: [0, 1] But your machine only has: [0]",
        only=("gpu", "mps", "auto"),
    ),
    "precision": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"64$|['\"]64(?:-true)?['\"]$"), "is float64, which MPS has not", 'write "32-true"',
        "lightning 2.6.6, pytorch/plugins/precision/double.py: module.double(), for an accelerator that is MPS where there is one",
        unless=_NOT_MPS,
    ),
    "gpus": Literal(
        _LIGHTNING, _TRAINER, re.compile(r"-?[1-9]\d*$|\[.+\]$|['\"]"), "needs CUDA", 'write accelerator="auto", devices=1',
        "pytorch_lightning 1.6.5 takes it for CUDA: the accelerator is not available; lightning 2.6.6 has no such parameter",
    ),
    "device": Literal(
        frozenset({"ultralytics"}), re.compile(r"(?:train|predict|val|track|export|benchmark|tune)$"),
        re.compile(r"\d+$|\[[\d, ]+\]$|['\"]\d+(?:,\d+)*['\"]$"), "means CUDA to ultralytics", 'choose 0, "mps" or "cpu" at run time',
        "ultralytics 8.4.190, utils/torch_utils.py, select_device: ValueError: Invalid CUDA 'device=0' requested",
    ),
    "target_devices": Literal(
        frozenset({"sentence_transformers"}), re.compile("start_multi_process_pool$"), re.compile(r"\[f?['\"]cuda"), "raises without CUDA",
        'write target_devices=["cpu"] * 4, or hand a list on',
        "sentence_transformers 6.2.0, base/model.py, start_multi_process_pool: each process moves the model to its device",
    ),
}

# Where a device is given by position: a "cuda" there is seen by nobody else.
POSITIONS = {
    "clip.load": 1,  # openai/CLIP, clip/clip.py
    "open_clip.create_model": 4,  # open_clip_torch 3.3.0, factory.py: model_name, pretrained, load_weights, precision, device
    "open_clip.create_model_and_transforms": 4,  # the same
    "whisper.load_model": 1,  # openai-whisper 20250625, whisper/__init__.py
    "safetensors.torch.load_file": 1,  # safetensors 0.8.0, torch.py
    "safetensors.safe_open": 2,  # safetensors 0.8.0: filename, framework, device
    "sentence_transformers.CrossEncoder": 4,  # up to 5.3, sentence_transformers 6.2.0, util/decorators.py, _POSITIONAL_ARGS
}

# Calls that choose CUDA or the CPU, never MPS, where they are given no device; by the position of it.
CHOOSES_CUDA = {
    "clip.load": 1,  # openai/CLIP, clip/clip.py: device = "cuda" if torch.cuda.is_available() else "cpu"
    "whisper.load_model": 1,  # openai-whisper 20250625, whisper/__init__.py, line 131: the same
    "demucs.api.Separator": 2,  # demucs 4.1.0, api.py: the same
}
# Classes whose objects do so at each of these calls, unless they are moved before.
OBJECTS_CHOOSE_CUDA = {
    # ultralytics 8.4.190, engine/predictor.py, trainer.py and validator.py: select_device(None) takes CUDA or the CPU
    f"ultralytics.{name}": frozenset({"train", "predict", "val", "track"}) for name in ("YOLO", "YOLOWorld", "YOLOE", "RTDETR", "SAM", "FastSAM")
}

# --- arguments that ask for what only CUDA has -----------------------------------------------------------------------


class Argument(NamedTuple):
    """Values of an argument that need CUDA. ``callee``: how the name of a library's function ends; empty for any."""

    values: tuple[object, ...]
    needs: str
    instead: str
    source: str
    callee: str = ""


# Packages that know these arguments, or hand them on to one that does.
KNOWS_ARGUMENTS = frozenset({
    "torch", "transformers", "diffusers", "accelerate", "trl", "peft", "sentence_transformers",
})
_FLASH = Argument(
    ("flash_attention_2", "flash_attention_3", "flash_attention_4"), "needs flash_attn, so CUDA", 'write "sdpa"',
    "transformers 5.23.0, modeling_utils.py: FlashAttention2 has been toggled on, but it cannot be used",
)
_BITS = Argument(
    (True,), "needs CUDA, or bitsandbytes from July 2026 on", "load float16 on a Mac",
    "transformers 4, quantizers/quantizer_bnb_8bit.py; bitsandbytes 0.50.2 has backends/mps",
)
_APEX = Argument(
    ("apex",), "needs apex, so CUDA", 'write "auto"',
    "transformers 4.22.0, trainer.py: Using FP16 with APEX but APEX is not installed", "Arguments Config",
)
# bitsandbytes 0.50.2: backends/mps/ops.py has no optimizer, backends/default/ops.py only that of 32 bits; paged memory is CUDA's
# (functional.py, get_paged).
_8_BIT_OPTIMIZERS = (
    "adamw_8bit", "adamw_bnb_8bit", "lion_8bit", "ademamix_8bit", "rmsprop_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit",
    "paged_lion_8bit", "paged_lion_32bit", "paged_ademamix_8bit", "paged_ademamix_32bit",
)
ARGUMENTS: dict[str, Argument] = {
    "attn_implementation": _FLASH,
    "use_flash_attention_2": _FLASH._replace(values=(True,), instead='write attn_implementation="sdpa"'),
    "load_in_8bit": _BITS,
    "load_in_4bit": _BITS,
    "capturable": Argument(
        (True,), "is for CUDA graphs and raises on MPS", "leave it out",
        "torch 2.13, optim/optimizer.py, _get_capturable_supported_devices",
    ),
    "fp16": Argument(
        (True,), "needs torch 2.8 and a new accelerate on MPS", "write torch.cuda.is_available()",
        "accelerate 1.15, accelerator.py; huggingface/accelerate#3373 and #3718", "Arguments Config",
    ),
    "fp16_full_eval": Argument(
        (True,), "is refused on MPS by older releases", "write torch.cuda.is_available()",
        "transformers 4.22.0, training_args.py: can only be used on CUDA devices", "Arguments Config",
    ),
    "mixed_precision": Argument(
        ("fp16", "fp8"), "needs torch 2.8 and a new accelerate on MPS", 'write "no"',
        "accelerate 1.15, accelerator.py: fp16; and no FP8-compatible backend was installed", "Accelerator",
    ),
    "tf32": Argument(
        (True,), "needs an NVIDIA GPU", "write torch.cuda.is_available()",
        "transformers 5.23.0, training_args.py: --tf32 requires Ampere or a newer GPU arch", "Arguments Config",
    ),
    "half_precision_backend": _APEX,
    "fp16_backend": _APEX,
    "optim": Argument(
        (*_8_BIT_OPTIMIZERS, "adamw_apex_fused"), "has no kernels for MPS", 'write "adamw_torch"',
        "bitsandbytes 0.50.2, backends/mps/ops.py; transformers 5.23.0, training_args.py, OptimizerNames", "Arguments Config",
    ),
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
_EXTENSION = re.compile(r"_cuda$")  # how compiled extensions are called: fused_adam_cuda


def needs_cuda(module: str) -> str | None:
    """The package of NEED_CUDA that a module belongs to."""
    return next((name for name in NEED_CUDA if module == name or module.startswith(f"{name}.")), None)


def is_absent(module: str) -> bool:
    """True for a module that no Mac has, or that nobody installs there: apex refuses to make its optimizers without its
    kernels (NVIDIA/apex, apex/optimizers/fused_adam.py: requires cuda extensions)."""
    package = needs_cuda(module)
    return package in NOT_ON_MACS or package == "apex" or _EXTENSION.search(module) is not None

"""An argument asks for something that only CUDA has.

## Why it breaks on MPS
Some options of optimizers, models and trainers pick CUDA kernels, and are refused, most of them late:

- `capturable=True`: `AssertionError: If capturable=True, params and state_steps must be on supported devices: ['cuda', ...]`
- `attn_implementation="flash_attention_2"`: `ImportError: FlashAttention2 has been toggled on, but it cannot be used ...`
- `load_in_8bit=True`, `load_in_4bit=True`: `RuntimeError: No GPU found. A GPU is needed for quantization.`, unless
  bitsandbytes is new enough to have an MPS backend (July 2026, torch >= 2.9)
- `fp16=True`: `ValueError: fp16 mixed precision requires a GPU (not 'mps').` up to accelerate 1.9 at least; since
  accelerate#3373 it works on MPS with torch >= 2.8, which has a GradScaler for it; older releases say
  `ValueError: FP16 Mixed precision training ... can only be used on CUDA devices.` from transformers
- `tf32=True`: `ValueError: --tf32 requires Ampere or a newer GPU arch, cuda>=11 and torch>=1.7`
- `half_precision_backend="apex"`: `ImportError: Using FP16 with APEX but APEX is not installed` from transformers 4
- `optim="paged_adamw_8bit"` and its kin: bitsandbytes 0.50 has no such optimizer for MPS
- `pipe.enable_xformers_memory_efficient_attention()`: `ValueError: torch.cuda.is_available() should be True but is False.`

All are warnings: what the installed release of the library does is not in the source.

## Use instead
Ask for what is everywhere, or for CUDA's only where CUDA is:

    AutoModel.from_pretrained(name, attn_implementation="sdpa")
    TrainingArguments(fp16=torch.cuda.is_available())

Leave `capturable` out: it is for CUDA graphs. Load in `torch.float16` rather than in 8 or 4 bits.

## Fix safety
The argument is kept for CUDA, with `"sdpa"` or False elsewhere. Unsafe: `"sdpa"` and 16 bits give nearly the same numbers, at
another cost of memory and time.

## Sources
- torch 2.13, executed on the CPU build: `_get_capturable_supported_devices` in `torch/optim/optimizer.py`.
- diffusers 0.42, `models/attention_processor.py` (xformers); the table `ARGUMENTS` of `flake8_mps/facts/third_party.py` names
  package, release and place for each of the others.
- huggingface/accelerate#3373 and #3718 (fp16), bitsandbytes-foundation/bitsandbytes#1983 (MPS), miccunifi/ladi-vton#42 (a Mac).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import edits
from ..edits import machine
from ..facts.third_party import ARGUMENTS, KNOWS_ARGUMENTS, Argument
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, keywords, methods

if TYPE_CHECKING:
    from ..facts import Facts

_XFORMERS = "enable_xformers_memory_efficient_attention"


class CudaOnlyArgument(Rule):
    code = "MPS610"
    name = "cuda-only-argument"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = keywords(*ARGUMENTS) | methods(_XFORMERS)
    expect = Raises(AssertionError, "If capturable=True, params and state_steps must be on supported devices", same_on_linux=True)

    def check(self, found: ast.keyword | ast.Call, facts: Facts) -> Iterator[Finding]:
        if not facts.modules & KNOWS_ARGUMENTS or facts.guarded(found) or _is_asked(found, facts):
            return
        if isinstance(found, ast.Call):
            if not any(getattr(one, "name", None) == _XFORMERS for one in facts.around(found)):  # which hands it on
                yield self.finding(facts.source.token(found.func), "xformers' attention needs CUDA; leave it out for sdpa")
        elif (row := ARGUMENTS[found.arg or ""]) and _fits(found, row, facts):
            message = f"{found.arg}={ast.unparse(found.value)} {row.needs}; {row.instead}"
            yield self.finding(facts.source.token(found), message)

    def fix(self, found: ast.keyword | ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        if not isinstance(found, ast.keyword):
            raise edits.NoFix("what to do without it is the author's to say")
        elsewhere = '"sdpa"' if found.arg == "attn_implementation" else "False"
        if elsewhere == "False" and facts.literal(found.value) is not True:
            raise edits.NoFix("what to ask for in its place is the author's to say")
        return edits.unsafe(*machine.for_cuda(facts, found.value, elsewhere))

    bad = [
        Example("""
            import torch

            net = torch.nn.Linear(2, 1)
            optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, capturable=True)
                                                                     ^^^^^^^^^^ MPS610
            net(torch.ones(1, 2)).sum().backward()
            optimizer.step()  # raises
            """),
        Example("""
            from torch import nn
            from torch.optim import RMSprop

            net = nn.Linear(2, 1)
            options = dict(lr=0.1, capturable=True)
                                   ^^^^^^^^^^ MPS610
            net.weight.sum().backward()
            RMSprop(net.parameters(), **options).step()  # raises
            """),
        Example("""
            import torch
            from transformers import AutoModelForCausalLM

            model = AutoModelForCausalLM.from_pretrained("gpt2", attn_implementation="flash_attention_2")
                                                                 ^^^^^^^^^^^^^^^^^^^ MPS610
            """, expect=Raises(ImportError, "FlashAttention2 has been toggled on, but it cannot be used")),
        Example("""
            import torch
            from transformers import BitsAndBytesConfig, TrainingArguments

            bits = BitsAndBytesConfig(load_in_4bit=True)
                                      ^^^^^^^^^^^^ MPS610
            arguments = TrainingArguments("out", fp16=True, optim="paged_adamw_8bit")
                                                 ^^^^ MPS610
                                                            ^^^^^ MPS610
            """, expect=Raises(ValueError, "fp16 mixed precision requires a GPU (not 'mps').")),
        Example("""
            from transformers import TrainingArguments

            arguments = TrainingArguments("out", no_cuda=False, tf32=True, half_precision_backend="apex")
                                                                ^^^^ MPS610
                                                                           ^^^^^^^^^^^^^^^^^^^^^^ MPS610
            """, expect=Raises(ValueError, "--tf32 requires Ampere or a newer GPU arch, cuda>=11 and torch>=1.7")),
        Example("""
            import torch
            from diffusers import StableDiffusionPipeline

            pipe = StableDiffusionPipeline.from_pretrained("stable-diffusion")
            pipe.enable_xformers_memory_efficient_attention()
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MPS610
            """, expect=Raises(ValueError, "torch.cuda.is_available() should be True but is False.")),
    ]
    good = [
        Example("""
            import torch

            net = torch.nn.Linear(2, 1)
            optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, capturable=torch.cuda.is_available())
            net(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            """),
        Example("""
            import torch

            def arguments():
                from transformers import TrainingArguments
                return TrainingArguments("out", fp16=torch.cuda.is_available(), optim="adamw_torch", tf32=False)
            """),
        Example("""
            import torch

            def load(name):
                from transformers import AutoModel
                if torch.cuda.is_available():
                    return AutoModel.from_pretrained(name, attn_implementation="flash_attention_2", load_in_8bit=True)
                return AutoModel.from_pretrained(name, attn_implementation="sdpa")
            """),
        Example("""
            import torch

            class ExportConfig:
                def __init__(self, fp16, optim):
                    print(fp16, optim, torch.__version__)

            ExportConfig(fp16=True, optim="paged_adamw_8bit")
            """),
    ]


def _fits(found: ast.keyword, row: Argument, facts: Facts) -> bool:
    """Whether the value is one that needs CUDA, given to a function of such a name."""
    if not isinstance(found.value, ast.Constant) or (type(found.value.value), found.value.value) not in (
        (type(value), value) for value in row.values
    ):
        return False
    call = facts.parent(found)
    name = facts.name(call.func) if row.callee and isinstance(call, ast.Call) else ""
    return not row.callee or name is not None and name.partition(".")[0] in KNOWS_ARGUMENTS and name.endswith(tuple(row.callee.split()))


def _is_asked(found: ast.AST, facts: Facts) -> bool:
    """Whether a condition has asked if xformers or the like can be used."""
    return any("availab" in ast.unparse(test) for test in facts.tests(found))

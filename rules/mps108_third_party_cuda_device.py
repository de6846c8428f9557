"""A package built on PyTorch is told to use CUDA in words of its own, or chooses CUDA or the CPU by itself.

## Why it breaks on MPS
Many packages take a device by another name than `device=`, and fail where theirs is not there:

- `from_pretrained(..., device_map="cuda")`: `AssertionError: Torch not compiled with CUDA enabled`
- `Trainer(accelerator="cuda")` of Lightning: `CUDAAccelerator can not run on your system since the accelerator is not
  available.`
- `Trainer(strategy="ddp")`: `ValueError: ... strategies from the DDP family are not supported on the MPS accelerator.`
- `Trainer(gpus=1)`: the accelerator is not available; since Lightning 2.0 there is no such parameter
- `Trainer(accelerator="gpu", devices=2)`: `You requested gpu: [0, 1] But your machine only has: [0]`
- `Trainer(accelerator="gpu", precision=64)`: float64 for the model, which MPS refuses with a `TypeError`
- `model.train(device=0)` of ultralytics: `ValueError: Invalid CUDA 'device=0' requested.`

Others choose for themselves when they are given none: `clip.load`, `whisper.load_model`, `demucs.api.Separator` and the
models of ultralytics take CUDA or the CPU, so on a Mac the CPU, and say nothing. That is a warning, and none where the
model is moved. (Whisper's `word_timestamps=True` needs float64, so the CPU: leave `device="cpu"` there.)

Some words that look alike are right: `accelerator="gpu"` and `pipeline(device=0)` mean MPS on a Mac, `Reader(gpu=True)` of
easyocr does so in 1.7.2. A `device="cuda"` is MPS101's, whoever is given it.

## Use instead
Choose a device at run time (torch 2.6 or newer) and hand it on, or let the package choose from all:

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    model, preprocess = clip.load("ViT-B/32", device=device)
    model = AutoModel.from_pretrained(name, device_map="auto")
    trainer = Trainer(accelerator="auto", devices=1)

## Fix safety
There is no automatic fix: `device_map="auto"` may spread a model over several GPUs, and one process is not many.

## Sources
- The tables, `flake8_mps/facts/third_party.py`, name package, release and place for each row.
- Seen on Macs: agiresearch/AIOS#14 (device_map), chemprop/chemprop#1261 (ddp), ultralytics/ultralytics#19770.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts.third_party import CHOOSES_CUDA, LITERALS, OBJECTS_CHOOSE_CUDA, POSITIONS, Literal
from ..finding import Finding, Severity
from ..rule import Example, Raises, Rule, Runs, World, calls, keywords, literals

if TYPE_CHECKING:
    from ..facts import Facts

_REFUSED = Raises(Exception, "can not run on your system since the accelerator is not available.")
_ON_CPU = Runs("the model is on the CPU, where the Mac's GPU was free")


class ThirdPartyCudaDevice(Rule):
    code = "MPS108"
    name = "third-party-cuda-device"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = literals(keywords(*LITERALS)) | calls(*POSITIONS, *CHOOSES_CUDA, *OBJECTS_CHOOSE_CUDA)
    expect = Raises(AssertionError, "Torch not compiled with CUDA enabled")

    def check(self, found: ast.keyword | ast.Call, facts: Facts) -> Iterator[Finding]:
        if not facts.guarded(found):
            yield from self._argument(found, facts) if isinstance(found, ast.keyword) else self._call(found, facts)

    def _argument(self, found: ast.keyword, facts: Facts) -> Iterator[Finding]:
        row = LITERALS[found.arg or ""]
        if not facts.modules & row.modules:
            return
        call = facts.parent(found)
        if not isinstance(call, ast.Call) or facts.is_own(call) or not row.callee.search(_name(call, facts)):
            return
        accelerator = facts.argument(call, "accelerator") if row.unless or row.only else None
        kind = getattr(accelerator, "value", None)
        if isinstance(accelerator, ast.IfExp) or kind in row.unless or row.only and kind not in row.only:
            return
        sure = not facts.optional(found) and (accelerator is None or isinstance(accelerator, ast.Constant))
        for value in _parts(found.value, row):
            message = f"{found.arg}={facts.source.text_of(value)} {row.breaks}; {row.instead}"
            yield self.finding(facts.source.token(value), message, severity=None if sure else Severity.WARNING)

    def _call(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        for use in _without_device(call, OBJECTS_CHOOSE_CUDA[name], facts)[:1] if name in OBJECTS_CHOOSE_CUDA else ():
            message = f"ultralytics runs .{use.func.attr}() on the CPU of a Mac; give it device=device"
            yield self.finding(facts.source.attribute(use.func), message, severity=Severity.WARNING)
        device = facts.argument(call, "device", position=POSITIONS.get(name, CHOOSES_CUDA.get(name)))
        if isinstance(device, ast.Constant) and device in call.args and str(device.value).startswith("cuda"):
            message = f"{facts.source.text_of(device)} raises without CUDA; choose cuda, mps or cpu at run time"
            yield self.finding(facts.source.token(device), message)
        left_open = device is None or isinstance(device, ast.Constant) and device.value is None
        if left_open and name in CHOOSES_CUDA and not facts.has_star(call) and not _is_moved(call, facts):
            message = f"{name}() without a device stays on the CPU of a Mac; give it device=device"
            yield self.finding(facts.source.token(call.func), message, severity=Severity.WARNING)

    bad = [
        Example("""
            import torch
            from transformers import AutoModelForCausalLM

            model = AutoModelForCausalLM.from_pretrained("gpt2", device_map="cuda")
                                                                            ^^^^^^ MPS108
            """),
        Example("""
            from transformers import AutoModel

            model = AutoModel.from_pretrained("bert", torch_dtype="auto", device_map={"": "cuda:0"})
                                                                                          ^^^^^^^^ MPS108
            """),
        Example("""
            import pytorch_lightning as pl

            trainer = pl.Trainer(accelerator="cuda", devices=1)
                                             ^^^^^^ MPS108
            """, expect=_REFUSED),
    ]
    good = [
        Example("""
            import torch

            def load(name):
                from transformers import AutoModel, pipeline
                return AutoModel.from_pretrained(name, device_map="auto"), pipeline("text-generation", name, device=0)
            """),
        Example("""
            import torch

            def encode(name, device):
                import clip, whisper
                image, preprocess = clip.load(name, device=device)
                text, _ = clip.load(name)
                text = text.to(device)
                return image, text, whisper.load_model("base", device)
            """),
        Example("""
            import torch

            def trainers(fast):
                from lightning import Trainer
                many = Trainer(accelerator="cpu", strategy="ddp", devices=2)
                if torch.cuda.is_available():
                    many = Trainer(accelerator="cuda", strategy="ddp")
                many = Trainer(accelerator="gpu" if fast else "cpu", strategy="ddp")
                return many, Trainer(accelerator="gpu", devices=1)
            """),
    ]


def _name(call: ast.Call, facts: Facts) -> str:
    """The canonical name of what is called, or that of the method."""
    return facts.name(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")


def _parts(value: ast.expr, row: Literal) -> Iterator[ast.expr]:
    """The values of such a form: the argument itself, or those in a dict."""
    for part in value.values if isinstance(value, ast.Dict) else [value]:
        text = repr(part.value) if isinstance(part, ast.Constant) else ast.unparse(part)
        if isinstance(part, (ast.Constant, ast.JoinedStr, ast.List, ast.UnaryOp)) and row.value.match(text):
            yield part


def _without_device(call: ast.Call, methods: frozenset[str], facts: Facts) -> list[ast.Call]:
    """The calls of these methods that give no device, of an object that gets none anywhere."""
    parent = facts.parent(call)
    target = ast.unparse(parent.targets[0]) if isinstance(parent, ast.Assign) else ast.unparse(call)
    if _is_moved(call, facts):
        return []
    found = [
        node for node in facts.source.nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr in methods
        and ast.unparse(node.func.value) == target
    ]
    given = any(facts.argument(use, "device") is not None or facts.has_star(use) for use in found)
    return [] if given else sorted(found, key=lambda use: use.lineno)


def _is_moved(call: ast.Call, facts: Facts) -> bool:
    """Whether the model is moved, at once or later by its name, wherever in the file that is."""
    parent = facts.parent(call)
    if isinstance(parent, ast.Attribute):
        return parent.attr in ("to", "cuda", "mps")
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    first = [target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target for target in targets]
    return any(re.search(rf"\b{re.escape(ast.unparse(name))}\.(?:to|cuda|mps)\(", facts.source.text) for name in first)

"""Words lead to what rules decide, whatever a file calls its modules and however it spaces its assignments."""

from __future__ import annotations

import ast
import textwrap

import pytest

from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import Source

PROGRAMS = {
    "a factory of a renamed torch": ("MPS401", 9, """
        import torch as t

        class Net(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = t.nn.Linear(3, 3)

            def forward(self, x):
                return self.fc(x) + t.zeros(3)
        """),
    "a list without spaces": ("MPS402", 7, """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.layers=[nn.Linear(3, 3) for _ in range(n)]

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x
        """),
    "a batch from a renamed torch": ("MPS405", 6, """
        import numpy as np
        import torch as t

        def run(device, path):
            model = t.nn.Linear(3, 1).to(device)
            return model(t.from_numpy(np.load(path)).float())
        """),
    "a renamed torch.distributed": ("MPS606", 3, """
        import torch.distributed as d

        d.init_process_group("nccl")
        """),
    "torch by assignment": ("MPS201", 5, """
        import torch

        th = torch

        weights = th.load("unet.pt")
        """),
}


def reported(text: str) -> set[tuple[str, int]]:
    return {(f.code, f.span.line) for f in lint(Source(text, ast.parse(text), "net.py"), Config())}


@pytest.mark.parametrize(("code", "line", "program"), PROGRAMS.values(), ids=PROGRAMS)
def test_found_by_whatever_name(code: str, line: int, program: str) -> None:
    assert (code, line) in reported(textwrap.dedent(program).lstrip())


def test_the_gate_knows_the_packages_of_the_tables() -> None:
    from flake8_mps.facts import third_party as tables
    from flake8_mps.linter import FAMILIES, PACKAGES

    called = {name.partition(".")[0] for name in (*tables.POSITIONS, *tables.CHOOSES_CUDA, *tables.OBJECTS_CHOOSE_CUDA)}
    named = called.union(tables.KNOWS_ARGUMENTS, *(row.modules for row in tables.LITERALS.values()))
    assert {name for name in named if not any(word in name for word in FAMILIES)} == set(PACKAGES)


@pytest.mark.parametrize(("code", "text"), [
    ("MPS108", "import whisper\n\nmodel = whisper.load_model('base')\n"),
    ("MPS108", "from lightning import Trainer\n\nTrainer(accelerator='gpu', precision='64')\n"),
    ("MPS108", "from ultralytics import YOLO\n\nYOLO('x.pt').predict(device=0)\n"),
    ("MPS610", "from transformers import TrainingArguments\n\nTrainingArguments('out', fp16=True)\n"),
    ("MPS610", "import diffusers\n\n\ndef faster(pipe):\n    pipe.enable_xformers_memory_efficient_attention()\n"),
])
def test_a_file_without_torch_comes_past_the_gate(code: str, text: str) -> None:
    assert "torch" not in text and "cuda" not in text
    assert code in {code for code, _ in reported(text)}


@pytest.mark.parametrize("text", ["import numpy as np\n\nprecision = 64\nx = np.clip(1, 2, 3)\n", "# import whisper: no\n"])
def test_a_file_of_nobody_s_stays_outside(text: str) -> None:
    from flake8_mps.linter import passes

    assert not passes(text)


@pytest.mark.parametrize("call", ["config.update({})", "json.load(file)", "pickle.load(file)"])
def test_a_method_of_something_else_is_no_word(call: str) -> None:
    from flake8_mps.linter import search

    text = f"import torch\n\n\ndef use(config, json, pickle, file):\n    {call}\n"
    assert not search().hits(Source(text, ast.parse(text), "use.py")).lines

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


@pytest.mark.parametrize("call", ["config.update({})", "json.load(file)", "pickle.load(file)"])
def test_a_method_of_something_else_is_no_word(call: str) -> None:
    from flake8_mps.linter import search

    text = f"import torch\n\n\ndef use(config, json, pickle, file):\n    {call}\n"
    assert not search().hits(Source(text, ast.parse(text), "use.py")).searched

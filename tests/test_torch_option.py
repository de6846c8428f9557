"""What the oldest torch to support changes: examples cannot show it, for they are linted without options."""

from __future__ import annotations

import ast

import pytest

from flake8_mps.config import Config, Version
from flake8_mps.linter import lint
from flake8_mps.source import Source


@pytest.mark.parametrize(
    ("call", "torch", "found"),
    [
        ("torch.compile(model)", None, False),
        ("torch.compile(model)", (2, 8), False),
        ("torch.compile(model)", (2, 7), True),
        ("torch.compile(model, backend='inductor', mode='max-autotune')", (2, 6), True),
        ("torch.compile(model, backend='aot_eager')", (2, 6), False),
        ("torch.compile(model, backend=backend)", (2, 6), False),
        ("torch.compile(model, **options)", (2, 6), False),
        ("model.compile()", (2, 6), False),
    ],
)
def test_compiling_needs_torch_2_8(call: str, torch: Version | None, found: bool) -> None:
    text = f"import torch\n\ndef faster(model, backend, options):\n    return {call}\n"
    findings = lint(Source(text, ast.parse(text), "example.py"), Config(torch=torch, select=("MPS702",)))
    assert [finding.span.line for finding in findings] == [4] * found

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


OLDER = [
    'version.parse(torch.__version__) < version.parse("2.6")', 'not torch.__version__ >= "2.6"',
    'not is_torch_greater_or_equal("2.6")', "not NEW", 'is_torch_version("<", "2.6.0")', 'torch.__version__ <= "2.5.1"',
]
NEWER = ['torch.__version__ >= "2.6"', 'Version("2.6") <= Version(torch.__version__)', "NEW", 'transformers_version("<", "2.6")']


@pytest.mark.parametrize(
    ("condition", "torch", "found"),
    [
        *((condition, None, False) for condition in OLDER),
        *((condition, (2, 6), False) for condition in OLDER),
        *((condition, (2, 4), True) for condition in OLDER),
        *((condition, None, True) for condition in NEWER),
    ],
)
def test_a_branch_for_older_torch_is_read_where_that_is_supported(condition: str, torch: Version | None, found: bool) -> None:
    text = (
        "import torch\nfrom packaging import version\nfrom packaging.version import Version\n"
        "from helpers import is_torch_greater_or_equal, is_torch_version, transformers_version\n"
        "from helpers import is_torch_greater_or_equal_than_2_6 as NEW\n\n"
        f"if {condition}:\n    torch.cuda.synchronize()\n"
    )
    findings = lint(Source(text, ast.parse(text), "example.py"), Config(torch=torch, select=("MPS601",)))
    assert [finding.span.line for finding in findings] == [8] * found

"""The mutator of ``make mutations``: each kind makes exactly the text that it should, and touches nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # scripts, which find each other beside themselves

import damage  # noqa: E402
import mutations  # noqa: E402
import mutators  # noqa: E402

IMPORTS = "import numpy as np\nimport torch\nimport torch.nn as nn\n"


def made(text: str, kind: str) -> list[str]:
    """What is left of a source after each mutation of a kind, without the imports."""
    page = mutators.Page(IMPORTS + text)
    return [one.apply(page.text).removeprefix(IMPORTS) for one in mutators.mutations(page) if one.kind == kind]


@pytest.mark.parametrize(("kind", "before", "after"), [
    ("cast", "x = torch.from_numpy(a).float().to(device)", ["x = torch.from_numpy(a).to(device)"]),
    ("cast", "x = y.to(torch.float32)", ["x = y"]),
    ("cast", "x = y.to(device, torch.float32)", ["x = y.to(device)"]),
    ("cast", "x = y.to(dtype=torch.float32, device=device)", ["x = y.to(device=device)"]),
    ("cast", "x = (a / 255).astype(np.float32)", ["x = (a / 255)"]),
    ("cast", "x = a.astype('float32')", ["x = a"]),
    ("cast", "x = torch.tensor(a, dtype=torch.float32, device=d)", ["x = torch.tensor(a, device=d)"]),
    ("cast", "x = np.zeros(3, np.float32)", []),
    ("cast", "x = torch.float(y)", []),
    ("move", "x = x.to(device)", ["pass"]),
    ("move", "y = net(x.to(device, non_blocking=True))", ["y = net(x)"]),
    ("move", "y = net(x.to(self.device, dtype=torch.long))", ["y = net(x.to(dtype=torch.long))"]),
    ("move", "net.to(device)\nnet(x)", []),
    ("move", "net = net.to(device)\nnet(x)", []),
    ("move", "x = x.to(torch.float16)", []),
    ("device", "def f(device):\n    return torch.zeros(3, device=device)", ["def f(device):\n    return torch.zeros(3)"]),
    ("device", "def f():\n    return torch.zeros(3, device='cpu')", []),
    ("map_location", "s = torch.load(path, map_location='cpu', weights_only=True)", ["s = torch.load(path, weights_only=True)"]),
    ("float64", "x = torch.zeros(3, dtype=torch.float16)", ["x = torch.zeros(3, dtype=torch.float64)"]),
    ("float64", "x = a.astype(np.float32)", ["x = a.astype(np.float64)"]),
    ("float64", "x = torch.zeros(3, dtype=torch.long)", []),
    ("cpu", "a = x.detach().cpu().numpy()", ["a = x.detach().numpy()"]),
    ("cpu", "a = x.cpu().float().numpy()", ["a = x.float().numpy()"]),
    ("cpu", "a = x.cpu()", []),
    ("buffer", "self.register_buffer('pe', torch.zeros(3), persistent=False)", ["self.pe = torch.zeros(3)"]),
    ("buffer", "self.register_buffer('pe', None)", []),
    ("choice", "d = 'cuda' if c() else 'mps' if m() else 'cpu'", ['d = ("cuda" if torch.cuda.is_available() else "cpu")']),
    ("choice", "d = torch.accelerator.current_accelerator() or torch.device('cpu')",
     ['d = torch.device("cuda" if torch.cuda.is_available() else "cpu")']),
    ("choice", "t = kind if kind != 'mps' else 'cpu'", []),
    ("choice", "if cuda:\n    d = 'cuda'\nelif has_mps:\n    d = 'mps'\nelse:\n    d = 'cpu'",
     ["if cuda:\n    d = 'cuda'\nelse:\n    d = 'cpu'"]),
    ("choice", "if has_mps:\n    d = 'mps'\nelif cuda:\n    d = 'cuda'", ["if cuda:\n    d = 'cuda'"]),
    ("choice", "if has_mps:\n    d = 'mps'", ["pass"]),
])
def test_a_mutation_is_one_exact_edit(kind: str, before: str, after: list[str]) -> None:
    assert made(before, kind) == after
    for text in after:
        ast.parse(text)


def test_strings_and_comments_stay() -> None:
    text = '"""x = x.to(device)"""\n# y.float().cpu().numpy()\ns = "torch.load(path, map_location=d)"\n'
    assert not list(mutators.mutations(mutators.Page(IMPORTS + text)))


def test_columns_are_characters() -> None:
    assert made('"Größe"; x = y.float()', "cast") == ['"Größe"; x = y']


@pytest.mark.parametrize(("kind", "text", "shows"), [
    ("cast", "x = torch.from_numpy(np.linspace(0, 1, 9)).float().to(device)", True),
    ("cast", "x = torch.rand(3).float().to(device)", False),
    ("float64", "x = torch.zeros(3, dtype=torch.float32, device=device)", True),
    ("float64", "x = torch.zeros(3, dtype=torch.float32)", False),
    ("cpu", "net = nn.Linear(2, 2).to(device)\na = net(x.to(device)).cpu().numpy()", True),
    ("cpu", "a = x.cpu().numpy()", False),
    ("move", "net.to(device)\nfor x in train_loader:\n    y = net(x.to(device))", True),
    ("move", "y = net(x.to(device))", False),
    ("device", "class N(nn.Module):\n    def forward(self, x):\n        return x + torch.ones(3, device=x.device)", True),
    ("device", "def f(n, device):\n    return torch.ones(n, device=device)", False),
    ("choice", "d = 'cuda' if c() else 'mps' if m() else 'cpu'", True),
    ("choice", "d = 'cuda' if c() else 'mps' if m() else 'cpu'\nd = 'mps' if m() else d", False),
])
def test_damage_shows_where_the_file_has_both_ends(kind: str, text: str, shows: bool) -> None:
    page = mutators.Page(IMPORTS + text)
    (mutation,) = [one for one in mutators.mutations(page) if one.kind == kind][:1]
    assert damage.Damage(page).shows(mutation) is shows


def test_the_same_seed_plants_the_same_mistakes() -> None:
    options = mutations.parse_arguments([str(mutations.OWN[0]), "--per-kind", "1", "--files", "6"])
    planted = [list(mutations.mutants(mutations.files(options), options)) for _ in range(2)]
    assert [(m.path, m.diff) for m in planted[0]] == [(m.path, m.diff) for m in planted[1]] != []

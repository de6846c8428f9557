"""What comes from other files of the project: off by default, the same in every order, and never executed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli, imports
from flake8_mps.config import Config
from flake8_mps.linter import lint
from flake8_mps.source import read_source

HEAD = "import numpy as np\nimport torch\nfrom torch.utils.data import DataLoader\n"
FLOAT64 = "torch.from_numpy(np.linspace(0, 1, 9))"
CHOICE = '"cuda" if torch.cuda.is_available() else "cpu"'
CONFIG = f"""
import argparse
import torch
import numpy as np

PLACE = "cuda"
HOST = "cpu"
BEST = {CHOICE}
USE_CUDA = torch.cuda.is_available()
SETTINGS = {{"place": torch.device("cuda"), "size": 3}}
GRID = np.linspace(0, 1, 9)

class Settings:
    def __init__(self):
        self.place = "cuda"

settings = Settings()
place = argparse.ArgumentParser()
place.device = "mps"

def has_cuda():
    return which("nvidia-smi")

def get_place():
    return {CHOICE}

def to_gpu(x, place=BEST):
    return x.to(place)

def either(x):
    return x + 1 if isinstance(x, torch.Tensor) else np.abs(x)

def build(width):
    return torch.nn.Linear(width, width).to(PLACE)

class UNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3)
        self.place = PLACE

    def forward(self, x):
        return self.conv(x)

    def put(self, x):
        return x.to(self.place)

class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
"""

Found = list[tuple[int, str]]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def found(path: Path, *, resolve: bool = True) -> Found:
    """Lines, counted behind the imports of ``HEAD``, and codes of what is found in a file."""
    findings = lint(read_source(str(path)), Config(resolve_imports=resolve))
    return [(finding.span.line - HEAD.count("\n"), finding.code) for finding in findings]


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    write(tmp_path, {".git/HEAD": "", "pyproject.toml": "", "unet/__init__.py": "", "unet/config.py": CONFIG})
    return tmp_path


def train(unet: Path, text: str, name: str = "unet/train.py") -> Path:
    write(unet, {name: HEAD + text})
    return unet / name


# --- what is known of a name -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"from .config import PLACE\nx = {FLOAT64}.to(PLACE)\n", [(2, "MPS302")]),
        (f"from unet.config import PLACE as p\nx = {FLOAT64}.to(p)\n", [(2, "MPS302")]),
        (f"from . import config\nx = {FLOAT64}.to(config.PLACE)\n", [(2, "MPS302")]),
        (f"import unet.config\nx = {FLOAT64}.to(unet.config.PLACE)\n", [(2, "MPS302")]),
        (f"from .config import *\nx = {FLOAT64}.to(PLACE)\n", [(2, "MPS302")]),
        (f"from .config import BEST\nx = {FLOAT64}.to(BEST)\n", [(2, "MPS302")]),
        (f"from .config import HOST\nx = {FLOAT64}.to(HOST)\n", []),
        (f"from .config import SETTINGS\nx = {FLOAT64}.to(SETTINGS['place'])\n", [(2, "MPS302")]),
        (f"from .config import settings\nx = {FLOAT64}.to(settings.place)\n", [(2, "MPS302")]),
        (f"from .config import get_place\nx = {FLOAT64}.to(get_place())\n", [(2, "MPS302")]),
        (f"from .config import to_gpu\nx = to_gpu({FLOAT64})\n", [(2, "MPS302")]),
        (f"from .config import to_gpu\nx = [to_gpu({FLOAT64}), to_gpu({FLOAT64})]\n", [(2, "MPS302")] * 2),
        (f"from .config import to_gpu\nx = to_gpu({FLOAT64}, 'cpu')\n", []),
        ("from .config import to_gpu\nx = to_gpu(torch.zeros(3), 'cuda')\n", [(2, "MPS101")]),
        ("from .config import to_gpu\nx = to_gpu(torch.zeros(3))\nx.numpy()\n", [(3, "MPS404")]),
        ("from .config import either\nx = either(torch.zeros(3).to('mps'))\n", []),
        ("from .config import GRID, BEST\nx = torch.tensor(GRID).to(BEST)\n", [(2, "MPS302")]),
        ("from .config import build\nnet = build(3)\nnet(torch.zeros(3))\n", [(3, "MPS405")]),
        (
            "from .config import UNet, BEST\nnet = UNet().to(BEST)\nfor x, _ in DataLoader([]):\n    net(x)\n",
            [(4, "MPS405")],
        ),
        ("from .config import Head, BEST\nnet = Head()\nnet(torch.zeros(3).to(BEST))\n", [(3, "MPS405")]),
        (
            "from .config import USE_CUDA\nx = torch.zeros(3)\nif USE_CUDA:\n    x = x.cuda()\n    y = x.cuda()\n",
            [(4, "MPS103")],
        ),
        ("from .config import USE_CUDA\nif USE_CUDA:\n    torch.cuda.synchronize()\n", []),
        ("from .config import has_cuda\nx = torch.zeros(3)\nif has_cuda():\n    x = x.cuda()\n", [(4, "MPS103")]),
        ("from .config import place\nx = torch.zeros(3).to(place.device)\nx.numpy()\n", [(3, "MPS404")]),
        ("from .config import missing, Settings\nx = torch.zeros(3).to(missing)\nSettings.nothing.to(HOST)\n", []),
        ("from .nowhere import PLACE\nfrom .... import beyond\nx = torch.zeros(3).to(PLACE)\n", []),
    ],
)
def test_what_follows_here(unet: Path, text: str, expected: Found) -> None:
    assert found(train(unet, text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "from .config import PLACE\nx = torch.zeros(3, device=PLACE).to(PLACE)\ntorch.load('a', map_location=PLACE)\n",
        "from .config import get_place\nx = torch.zeros(3).to(get_place())\n",
        "from .config import build, UNet\nbuild(3)\nUNet().put(torch.zeros(3))\n",
        "from .config import settings\ntorch.zeros(3, device=settings.place)\n",
    ],
)
def test_cuda_is_reported_where_it_is_written(unet: Path, text: str) -> None:
    assert found(train(unet, text)) == []
    codes = [code for _, code in found(unet / "unet" / "config.py")]
    assert set(codes) == {"MPS101", "MPS103"}


def test_a_base_class_in_another_file(unet: Path) -> None:
    text = (
        "from .config import UNet\nclass Wide(UNet):\n"
        "    def forward(self, x):\n        y = self.put(x)\n        return y + torch.zeros(3)\n"
    )
    assert found(train(unet, text)) == [(5, "MPS401")]
    assert found(train(unet, text), resolve=False) == []


def test_off_by_default(unet: Path) -> None:
    path = train(unet, f"from .config import BEST as there, to_gpu\nx = {FLOAT64}\nto_gpu(x)\nx = x.to(there)\n")
    assert lint(read_source(str(path)), Config()) == []


# --- which file it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "config", "imported"),
    [
        ("train.py", "config.py", "from config import PLACE"),
        ("scripts/train.py", "scripts/config.py", "from config import PLACE"),
        ("scripts/train.py", "config.py", "from config import PLACE"),
        ("train.py", "src/clip/config.py", "from clip.config import PLACE"),
        ("src/clip/train.py", "src/clip/config.py", "from clip.config import PLACE"),
        ("src/clip/train.py", "src/clip/config.py", "from .config import PLACE"),
        ("src/clip/nets/train.py", "src/clip/config.py", "from ..config import PLACE"),
        ("tests/train.py", "src/clip/config/__init__.py", "from clip.config import PLACE"),
        ("train.py", "plain/config.py", "from plain.config import PLACE"),
    ],
)
def test_the_file_of_a_module(tmp_path: Path, place: str, config: str, imported: str) -> None:
    packages = {"src/clip/__init__.py": "", "src/clip/nets/__init__.py": ""} if "clip" in place + config else {}
    write(tmp_path, {".git/HEAD": "", **packages, config: "PLACE = 'cuda'\n"})
    write(tmp_path, {place: f"{HEAD}{imported}\nx = {FLOAT64}.to(PLACE)\n"})
    assert found(tmp_path / place) == [(2, "MPS302")]


def test_nothing_outside_of_the_project_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"config.py": CONFIG, "unet/.git/HEAD": "", "unet/a/train.py": ""})
    path = train(tmp_path, f"from config import PLACE as p\nx = {FLOAT64}.to(p)\n", "unet/a/train.py")
    assert found(path) == []


def test_a_package_hands_on_what_it_imports(unet: Path) -> None:
    write(unet, {"unet/__init__.py": "from .config import get_place\nfrom .config import *\n"})
    text = f"from unet import get_place, BEST\nx = {FLOAT64}.to(get_place())\ny = {FLOAT64}.to(BEST)\n"
    path = train(unet, text, "train.py")
    assert found(path) == [(2, "MPS302"), (3, "MPS302")]


def test_torch_is_torch_even_to_itself(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", "torch/__init__.py": "def zeros(*size):\n    return UNKNOWN\n"})
    assert found(train(tmp_path, "x = torch.zeros(3).to('mps')\ny = x + torch.zeros(3)\n", "a.py")) == [(2, "MPS405")]


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["PLACE = (", "PLACE = \0", "\ud800", "from .config import PLACE\n", "x = " + "-" * 9999 + "1"]
)
def test_files_that_say_nothing(unet: Path, content: str) -> None:
    (unet / "unet" / "config.py").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert found(train(unet, f"from .config import PLACE as p\nx = {FLOAT64}.to(p)\n")) == []


def test_nothing_is_executed(unet: Path) -> None:
    mark = unet / "executed"
    write(unet, {"unet/config.py": f"open({str(mark)!r}, 'w').close()\nPLACE = 'cuda'\n"})
    assert found(train(unet, f"from .config import PLACE\nx = {FLOAT64}.to(PLACE)\n")) == [(2, "MPS302")]
    assert not mark.exists()


def test_files_that_import_each_other(unet: Path) -> None:
    write(unet, {
        "unet/a.py": "from .b import get_b\nfrom . import train\nPLACE = 'cuda'\ndef get_a(n):\n    return get_b(n)\n",
        "unet/b.py": "from .a import get_a, PLACE\n\ndef get_b(n):\n    return PLACE if n else get_a(n)\n",
    })
    assert (3, "MPS302") in found(train(unet, f"from .a import get_a, PLACE\nget_a(3)\nx = {FLOAT64}.to(PLACE)\n"))


def test_a_long_chain_ends_in_a_symbol(unet: Path) -> None:
    chain = {f"unet/m{n}.py": f"from .m{n + 1} import PLACE\n" for n in range(9)}
    write(unet, {**chain, "unet/m9.py": "PLACE = 'cuda'\n"})
    for start, expected in (8, [(2, "MPS302")]), (0, []):
        assert found(train(unet, f"from .m{start} import PLACE as p\nx = {FLOAT64}.to(p)\n")) == expected


def test_a_file_is_parsed_once(unet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(imports, "read_source", lambda path: read.append(path) or read_source(path))
    for name in ("unet/a.py", "unet/b.py"):
        path = train(unet, f"from .config import PLACE, BEST\nx = {FLOAT64}.to(PLACE)\n", name)
        assert found(path) == [(2, "MPS302")]
    assert read == [str(unet / "unet" / "config.py")]


# --- the same in every order -----------------------------------------------------------------------------------------

FILES = {
    "a.py": f"{HEAD}from b import choose\nPLACE = choose('cuda')\nx = {FLOAT64}.to(PLACE)\n",
    "b.py": f"{HEAD}import a\n\ndef choose(name):\n    return name if name else a.PLACE\n\ny = {FLOAT64}.to(a.PLACE)\n",
    "c.py": f"{HEAD}from a import PLACE\nfrom b import choose\nz = {FLOAT64}.to(choose(PLACE))\n",
}


def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", **FILES})
    results = [
        {name: found(tmp_path / name) for name in order} for order in itertools.permutations(FILES)
    ]
    assert all(result == results[0] for result in results)
    assert (3, "MPS302") in results[0]["c.py"]


def test_the_number_of_jobs_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", "pyproject.toml": "[tool.flake8-mps]\nresolve-imports = true\n", **FILES})
    outputs = []
    for jobs in ("1", "2"):
        command = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS", f"-j{jobs}", *FILES]
        outputs.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout)
    assert outputs[0] == outputs[1]
    assert "c.py:6:44: MPS302" in outputs[0]


def test_both_commands_have_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {".git/HEAD": "", **FILES})
    cli.main(["check", "--resolve-imports", "--select", "MPS302", str(tmp_path / "c.py")])
    assert "c.py:6:44: MPS302" in capsys.readouterr().out
    command = [sys.executable, "-m", "flake8", "--isolated", "--select", "MPS302", "--mps-resolve-imports", "c.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "c.py:6:44: MPS302" in done.stdout

"""What a project declares of its own code in ``[tool.flake8-mps]``, and what facts make of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import cli
from flake8_mps.config import Config, ConfigError
from flake8_mps.imports import place_of
from flake8_mps.linter import lint
from flake8_mps.source import read_source

DECLARED = """
[tool.flake8-mps]
portable-devices = ["unet.utils.pick_device"]
moves = ["unet.utils.to_gpu"]
modules = ["unet.nets.UNet"]
"""

HEAD = "import numpy as np\nimport torch\nfrom torch.utils.data import DataLoader\n"
FLOAT64 = "torch.from_numpy(np.linspace(0, 1, 9))"

Found = list[tuple[int, str]]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def found(folder: Path, text: str, table: str = DECLARED, name: str = "unet/train.py") -> Found:
    """Lines, counted behind the imports of ``HEAD``, and codes of what is found in a file of a project."""
    write(folder, {".git/HEAD": "", "pyproject.toml": table, "unet/__init__.py": "", name: HEAD + text})
    findings = lint(read_source(str(folder / name)), Config())
    return [(finding.span.line - HEAD.count("\n"), finding.code) for finding in findings]


# --- what each key means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "imported",
    [
        "from unet.utils import pick_device",
        "from .utils import pick_device",
        "from .utils import pick_device as pick; pick_device = pick",
        "from . import utils; pick_device = utils.pick_device",
        "import unet.utils as u; pick_device = u.pick_device",
        "from unet import utils as u; pick_device = u.pick_device",
    ],
)
def test_a_portable_device_by_any_import(tmp_path: Path, imported: str) -> None:
    text = f"{imported}\nplace = pick_device()\nx = {FLOAT64}.to(place)\n"
    assert found(tmp_path, text) == [(3, "MPS302")]
    assert found(tmp_path, text.replace(FLOAT64, "torch.zeros(3)"), DECLARED) == []


def test_a_function_of_the_same_name_elsewhere(tmp_path: Path) -> None:
    text = f"from .other import pick_device\nplace = pick_device()\nx = {FLOAT64}.to(place)\n"
    assert found(tmp_path, text) == []


def test_in_the_file_that_defines_it(tmp_path: Path) -> None:
    body = "def pick_device():\n    return CHOICES[sys.platform]()\n"
    text = f"import sys\n{body}place = pick_device()\nx = {FLOAT64}.to(place)\n"
    assert found(tmp_path, text, name="unet/utils.py") == [(5, "MPS302")]
    assert found(tmp_path, text, name="unet/train.py") == []


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (f"to_gpu({FLOAT64})", [(2, "MPS302")]),
        ("to_gpu(torch.zeros(3, dtype=torch.float64), device)", [(2, "MPS301")]),
        (f"to_gpu({FLOAT64}, 'cpu')", []),
        (f"to_gpu({FLOAT64}.float())", []),
        ("to_gpu(torch.zeros(3), 'cuda')", [(2, "MPS101")]),
        ("to_gpu(torch.zeros(3), torch.ones(3))[0] + torch.ones(3)", [(2, "MPS405")]),
        ("to_gpu({'image': torch.zeros(3)})['image'] + torch.ones(3)", [(2, "MPS405")]),
        ("to_gpu(torch.zeros(3)).numpy()", [(2, "MPS404")]),
        ("to_gpu(device, 3)", []),
        ("to_gpu()", []),
    ],
)
def test_a_function_that_moves(tmp_path: Path, call: str, expected: Found) -> None:
    assert found(tmp_path, f"from .utils import to_gpu\nx = {call}\n") == expected


def test_it_moves_modules_in_place(tmp_path: Path) -> None:
    text = "from .utils import to_gpu\nnet = torch.nn.Linear(3, 3)\nto_gpu(net)\nnet(torch.zeros(3))\n"
    assert found(tmp_path, text) == [(4, "MPS405")]


def test_it_is_followed_in_functions_and_in_files_without_another_word(tmp_path: Path) -> None:
    text = "from .utils import to_gpu\n\ndef load():\n    return to_gpu(torch.tensor(np.random.rand(3)))\n"
    assert found(tmp_path, text) == [(4, "MPS302")]


def test_a_class_that_is_a_module(tmp_path: Path) -> None:
    text = (
        "from .nets import UNet\nnet = UNet(3)\nnet.to('mps')\n"
        "for images, _ in DataLoader([]):\n    net(images)\n"
    )
    assert found(tmp_path, text) == [(5, "MPS405")]


def test_a_class_derived_from_it(tmp_path: Path) -> None:
    forward = "    def forward(self, x):\n        return x.view(3) + torch.zeros(3)\n"
    text = f"from .nets import UNet\nclass Attention(UNet):\n{forward}"
    assert found(tmp_path, text) == [(4, "MPS401")]
    assert found(tmp_path, text.replace("UNet", "Other")) == []


def test_without_the_table_nothing_is_known(tmp_path: Path) -> None:
    text = f"from .utils import pick_device, to_gpu\nplace = pick_device()\nx = {FLOAT64}.to(place)\ny = to_gpu(x)\n"
    assert found(tmp_path, text, "[project]\nname = 'unet'\n") == []


# --- where a file stands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("unet/train.py", "unet.train"),
        ("unet/__init__.py", "unet"),
        ("unet/nets/blocks.py", "unet.nets.blocks"),
        ("src/diffusion/train.py", "diffusion.train"),
        ("src/plain/train.py", "plain.train"),
        ("plain/train.py", "plain.train"),
        ("train.py", "train"),
    ],
)
def test_the_name_of_a_module(tmp_path: Path, name: str, module: str) -> None:
    packages = ("unet", "unet/nets", "src/diffusion")
    write(tmp_path, {"pyproject.toml": "", **{f"{package}/__init__.py": "" for package in packages}})
    assert place_of(str(tmp_path / name)).module == module


@pytest.mark.parametrize(
    ("level", "module", "absolute"),
    [
        (1, "utils", "unet.nets.utils"), (2, "utils", "unet.utils"), (1, "", "unet.nets"), (3, "utils", None),
        (9, "", None),
    ],
)
def test_relative_imports(tmp_path: Path, level: int, module: str, absolute: str | None) -> None:
    write(tmp_path, {"pyproject.toml": "", "unet/__init__.py": "", "unet/nets/__init__.py": ""})
    assert place_of(str(tmp_path / "unet" / "nets" / "blocks.py")).absolute(level, module) == absolute


# --- what goes wrong -------------------------------------------------------------------------------------------------

NO_NAME = "is not a dotted name; write its module too, like unet.utils.pick_device"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("portable-device = ['a.b']", "portable-device: there is no such key"),
        ("portable_devices = ['a.b']", "portable_devices: there is no such key"),
        ("moves = true", "moves: True is no text; write it in quotes"),
        ("moves = ['a.b', 3]", "moves: 3 is no text; write it in quotes"),
        ("moves = {a = 'b'}", "moves: {'a': 'b'} is no text; write it in quotes"),
        ("modules = ['UNet']", f"modules: 'UNet' {NO_NAME}"),
        ("modules = 'unet.UNet()'", f"modules: 'unet.UNet()' {NO_NAME}"),
        ("modules = ['unet..UNet']", f"modules: 'unet..UNet' {NO_NAME}"),
        ("portable-devices = ['unet.class']", f"portable-devices: 'unet.class' {NO_NAME}"),
        ("portable-devices = ['']", f"portable-devices: '' {NO_NAME}"),
        ("resolve-imports = 'yes'", "resolve-imports: 'yes' is neither true nor false; write true, without quotes"),
        ("resolve-imports = 1", "resolve-imports: 1 is neither true nor false; write true, without quotes"),
    ],
)
def test_a_wrong_declaration_names_file_and_key(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found(tmp_path, "torch.load('unet.pth')\n", f"[tool.flake8-mps]\n{line}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'}: [tool.flake8-mps] {message}")


def test_it_ends_both_commands_with_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.flake8-mps]\nmoves = ['to_gpu']\n", "a.py": "import torch\n"})
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", str(tmp_path / "a.py")])
    assert ended.value.code == 2
    assert "moves: 'to_gpu' is not a dotted name" in capsys.readouterr().err
    command = [sys.executable, "-m", "flake8", "--select", "MPS", "-j1", "a.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "moves: 'to_gpu' is not a dotted name" in done.stdout + done.stderr


def test_the_table_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from_table = Config.from_table
    monkeypatch.setattr(Config, "from_table", lambda table, file: read.append(file) or from_table(table, file))
    for name in ("unet/a.py", "unet/b.py", "c.py"):
        found(tmp_path, "x = 3\n", name=name)
    assert read == [str(tmp_path / "pyproject.toml")]

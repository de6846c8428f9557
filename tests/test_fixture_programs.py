"""The fixtures do what they say: ported programs train on the CPU, cuda programs fail or use the CPU as marked."""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import re
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import pytest
from expectations import code_cells, expected

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
PYTHON_FILES = sorted(FIXTURES.rglob("*.py"))
NOTEBOOKS = sorted(FIXTURES.rglob("*.ipynb"))

_LOSS = re.compile(r"\bloss (\d+\.\d+)")
_NO_CUDA = "Torch not compiled with CUDA enabled|No CUDA GPUs are available|Found no NVIDIA driver"

# How a notebook is run here: one namespace, cell after cell, shell commands and magics left out.
_RUN_CELLS = """
import json, sys
notebook = json.load(open(sys.argv[1], encoding="utf-8"))
namespace = {"__name__": "__main__"}
cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
for number, cell in enumerate(cells, 1):
    lines = "".join(cell["source"]).split("\\n")
    source = "\\n".join("" if line.startswith(("!", "%")) else line for line in lines)
    exec(compile(source, f"<cell {number}>", "exec"), namespace)
"""


def run(script, *arguments, cwd):
    """Run a program in a child process, with one thread and with ``cwd`` to write to."""
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, *map(str, script), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def run_notebook(path, cwd):
    return run(["-c", _RUN_CELLS, path], cwd=cwd)


def losses(result):
    """The losses that a program printed, once it has ended well."""
    assert result.returncode == 0, result.stderr
    values = [float(value) for value in _LOSS.findall(result.stdout)]
    assert len(values) >= 2, result.stdout
    return values


def test_unet_script_ported_trains_resumes_and_predicts(tmp_path):
    program = FIXTURES / "unet_script" / "ported"
    first = losses(run([program / "train.py"], "--epochs", 3, "--output", tmp_path, cwd=tmp_path))
    assert first[-1] < first[0]

    checkpoint = tmp_path / "unet.pt"
    options = ("--epochs", 5, "--amp", "--compile", "aot_eager", "--resume", checkpoint, "--output", tmp_path)
    resumed = run([program / "train.py"], *options, cwd=tmp_path)
    assert losses(resumed)[-1] < first[-1]
    assert "resumed after epoch 3" in resumed.stdout

    predicted = run([program / "predict.py"], checkpoint, "--count", 2, cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    assert "2 slices, foreground dice 0." in predicted.stdout
    assert (tmp_path / "predictions.npy").exists()


def test_unet_notebook_ported_trains(tmp_path):
    values = losses(run_notebook(FIXTURES / "unet_notebook" / "ported" / "unet.ipynb", tmp_path))
    assert values[-1] < values[0]


def test_clip_encoder_ported_trains_embeds_and_classifies(tmp_path):
    program = FIXTURES / "clip_encoder" / "ported"
    values = losses(run([program / "train.py"], "--epochs", 6, cwd=tmp_path))
    assert values[-1] < values[0]

    embedded = run([program / "embed.py"], "clip.pt", cwd=tmp_path)
    assert embedded.returncode == 0, embedded.stderr
    assert "wrote 48 embeddings of size 16" in embedded.stdout

    classified = run([program / "zero_shot.py"], "clip.pt", cwd=tmp_path)
    assert classified.returncode == 0, classified.stderr
    assert "accuracy 0." in classified.stdout


@pytest.mark.parametrize(
    ("script", "message", "code"),
    [
        ("unet_script/cuda/train.py", _NO_CUDA, "MPS601"),
        ("unet_script/cuda/predict.py", "prediction needs an NVIDIA GPU", "MPS109"),
        ("clip_encoder/cuda/zero_shot.py", f"{_NO_CUDA}|at start of device string: MPS", "MPS107"),
    ],
    ids=["unet-train", "unet-predict", "clip-zero-shot"],
)
def test_cuda_program_that_fails_without_cuda_fails_at_or_after_a_mark(script, message, code, tmp_path):
    path = FIXTURES / script
    result = run([path], *(["none.pt"] if "train" not in script else []), cwd=tmp_path)
    assert result.returncode != 0
    assert re.search(message, result.stderr), result.stderr
    # zero_shot.py fails in load(), one line below the device that it chose.
    line = [int(number) for number in re.findall(rf'File "{re.escape(str(path))}", line (\d+)', result.stderr)][-1]
    assert max((marked, found) for _, marked, found in expected(path) if marked <= line)[1] == code


def test_unet_notebook_cuda_runs_on_the_cpu_in_silence(tmp_path):
    values = losses(run_notebook(FIXTURES / "unet_notebook" / "cuda" / "unet.ipynb", tmp_path))
    assert values[-1] < values[0]


def test_clip_encoder_cuda_trains_and_embeds_on_the_cpu_in_silence(tmp_path):
    program = FIXTURES / "clip_encoder" / "cuda"
    values = losses(run([program / "train.py"], "--epochs", 6, cwd=tmp_path))
    assert values[-1] < values[0]
    embedded = run([program / "embed.py"], "clip.pt", cwd=tmp_path)
    assert embedded.returncode == 0, embedded.stderr


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_python_file_parses(path):
    compile(path.read_text(encoding="utf-8"), str(path), "exec", ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_notebook_cells_parse(path):
    for source in code_cells(path):
        if not source.startswith(("!", "%")):
            ast.parse(source)


def test_both_sides_of_every_program_hold_the_same_files():
    for program in ("unet_script", "unet_notebook", "clip_encoder"):
        sides = [
            {file.name for file in (FIXTURES / program / side).iterdir() if file.suffix in (".py", ".ipynb", ".txt")}
            for side in ("cuda", "ported")
        ]
        assert sides[0] == sides[1]


def test_marks_stand_in_cuda_programs_and_not_in_portable_ones():
    for path in PYTHON_FILES + NOTEBOOKS:
        codes = [code for _, _, code in expected(path)]
        if {"ported", "near_misses"} & {*path.parts} or path.name in ("portable_choices.py", "data.py"):
            assert codes == [], path
        else:
            assert codes, path


def test_marks_cover_what_the_three_programs_are_there_to_show():
    counts = Counter(code for path in PYTHON_FILES + NOTEBOOKS for _, _, code in expected(path))
    wanted = "101 102 103 104 107 109 201 202 301 302 303 401 402 403 404 405 406 407 501 502 504 601 603 604 610 612"
    missing = {f"MPS{number}" for number in f"{wanted} 701 702 703 705".split()} - set(counts)
    assert not missing


def test_a_mark_with_a_typo_is_refused(tmp_path):
    path = tmp_path / "typo.py"
    path.write_text("x = 1  # expect: MPS1O1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: not a mark"):
        expected(path)


def test_several_codes_in_one_mark_and_cells_counted_from_one(tmp_path):
    script = tmp_path / "two.py"
    script.write_text("\nx.cuda()  # expect: MPS102 MPS403\n", encoding="utf-8")
    assert expected(script) == [(None, 2, "MPS102"), (None, 2, "MPS403")]
    assert (6, 1, "MPS302") not in expected(FIXTURES / "unet_notebook" / "cuda" / "unet.ipynb")
    assert (3, 8, "MPS103") in expected(FIXTURES / "unet_notebook" / "cuda" / "unet.ipynb")


# --- portable_choices.py: each function gives the device that the machine has ----------------------------------------


@pytest.fixture
def machine(monkeypatch, request):
    """torch's answers on a machine whose best device is ``request.param``; the functions only ask for them."""
    import torch

    kind = request.param
    torch.set_num_threads(1)
    monkeypatch.delenv("MODEL_DEVICE", raising=False)

    def zeros(*size, device):
        if device != kind:
            raise RuntimeError(f"no {device} here")

    answers = {
        (torch.cuda, "is_available"): lambda: kind == "cuda",
        (torch.cuda, "get_device_name"): lambda device=None: kind,
        (torch.backends.mps, "is_available"): lambda: kind == "mps",
        (torch.backends.mps, "is_built"): lambda: kind == "mps",
        (torch.mps, "device_count"): lambda: int(kind == "mps"),
        (torch.mps, "manual_seed"): lambda seed: None,
        (torch.accelerator, "is_available"): lambda: kind != "cpu",
        (torch.accelerator, "current_accelerator"): lambda: torch.device(kind),
        (platform, "system"): lambda: "Darwin" if kind == "mps" else "Linux",
    }
    for (owner, name), answer in answers.items():
        monkeypatch.setattr(owner, name, answer)
    # Deprecated: torch answers it in a module __getattr__, which an entry of the module's dictionary goes before.
    monkeypatch.setitem(vars(torch), "has_mps", kind == "mps")
    monkeypatch.setattr(torch, "zeros", zeros)
    monkeypatch.setattr(sys, "platform", "darwin" if kind == "mps" else "linux")
    accelerate = types.ModuleType("accelerate")
    accelerate.Accelerator = lambda: types.SimpleNamespace(device=torch.device(kind))
    monkeypatch.setitem(sys.modules, "accelerate", accelerate)
    return kind


def _choices():
    tree = ast.parse((FIXTURES / "portable_choices.py").read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


@pytest.mark.parametrize("machine", ["cpu", "cuda", "mps"], indirect=True)
def test_portable_choices_give_the_device_of_the_machine(machine):
    spec = importlib.util.spec_from_file_location("portable_choices", FIXTURES / "portable_choices.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        chosen = {name: getattr(module, name)() for name in _choices()}
    finally:
        del sys.modules[spec.name]
    assert len(chosen) >= 25
    wrong = {name: device for name, device in chosen.items() if _type(device) != machine}
    assert not wrong


def _type(device):
    if isinstance(device, tuple):
        device = device[0]
    return getattr(device, "type", device).partition(":")[0]

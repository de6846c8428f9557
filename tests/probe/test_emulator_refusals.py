"""What MPS refuses, in its words; CUDA's absence as on a Mac; the control; and torch as it was once it is turned off."""

# flake8: noqa: MPS101, MPS102, MPS104, MPS107, MPS109, MPS201, MPS301, MPS303, MPS405, MPS406, MPS407, MPS504, MPS601, MPS603, MPS701

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flake8_mps.probe import emulator

torch.set_num_threads(1)
MPS = "mps"


def gpu(*shape: int, **options) -> torch.Tensor:
    return torch.ones(*shape, device=MPS, **options)


FLOAT64 = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64"
DIVISIBLE = "Adaptive pool MPS: input sizes must be divisible by output sizes"
TWO = "Expected all tensors to be on the same device, but found at least two devices, mps:0 and cpu!"
REFUSED = [
    (lambda: torch.zeros(2, dtype=torch.float64, device=MPS), TypeError, FLOAT64),
    (lambda: torch.zeros(2, dtype=torch.float64).to(MPS), TypeError, FLOAT64),
    (lambda: torch.tensor(__import__("numpy").ones(2), device=MPS), TypeError, FLOAT64),
    (lambda: gpu(2).double(), TypeError, FLOAT64), (lambda: gpu(2).to(torch.float64), TypeError, FLOAT64),
    (lambda: gpu(2).type(torch.float64), TypeError, FLOAT64),
    (lambda: gpu(2).sum(dtype=torch.float64), TypeError, FLOAT64),
    (lambda: nn.Linear(2, 2).double().to(MPS), TypeError, FLOAT64),
    (lambda: gpu(2).new_zeros(2, dtype=torch.float64), TypeError, FLOAT64),
    (lambda: torch.zeros(2, dtype=torch.complex128, device=MPS),
     TypeError, "Trying to convert ComplexDouble to the MPS backend"),
    (lambda: gpu(2) + torch.ones(2), RuntimeError, TWO), (lambda: torch.ones(2).add_(gpu(2)), RuntimeError, TWO),
    (lambda: F.linear(torch.ones(2), gpu(2, 2)),
     RuntimeError, "Tensor for argument input is on cpu but expected on mps"),
    (lambda: F.linear(gpu(2), torch.ones(2, 2)),
     RuntimeError, "Tensor for argument weight is on cpu but expected on mps"),
    (lambda: F.linear(gpu(2), gpu(2, 2), torch.ones(2)),
     RuntimeError, "Tensor for argument bias is on cpu but expected on mps"),
    (lambda: F.linear(gpu(2, dtype=torch.int64), gpu(2, 2)),
     RuntimeError, "MPS device does not support linear for non-float inputs"),
    (lambda: F.conv2d(torch.ones(1, 1, 3, 3), gpu(1, 1, 3, 3)), RuntimeError,
     "slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0')  must be on the same device"),
    (lambda: F.conv2d(gpu(1, 1, 3, 3), torch.ones(1, 1, 3, 3)), RuntimeError,
     "Input type (MPSFloatType) and weight type (torch.FloatTensor) should be the same"),
    (lambda: F.conv2d(gpu(1, 1, 3, 3, dtype=torch.uint8), gpu(1, 1, 3, 3)), RuntimeError,
     "Input type (MPSByteType) and weight type (MPSFloatType) should be the same"),
    (lambda: F.conv2d(gpu(1, 1, 3, 3, dtype=torch.int32), gpu(1, 1, 3, 3, dtype=torch.int32)), RuntimeError,
     "Convolution is supported only for Floating types"),
    (lambda: torch.mm(gpu(2, 2), torch.ones(2, 2)), RuntimeError,
     "Tensor for argument #2 'mat2' is on CPU, but expected it to be on GPU (while checking arguments for mm)"),
    (lambda: F.embedding(torch.tensor([0]), gpu(2, 2)),
     RuntimeError, "Placeholder storage has not been allocated on MPS device!"),
    (lambda: nn.LSTM(2, 2).to(MPS)(torch.ones(1, 1, 2)),
     RuntimeError, "Placeholder storage has not been allocated on MPS device!"),
    (lambda: nn.LSTM(4, 4, proj_size=2).to(MPS)(gpu(1, 1, 4)),
     RuntimeError, "LSTM with projections is not currently supported"),
    (lambda: nn.ConvTranspose3d(1, 1, 2, device=MPS, dtype=torch.float16)(gpu(1, 1, 2, 2, 2, dtype=torch.float16)), RuntimeError,
     "ConvTranspose 3D with BF16 or FP16 types is not supported on MPS"),
    (lambda: F.adaptive_avg_pool2d(gpu(1, 1, 8, 8), 3), RuntimeError, DIVISIBLE),
    (lambda: F.adaptive_avg_pool1d(gpu(1, 1, 8), 3), RuntimeError, DIVISIBLE),
    (lambda: F.interpolate(gpu(1, 1, 8, 8), size=3, mode="area"), RuntimeError, DIVISIBLE),
    (lambda: gpu(2).numpy(), TypeError, "can't convert mps:0 device type tensor to numpy. Use Tensor.cpu()"),
    (lambda: __import__("numpy").asarray(gpu(2)), TypeError, "can't convert mps:0 device type tensor to numpy"),
    (lambda: torch.randn(2, generator=torch.Generator(), device=MPS),
     RuntimeError, "Expected a 'mps' device type for generator but found 'cpu'"),
    (lambda: gpu(2).normal_(generator=torch.Generator()),
     RuntimeError, "Expected a 'mps' device type for generator but found 'cpu'"),
    (lambda: torch.randn(2, generator=torch.Generator(MPS)),
     RuntimeError, "Expected a 'cpu' device type for generator but found 'mps'"),
    (lambda: nn.utils.rnn.pack_padded_sequence(gpu(2, 1, 2), torch.tensor([2], device=MPS)), RuntimeError,
     "'lengths' argument should be a 1D CPU int64 tensor, but got 1D mps:0 Long tensor"),
    (lambda: torch.zeros(2).pin_memory(), RuntimeError, 'Attempted to set the storage of a tensor on device "cpu"'),
    (lambda: torch.empty(2, pin_memory=True), RuntimeError, 'Attempted to set the storage of a tensor on device "cpu"'),
    (lambda: torch.linalg.eigh(gpu(2, 2)),
     NotImplementedError, "The operator 'aten::_linalg_eigh.eigenvalues' is not currently implemented"),
    (lambda: torch.linalg.svdvals(gpu(2, 2)),
     NotImplementedError, "The operator 'aten::_linalg_svd.U' is not currently implemented"),
    (lambda: torch.mode(gpu(2)),
     NotImplementedError, "The operator 'aten::mode' is not currently implemented for the MPS device"),
    (lambda: torch.logspace(0, 1, 3, device=MPS),
     NotImplementedError, "The operator 'aten::logspace.out' is not currently"),
    (lambda: torch.poisson(gpu(2)), NotImplementedError, "The operator 'aten::poisson' is not currently"),
    (lambda: nn.AdaptiveAvgPool3d(1)(gpu(1, 1, 2, 2, 2)) and nn.AdaptiveMaxPool3d(1)(gpu(1, 1, 2, 2, 2)), NotImplementedError,
     "The operator 'aten::adaptive_max_pool3d"),
    (lambda: torch.zeros(2).cuda(), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: nn.Linear(2, 2).cuda(), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: gpu(2).to("cuda:0"), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: torch.zeros(2, device="cuda"), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: nn.Linear(2, 2, device="cuda"), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: torch.zeros(2).cuda(0), RuntimeError, "Invalid device, must be cuda device"),
    (lambda: torch.cuda.synchronize(), AssertionError, "Torch not compiled with CUDA enabled"),
    (lambda: torch.cuda.FloatTensor(2), TypeError, "type torch.cuda.FloatTensor not available"),
    (lambda: torch.zeros(2).to("MPS"), RuntimeError, "device type at start of device string: MPS"),
    (lambda: torch.Generator(device="cuda"), RuntimeError, "Cannot get CUDA generator without ATen_cuda library"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED, ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_a_mac_refuses(call, kind: type, text: str) -> None:
    with emulator.machine(MPS), pytest.raises(kind) as refused:
        call()
    assert text in str(refused.value)


def test_an_unknown_text_says_so() -> None:
    with emulator.machine(MPS), pytest.raises(RuntimeError) as refused:
        torch.cat([gpu(2), torch.ones(2)])
    assert "not known" in refused.value.__notes__[0]


RUNS = [
    lambda: F.adaptive_avg_pool2d(gpu(1, 1, 8, 8), (4, 2)), lambda: F.adaptive_avg_pool2d(gpu(1, 1, 7, 5), 1),
    lambda: gpu(2).to(torch.complex64), lambda: gpu(2).half(), lambda: gpu(2).bfloat16(), lambda: gpu(2).long(),
    lambda: torch.zeros(2, dtype=torch.float64).float().to(MPS),
    lambda: torch.zeros(2, dtype=torch.float64).to(MPS, torch.float32),
    lambda: nn.ConvTranspose3d(1, 1, 2, device=MPS)(gpu(1, 1, 2, 2, 2)),
    lambda: nn.Conv3d(1, 1, 2).to(MPS)(gpu(1, 1, 2, 2, 2)),
    lambda: gpu(2).numpy(force=True), lambda: gpu(2).cpu().numpy(), lambda: torch.accelerator.synchronize(),
    lambda: torch.mps.synchronize(), lambda: torch.mps.empty_cache(), lambda: torch.accelerator.empty_cache(),
    lambda: torch.cuda.empty_cache(), lambda: torch.cuda.manual_seed_all(0),
    lambda: torch.mps.Event(enable_timing=True).record(),
    lambda: torch.linalg.qr(gpu(2, 2)), lambda: torch.linalg.solve(torch.eye(2, device=MPS), gpu(2)),
    lambda: torch.fft.rfft(gpu(4)),
    lambda: torch.stft(gpu(16), 4, window=torch.hann_window(4, device=MPS), return_complex=True),
    lambda: gpu(2).unique(),
    lambda: torch.multinomial(gpu(3), 2), lambda: F.grid_sample(gpu(1, 1, 2, 2), gpu(1, 2, 2, 2), align_corners=False),
    lambda: torch.topk(gpu(3), 2), lambda: torch.cdist(gpu(2, 2), gpu(2, 2)), lambda: gpu(3).cumsum(0),
    lambda: gpu(2, 2).tril(),
]  # fmt: skip


@pytest.mark.parametrize("call", RUNS)
def test_a_mac_runs(call) -> None:
    with emulator.machine(MPS):
        call()


def test_what_a_mac_says_of_itself() -> None:
    with emulator.machine(MPS):
        assert torch.backends.mps.is_available() and torch.backends.mps.is_built() and torch.mps.is_available()
        assert torch.mps.device_count() == 1 and torch.accelerator.device_count() == 1
        assert torch.accelerator.is_available() and torch.accelerator.current_accelerator() == torch.device("mps")
        assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
        assert torch.accelerator.current_stream().device == torch.device("mps:0")


@pytest.mark.parametrize("call", [
    lambda: torch.linalg.svd(torch.eye(2, device=MPS)),
    lambda: nn.Embedding(3, 2, max_norm=1.0).to(MPS)(torch.tensor([1], device=MPS)),
    lambda: torch.linalg.pinv(torch.eye(2, device=MPS)),
])  # fmt: skip
def test_what_runs_on_the_cpu_warns_and_is_recorded(call) -> None:
    record = emulator.Record()
    with emulator.machine(MPS, record=record), pytest.warns(UserWarning, match="will fall back to run on the CPU"):
        call()
    assert record.fallbacks() and all(one.file == __file__ for one in record.fallbacks())


def test_the_fallback_runs_what_is_missing() -> None:
    with emulator.machine(MPS, fallback=True), pytest.warns(UserWarning, match="'aten::mode' is not currently supported"):
        values, _ = torch.mode(gpu(3))
    assert emulator.device_of(values) == "mps:0"


def test_the_variable_is_read_at_import_only() -> None:
    program = "from flake8_mps.probe import emulator\nimport os, sys, torch, warnings\nwarnings.simplefilter('ignore')\n"
    program += "os.environ.update(eval(sys.argv[1]))\nwith emulator.machine('mps'):\n    torch.mode(torch.ones(3, device='mps'))\n"
    for before, late, runs in [({"PYTORCH_ENABLE_MPS_FALLBACK": "1"}, {}, True), ({}, {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}, False)]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTORCH_ENABLE_MPS_FALLBACK"}
        done = subprocess.run([sys.executable, "-c", program, repr(late)], env=clean | before, capture_output=True, text=True)
        assert (done.returncode == 0) is runs, done.stderr
        assert runs or "NotImplementedError" in done.stderr


def test_a_record_tells_devices_by_line() -> None:
    record = emulator.Record()
    with emulator.machine(MPS, record=record):
        host = torch.zeros(2) + 1
        (gpu(2) + 1).sum()
    first = next(one.line for one in record.ran if one.device == "cpu")
    assert record.devices() == {"cpu", "mps"} and record.devices(line=first) == {"cpu"} and record.devices(line=first + 1) == {"mps"}
    assert host.tolist() == [1, 1]


# --- torch.compile ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def counted():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo.utils.counters
    torch._dynamo.reset()


def test_compiled_models_are_traced_and_run_on_the_gpu() -> None:
    with emulator.machine(MPS), counted() as counters:
        model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).to(MPS)
        compiled = torch.compile(model)
        compiled(gpu(3, 2)).sum().backward()
        assert counters["stats"]["unique_graphs"] == 1 and not counters["graph_break"]
        assert str(model[0].weight.grad.device) == "mps:0" and "_orig_mod.0.weight" in compiled.state_dict()


def test_a_device_inside_a_compiled_function() -> None:
    with emulator.machine(MPS), counted() as counters:
        @torch.compile(fullgraph=True)
        def shifted(x):
            return x + torch.arange(2, device=x.device)

        assert str(shifted(gpu(2)).device) == "mps:0" and counters["stats"]["unique_graphs"] == 1


def test_a_break_raises_where_the_full_graph_was_asked_for_and_else_runs() -> None:
    def broken(x):
        x = x + 1
        torch._dynamo.graph_break()
        return x + torch.zeros(2, device="mps")

    with emulator.machine(MPS), counted() as counters:
        with pytest.raises(torch._dynamo.exc.Unsupported):
            torch.compile(broken, fullgraph=True)(gpu(2))
        torch._dynamo.reset()
        counters.clear()
        assert str(torch.compile(broken)(gpu(2)).device) == "mps:0"
        assert counters["graph_break"] and counters["stats"]["unique_graphs"] == 2


def test_a_compiled_function_is_refused_two_devices() -> None:
    with emulator.machine(MPS), counted(), pytest.raises(RuntimeError, match="mps:0 and cpu"):
        torch.compile(lambda x: x + torch.arange(2))(gpu(2))


def test_an_unknown_backend_is_refused_by_torch() -> None:
    with emulator.machine(MPS), pytest.raises(torch._dynamo.exc.InvalidBackend):
        torch.compile(nn.Linear(2, 2), backend="tensorrt")


# --- the control, the ported world, and afterwards -------------------------------------------------------------------


def test_the_control_runs_what_cuda_runs() -> None:
    record = emulator.Record()
    with emulator.machine("cuda", record=record):
        assert torch.cuda.is_available() and torch.cuda.device_count() == 1 and not torch.backends.mps.is_available()
        model = nn.Linear(2, 2).cuda()
        x = torch.ones(1, 2).cuda(non_blocking=True)
        assert x.is_cuda and str(x.device) == "cuda:0" and x.type() == "torch.cuda.FloatTensor"
        model(x).double().sum().backward()
        torch.linalg.eigh(torch.eye(2, device="cuda", dtype=torch.float64))
        torch.cuda.synchronize()
        with torch.autocast("cuda"):
            assert model(x).dtype is torch.float16
        scaler = torch.amp.GradScaler("cuda")
        assert scaler.is_enabled() and str(torch.zeros(2).to(0).device) == "cuda:0"
        with pytest.raises(RuntimeError, match="cuda:0 and cpu"):
            x + torch.ones(2)
    assert record.devices() == {"cuda", "cpu"}


def test_ported_names_of_cuda_mean_mps(tmp_path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\ndevice = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nx = torch.zeros(2).to(device)\n"
        "y = torch.zeros(2).cuda()\nlayer = torch.nn.Linear(2, 2).cuda(0)\n"
    )
    choosing = tmp_path / "choosing.py"
    choosing.write_text("import torch\nd = 'cuda' if torch.cuda.is_available() else 'mps'\n")
    import runpy

    with emulator.machine(MPS, ported=True):
        made = runpy.run_path(str(program))
        assert {str(made[name].device) for name in ("x", "y")} == {"mps:0"} and not made["x"].is_cuda
        assert str(made["layer"].weight.device) == "mps:0"
        assert runpy.run_path(str(choosing))["d"] == "mps"


def refusal_of_mps() -> str:
    with pytest.raises(RuntimeError) as refused:
        torch.zeros(2, device="mps")
    return str(refused.value)


def test_torch_is_as_it_was() -> None:
    owners = [torch, torch.Tensor, torch.UntypedStorage, torch._C, torch.mps, torch.backends.mps, torch.cuda, torch.version]
    before = [dict(vars(owner)) for owner in owners]
    refused = refusal_of_mps()
    for kind in ("mps", "cuda"):
        with contextlib.suppress(ZeroDivisionError), emulator.machine(kind):
            torch.ones(2, device=kind).sum()
            raise ZeroDivisionError
    for owner, was in zip(owners, before, strict=True):
        assert {name for name, value in vars(owner).items() if was.get(name) is not value} == set(), owner
    assert torch._C._len_torch_dispatch_stack() == 0 and torch._C._len_torch_function_stack() == 0
    with torch.autocast("cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.bfloat16
    assert refusal_of_mps() == refused


def test_not_emulated_is_caught_by_no_program() -> None:
    with emulator.machine(MPS), pytest.raises(emulator.NotEmulated):
        try:
            torch.conv3d(torch.ones(1, 1, 2, 2, 2), gpu(1, 1, 2, 2, 2))
        except Exception:
            warnings.warn("caught", stacklevel=1)

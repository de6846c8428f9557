"""Tensors live where a Mac would have them: made, moved, viewed, written to, saved, sent and printed."""

# flake8: noqa: MPS101, MPS102, MPS104, MPS107, MPS109, MPS201, MPS301, MPS303, MPS405, MPS406, MPS407, MPS504, MPS601, MPS603, MPS701

from __future__ import annotations

import copy
import io
import pickle
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from flake8_mps.probe import emulator

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def mac() -> Iterator[None]:
    with emulator.machine("mps"):
        yield


def test_one_machine_at_a_time() -> None:
    with pytest.raises(RuntimeError, match="emulated already"), emulator.machine("cuda"):
        pass


@pytest.mark.parametrize("make", [
    lambda: torch.zeros(2, device="mps"), lambda: torch.empty(2, device=torch.device("mps")),
    lambda: torch.rand(2, device="mps:0"), lambda: torch.arange(3, device=0), lambda: torch.tensor([1.0], device="mps"),
    lambda: torch.as_tensor([1, 2], device="mps"), lambda: torch.asarray([1.0], device="mps"),
    lambda: torch.full((2,), 1.0, device="mps"), lambda: torch.eye(2, device="mps"),
    lambda: torch.randn(2, device="mps"),
    lambda: torch.linspace(0, 1, 3, device="mps"), lambda: torch.randint(0, 3, (2,), device="mps"),
    lambda: torch.randperm(3, device="mps"), lambda: torch.empty_strided((2,), (1,), device="mps"),
    lambda: torch.zeros_like(torch.zeros(2), device="mps"), lambda: torch.zeros_like(torch.zeros(2, device="mps")),
    lambda: torch.zeros(2, device="mps").new_zeros(3), lambda: torch.zeros(2, device="mps").new_tensor([1.0]),
    lambda: torch.zeros(2).new_full((2,), 1, device="mps"), lambda: torch.zeros(2).new_tensor([1.0], device="mps"),
    lambda: torch.tensor(torch.zeros(2), device="mps"), lambda: torch.zeros(2, device="mps").new(3),
    lambda: torch.stack([torch.zeros(2, device="mps")] * 2), lambda: torch.hann_window(4, device="mps"),
    lambda: nn.Linear(2, 2, device="mps").weight, lambda: nn.Parameter(torch.zeros(2, device="mps")),
    lambda: torch.scalar_tensor(1.0, device="mps"), lambda: torch.tril_indices(2, 2, device="mps"),
    lambda: torch.rand_like(torch.zeros(2, device="mps")),
])  # fmt: skip
def test_a_factory_with_device_makes_it_there(make) -> None:
    made = make()
    assert str(made.device) == "mps:0"
    assert emulator.device_of(made) == "mps:0"
    assert made.is_mps and not made.is_cpu and not made.is_cuda and made.get_device() == 0
    assert type(made) in (torch.Tensor, nn.Parameter)


@pytest.mark.parametrize("make", [
    lambda: torch.zeros(2), lambda: torch.zeros(2, device="cpu"), lambda: torch.zeros(2, device="mps").cpu(),
    lambda: torch.zeros_like(torch.zeros(2, device="mps"), device="cpu"),
    lambda: torch.zeros(2, device="mps").to("cpu"),
    lambda: torch.zeros(2, device="mps").new_zeros(2, device="cpu"),
    lambda: torch.as_tensor(torch.zeros(2, device="mps"), device="cpu"),
    lambda: torch.tensor(torch.zeros(2, device="mps"), device="cpu"),
    lambda: torch.zeros(2, device="mps").type(torch.FloatTensor),
    lambda: torch.zeros(2, device="mps").type("torch.FloatTensor"),
    lambda: torch.zeros(2, device="mps").to(torch.zeros(2)),
])  # fmt: skip
def test_the_rest_stays_on_the_host(make) -> None:
    made = make()
    assert str(made.device) == emulator.device_of(made) == "cpu"
    assert made.is_cpu and not made.is_mps and made.get_device() == -1


@pytest.mark.parametrize("move", [
    lambda x: x.to("mps"), lambda x: x.to(torch.device("mps")), lambda x: x.to(device="mps"), lambda x: x.to(0),
    lambda x: x.to("mps", torch.float16), lambda x: x.to("mps", non_blocking=True),
    lambda x: x.to("mps", torch.float32, True),
    lambda x: x.to("mps", torch.float32, False, True), lambda x: x.to(torch.zeros(1, device="mps")),
    lambda x: x.to(other=torch.zeros(1, device="mps")), lambda x: x.to("mps", copy=True),
    lambda x: x.to(device="mps", dtype=torch.int64),
    lambda x: x.to("mps", memory_format=torch.contiguous_format),
    lambda x: x.to(torch.accelerator.current_accelerator()),
])  # fmt: skip
def test_every_form_of_to(move) -> None:
    x = torch.tensor([1.0, 2.0])
    moved = move(x)
    assert moved.device == torch.device("mps", 0)
    assert moved.cpu().tolist() == [1, 2]
    moved.zero_()
    assert x.tolist() == [1, 2], "a move is a copy"


def test_to_that_changes_nothing_returns_the_same() -> None:
    x = torch.zeros(2, device="mps")
    assert x.to("mps") is x and x.to(torch.float32) is x and x.to("mps", copy=True) is not x
    host = torch.zeros(2)
    assert host.to("cpu") is host and host.to(None) is host


def test_gradients_go_back_to_where_they_came_from() -> None:
    host = torch.ones(2, requires_grad=True)
    on_gpu = host.to("mps")
    (on_gpu * 2).sum().backward()
    assert str(host.grad.device) == "cpu" and host.grad.tolist() == [2, 2]
    leaf = torch.ones(2, device="mps", requires_grad=True)
    leaf.cpu().mul(3).sum().backward()
    assert str(leaf.grad.device) == "mps:0" and leaf.grad.tolist() == [3, 3]


@pytest.mark.parametrize("before", [True, False])
def test_a_module_moves_in_place_and_its_optimizer_with_it(before: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    first = model[0].weight
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1) if before else None
    assert model.to("mps") is model and model[0].weight is first
    assert {str(tensor.device) for tensor in [*model.parameters(), *model.buffers()]} == {"mps:0"}
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=0.1)
    start = first.detach().clone()
    model(torch.rand(4, 2, device="mps")).pow(2).mean().backward()
    optimizer.step()
    assert not torch.equal(first, start)
    assert {str(t.device) for state in optimizer.state.values() for key, t in state.items() if key != "step"} == {"mps:0"}
    optimizer.load_state_dict(optimizer.state_dict())
    assert str(model.cpu()[0].weight.device) == "cpu"


def test_views_share_the_device_and_in_place_and_out_keep_it() -> None:
    x = torch.arange(12.0, device="mps").reshape(3, 4)
    for view in (x[0], x.T, x.view(-1), x[:, 1:3], x.detach(), x.data, x.unsqueeze(0).expand(2, 3, 4), x.chunk(2)[0], x.diagonal()):
        assert str(view.device) == "mps:0"
    x[0].zero_()
    x.add_(1).resize_(2, 6)
    assert str(x.device) == "mps:0" and x.sum().item() == 72
    out = torch.empty(2, device="mps")
    assert torch.add(torch.ones(2, device="mps"), 1, out=out) is out and str(out.device) == "mps:0"
    assert torch.ones(2, device="mps", out=out) is out and out.tolist() == [1, 1]
    out.add_(1)
    host = torch.zeros(2)
    host.copy_(out)
    assert host.tolist() == [2, 2] and str(host.device) == "cpu"
    parameter = nn.Parameter(torch.zeros(2))
    parameter.data = parameter.data.to("mps")
    assert str(parameter.device) == "mps:0"
    host.set_(out)
    assert str(host.device) == "mps:0"
    out.requires_grad_().retain_grad()
    assert out.storage_offset() == 0 and str(out.untyped_storage().device) == "mps:0"


def test_indexing() -> None:
    x, host = torch.arange(4.0, device="mps"), torch.arange(4.0)
    assert x[torch.tensor([0, 1])].device == x.device, "indices may be on the host"
    assert x[x > 1].tolist() == [2, 3] and x[torch.tensor([True, False, False, True])].tolist() == [0, 3]
    x[torch.tensor([0])] = 5
    x[1] = torch.tensor(7.0)
    assert x.tolist() == [5, 7, 2, 3]
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device as the indexed tensor"):
        host[torch.tensor([0], device="mps")]
    with pytest.raises(RuntimeError, match="found at least two devices, mps:0 and cpu"):
        x[torch.tensor([0, 1])] = torch.ones(2)


def test_numbers_that_c_makes_and_host_scalars_meet_the_gpu() -> None:
    x = torch.ones(3, device="mps")
    assert (x * torch.tensor(2.0)).device == x.device
    assert (x * torch.tensor(2.0, dtype=torch.float64)).dtype is torch.float32
    assert (2 * x + 1.5).tolist() == [3.5] * 3
    assert torch.pinverse(torch.eye(2, device="mps")).device == x.device
    assert torch.where(x > 0, x, 0.0).device == x.device and x.clamp(min=0.5).mean().item() == 1


def test_state_dicts_and_checkpoints() -> None:
    model = nn.Linear(2, 2).to("mps")
    assert {str(tensor.device) for tensor in model.state_dict().values()} == {"mps:0"}
    model.load_state_dict(nn.Linear(2, 2).state_dict())
    assert str(model.weight.device) == "mps:0"
    saved = io.BytesIO()
    torch.save(model.state_dict(), saved)
    for where, device in [
        (None, "mps:0"), ("cpu", "cpu"), ("mps", "mps:0"), (torch.device("mps"), "mps:0"), ({"mps": "cpu"}, "cpu"),
        (lambda storage, location: storage, "cpu"),
    ]:  # fmt: skip
        saved.seek(0)
        assert str(torch.load(saved, map_location=where)["weight"].device) == device, where
    host = io.BytesIO()
    torch.save(torch.ones(2), host)
    host.seek(0)
    assert str(torch.load(host, map_location="mps").device) == "mps:0"
    host.seek(0)
    assert str(torch.load(host).device) == "cpu"


def test_a_checkpoint_from_cuda_raises_torchs_own_error() -> None:
    saved = io.BytesIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save({"weight": torch.zeros(2)}, saved)
    saved.seek(0)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device but torch.cuda.is_available"):
        torch.load(saved)
    saved.seek(0)
    assert str(torch.load(saved, map_location="mps")["weight"].device) == "mps:0"


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles(again) -> None:
    for kind in (torch.ones(2, device="mps"), nn.Parameter(torch.ones(2, device="mps"))):
        other = again(kind)
        assert type(other) is type(kind) and str(other.device) == "mps:0" and other.tolist() == [1, 1]
    assert str(again(nn.Linear(2, 2).to("mps")).weight.device) == "mps:0"


def test_printing() -> None:
    assert repr(torch.tensor([1.5], device="mps")) == "tensor([1.5000], device='mps:0')"
    assert str(torch.tensor(1.5, device="mps").item()) == "1.5" and f"{torch.tensor(1.5, device='mps'):.2f}" == "1.50"
    assert torch.zeros(1, device="mps").type() == "torch.mps.FloatTensor"
    assert torch.zeros(2, 2, device="mps").tolist() == [[0, 0], [0, 0]] and len(torch.zeros(3, device="mps")) == 3


def test_generators_are_apart() -> None:
    torch.manual_seed(0)
    host = torch.rand(2)
    torch.manual_seed(0)
    first = torch.rand(4, device="mps")
    nn.functional.dropout(torch.ones(8, device="mps"))
    torch.bernoulli(torch.full((4,), 0.5, device="mps"))
    assert torch.equal(torch.rand(2), host), "what the GPU draws does not move the host's stream"
    torch.mps.manual_seed(0)
    assert torch.equal(torch.rand(4, device="mps"), first)
    state = torch.mps.get_rng_state()
    again = torch.randn(3, device="mps")
    torch.mps.set_rng_state(state)
    assert torch.equal(torch.randn(3, device="mps"), again)
    generator = torch.Generator(device="mps").manual_seed(1)
    assert generator.device == torch.device("mps:0")
    drawn = torch.rand(2, generator=generator, device="mps")
    assert torch.equal(drawn, torch.rand(2, generator=torch.Generator("mps").manual_seed(1), device="mps"))
    assert torch.Generator().device.type == "cpu"


def test_threads_see_the_machine() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(str((torch.zeros(2, device="mps") + 1).device)))
    thread.start()
    thread.join()
    assert seen == ["mps:0"]


def test_sharing_memory() -> None:
    assert torch.zeros(2).share_memory_().is_shared()
    with pytest.raises(RuntimeError, match="_share_filename_: only available on CPU"):
        torch.zeros(2, device="mps").share_memory_()


def test_dlpack() -> None:
    x = torch.ones(2, device="mps")
    again = torch.from_dlpack(x)
    again.add_(1)
    assert str(again.device) == "mps:0" and x.tolist() == [2, 2]
    assert str(torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2))).device) == "cpu"
    assert x.__dlpack_device__()[0] == 8
    with pytest.raises(emulator.NotEmulated):
        x.__dlpack__()


def test_sparse_tensors() -> None:
    x = torch.eye(3, device="mps").to_sparse()
    assert str(x.device) == str(x.coalesce().values().device) == str(x.to_dense().device) == "mps:0"
    assert str(torch.eye(3).to_sparse().to("mps").device) == "mps:0"


def test_the_default_device() -> None:
    with torch.device("mps"):
        assert str(torch.zeros(2).device) == str(nn.Linear(2, 2).weight.device) == str(torch.tensor([1.0]).device) == "mps:0"
    torch.set_default_device("mps")
    try:
        assert str(torch.ones(2).device) == "mps:0" and str(torch.get_default_device()) == "mps:0"
    finally:
        torch.set_default_device(None)
    assert str(torch.ones(2).device) == "cpu"


def test_type_as_moves_to_the_device_of_the_other() -> None:
    moved = torch.linspace(-1, 1, 4).type_as(torch.ones(2, dtype=torch.float16, device="mps"))
    assert (moved.device.type, moved.dtype) == ("mps", torch.float16)

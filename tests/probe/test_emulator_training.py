"""Programs that people train run on the emulated Mac as they do on the CPU."""

# flake8: noqa: MPS101, MPS102, MPS104, MPS107, MPS109, MPS201, MPS301, MPS303, MPS405, MPS406, MPS407, MPS504, MPS601, MPS603, MPS701

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from flake8_mps.probe import emulator

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def mac() -> Iterator[None]:
    with emulator.machine("mps"):
        yield


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.out = nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        up = F.interpolate(self.up(self.down(x)), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.out(torch.cat([up, x], dim=1))


def test_a_unet_trains_with_autocast_and_a_scaler() -> None:
    model = UNet().to("mps")
    optimizer, scaler = torch.optim.AdamW(model.parameters(), lr=1e-2), torch.amp.GradScaler("mps")
    images, masks = torch.rand(2, 1, 8, 8, device="mps"), torch.ones(2, 1, 8, 8, device="mps")
    losses = []
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("mps", dtype=torch.float16):
            logits = model(images)
            loss = F.binary_cross_entropy_with_logits(logits, masks)
        assert logits.dtype is torch.float16 and loss.dtype is torch.float32 and str(loss.device) == "mps:0"
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and scaler.is_enabled()
    assert all(str(parameter.grad.device) == "mps:0" for parameter in model.parameters())


def test_values_are_those_of_the_cpu() -> None:
    torch.manual_seed(0)
    model, images = UNet(), torch.rand(2, 1, 8, 8)
    expected = model(images)
    expected.sum().backward()
    gradient = model.out.weight.grad.clone()
    model.zero_grad()
    model.train().to("mps")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    seen = model(images.to("mps"))
    seen.sum().backward()
    assert torch.equal(seen.cpu(), expected) and torch.equal(model.out.weight.grad.cpu(), gradient)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(packed: bool, kind: type) -> None:
    layer, batch = kind(3, 4, batch_first=True, bidirectional=True).to("mps"), torch.rand(2, 5, 3, device="mps")
    if packed:
        sequence = nn.utils.rnn.pack_padded_sequence(batch, torch.tensor([5, 3]), batch_first=True)
        assert str(sequence.data.device) == "mps:0" and str(sequence.batch_sizes.device) == "cpu"
        states, _ = layer(sequence)
        states, lengths = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
        assert str(lengths.device) == "cpu" and lengths.tolist() == [5, 3]
    else:
        states, _ = layer(batch)
    assert str(states.device) == "mps:0" and states.shape == (2, 5, 8)
    states.sum().backward()
    assert str(layer.weight_ih_l0.grad.device) == "mps:0"


@pytest.mark.parametrize("training", [True, False])
def test_attention_and_transformers(training: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).to("mps").train(training)
    encoder, x = nn.TransformerEncoder(layer, 2), torch.rand(2, 3, 8, device="mps")
    with torch.set_grad_enabled(training):
        out = encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(3, device="mps"))
        attended, weights = nn.MultiheadAttention(8, 2, batch_first=True).to("mps")(x, x, x)
    assert str(out.device) == str(attended.device) == str(weights.device) == "mps:0"
    assert F.scaled_dot_product_attention(x, x, x, is_causal=True).shape == x.shape


def test_embeddings_and_losses() -> None:
    tokens = torch.tensor([[1, 2], [3, 0]], device="mps")
    logits = nn.Embedding(5, 4).to("mps")(tokens).mean(1)
    loss = nn.CrossEntropyLoss(weight=torch.ones(4, device="mps"), label_smoothing=0.1)(logits, torch.tensor([0, 3], device="mps"))
    loss.backward()
    assert str(loss.device) == "mps:0"


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders(workers: int) -> None:
    loader = DataLoader(TensorDataset(torch.rand(6, 2), torch.arange(6)), batch_size=2, shuffle=True, num_workers=workers)
    seen = []
    for features, labels in loader:
        assert str(features.device) == "cpu"
        seen += labels.to("mps").tolist()
    assert sorted(seen) == list(range(6))


def test_pinned_memory_is_warned_of_and_left() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        list(DataLoader(TensorDataset(torch.zeros(2, 2)), pin_memory=True))
    assert any("'pin_memory' argument is set as true but not supported on MPS now" in str(one.message) for one in warned)


def test_hooks_custom_functions_and_checkpointing() -> None:
    seen = []

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * torch.full_like(x, 2) + torch.zeros(2, device=x.device)

        @staticmethod
        def backward(ctx, gradient):
            seen.append(str((gradient + torch.zeros(2, device="mps")).device))
            return gradient * 2

    layer = nn.Linear(2, 2).to("mps")
    layer.register_forward_hook(lambda module, inputs, output: seen.append(str(output.device)))
    x = torch.ones(2, device="mps", requires_grad=True)
    x.register_hook(lambda gradient: seen.append(str((gradient * torch.ones(2, device="mps")).device)))
    Double.apply(checkpoint(layer, x, use_reentrant=False)).sum().backward()
    assert set(seen) == {"mps:0"} and len(seen) >= 3 and str(x.grad.device) == "mps:0"


def test_a_host_tensor_made_in_a_hook_is_refused() -> None:
    x = torch.ones(2, device="mps", requires_grad=True)
    x.register_hook(lambda gradient: gradient * torch.ones(2))
    with pytest.raises(RuntimeError, match="found at least two devices, mps:0 and cpu"):
        (x * 2).sum().backward()


def test_function_transforms() -> None:
    layer = nn.Linear(2, 1).to("mps")
    x = torch.rand(3, 2, device="mps")
    gradients = torch.func.vmap(torch.func.grad(lambda one: layer(one).sum()))(x)
    assert str(gradients.device) == "mps:0" and torch.allclose(gradients.cpu(), layer.weight.detach().cpu().expand(3, 2))
    host = torch.rand(3, 2)
    assert str(torch.func.vmap(lambda one: one.to("mps") * 2)(host).device) == "mps:0"
    assert str(torch.func.grad(lambda one: one.to("mps").sum())(host).device) == "cpu"
    assert str(torch.func.jacrev(lambda one: one * torch.arange(2.0, device=one.device))(x[0]).device) == "mps:0"
    assert torch.autograd.functional.hessian(lambda one: (one**3).sum(), x[0]).shape == (2, 2)


def test_optimizers() -> None:
    for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad):
        for options in ({}, {"foreach": True}):
            layer = nn.Linear(2, 2).to("mps")
            optimizer = kind(layer.parameters(), lr=0.1, **options)
            for _ in range(2):
                layer(torch.ones(1, 2, device="mps")).sum().backward()
                optimizer.step()
    fused = torch.optim.AdamW(layer.parameters(), fused=True)
    fused.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(fused, 2)
    scheduler.step()
    averaged = torch.optim.swa_utils.AveragedModel(layer)
    averaged.update_parameters(layer)
    assert str(next(averaged.parameters()).device) == "mps:0"


def test_data_parallel_is_a_pass_through() -> None:
    model = nn.DataParallel(nn.Linear(2, 2).to("mps"))
    assert str(model(torch.zeros(1, 2, device="mps")).device) == "mps:0"


def test_gloo_takes_host_tensors_and_refuses_the_gpus(tmp_path) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        host = torch.ones(2)
        dist.all_reduce(host)
        assert host.tolist() == [1, 1]
        with pytest.raises(RuntimeError):
            dist.all_reduce(torch.ones(2, device="mps"))
    finally:
        dist.destroy_process_group()


def test_operators_of_ones_own() -> None:
    seen = []

    @torch.library.custom_op("flake8_mps_tests::shift", mutates_args=())
    def shift(x: torch.Tensor) -> torch.Tensor:
        seen.append(str(x.device))
        return x + torch.arange(2.0, device=x.device)

    assert str(shift(torch.ones(2, device="mps")).device) == "mps:0" and seen == ["mps:0"]
    assert str(shift(torch.ones(2)).device) == "cpu"

"""Every operator that autocast("mps") casts, called with the dtype that it must not have, and what comes out."""

# flake8: noqa: MPS101, MPS102, MPS104, MPS107, MPS109, MPS201, MPS301, MPS303, MPS405, MPS406, MPS407, MPS504, MPS601, MPS603, MPS701

from __future__ import annotations

import pytest
import torch
from torch import nn

from flake8_mps.probe import emulator
from flake8_mps.probe.emulator import autocast

torch.set_num_threads(1)
aten = torch.ops.aten
REGISTERED = sorted(name.removeprefix("aten::") for name in torch._C._dispatch_get_registrations_for_dispatch_key("AutocastMPS"))
NOT_HERE = {"_mps_convolution"}
"""No kernel outside a Mac: only its policy is compared."""


def t(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return (torch.rand(shape) * 0.5 + 0.25).to("mps", dtype)


CONV = [[1], [0], [1], False, [0], 1]
LOWER = {
    "_convolution": lambda f: aten._convolution(f(1, 1, 4), f(1, 1, 3), None, *CONV, False, False, True, True),
    "_convolution.deprecated": lambda f: aten._convolution.deprecated(f(1, 1, 4), f(1, 1, 3), None, *CONV, False, False, True),
    "convolution": lambda f: aten.convolution(f(1, 1, 4), f(1, 1, 3), None, *CONV),
    "conv1d": lambda f: torch.conv1d(f(1, 1, 4), f(1, 1, 3)),
    "conv2d": lambda f: torch.conv2d(f(1, 1, 4, 4), f(1, 1, 3, 3)),
    "conv3d": lambda f: torch.conv3d(f(1, 1, 3, 3, 3), f(1, 1, 3, 3, 3)),
    "conv_tbc": lambda f: torch.conv_tbc(f(4, 1, 2), f(3, 2, 2), f(2)),
    "conv_transpose1d": lambda f: torch.conv_transpose1d(f(1, 1, 4), f(1, 1, 3)),
    "conv_transpose2d.input": lambda f: torch.conv_transpose2d(f(1, 1, 4, 4), f(1, 1, 3, 3)),
    "prelu": lambda f: torch.prelu(f(2, 2), f(2)), "addmm": lambda f: torch.addmm(f(2, 2), f(2, 2), f(2, 2)),
    "addmv": lambda f: torch.addmv(f(2), f(2, 2), f(2)), "addr": lambda f: torch.addr(f(2, 2), f(2), f(2)),
    "matmul": lambda f: f(2, 2) @ f(2, 2), "einsum": lambda f: torch.einsum("ij,jk->ik", f(2, 2), f(2, 2)),
    "mm": lambda f: torch.mm(f(2, 2), f(2, 2)), "mv": lambda f: torch.mv(f(2, 2), f(2)),
    "linear": lambda f: nn.functional.linear(f(2, 2), f(2, 2), f(2)),
    "addbmm": lambda f: torch.addbmm(f(2, 2), f(1, 2, 2), f(1, 2, 2)),
    "baddbmm": lambda f: torch.baddbmm(f(1, 2, 2), f(1, 2, 2), f(1, 2, 2)),
    "bmm": lambda f: torch.bmm(f(1, 2, 2), f(1, 2, 2)),
    "chain_matmul": lambda f: aten.chain_matmul([f(2, 2), f(2, 2)]),
    "linalg_multi_dot": lambda f: torch.linalg.multi_dot([f(2, 2), f(2, 2), f(2, 2)]),
    "lstm_cell": lambda f: torch.lstm_cell(f(1, 2), (f(1, 2), f(1, 2)), f(8, 2), f(8, 2), f(8), f(8)),
    "scaled_dot_product_attention": lambda f: nn.functional.scaled_dot_product_attention(*[f(1, 1, 2, 2)] * 3),
}  # fmt: skip
LABELS = {"margin_ranking_loss": 3, "cosine_embedding_loss": 3}
FLOAT32 = {
    **{name: (lambda f, name=name: getattr(torch, name)(f(2))) for name in (
        "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan prod sum").split()},
    **{name: (lambda f, name=name: getattr(aten, name)(f(2, 2), f(2, 2))) for name in (
        "binary_cross_entropy_with_logits huber_loss kl_div l1_loss mse_loss smooth_l1_loss soft_margin_loss dist cdist"
        " hinge_embedding_loss cosine_similarity").split()},
    "pow.Tensor_Scalar": lambda f: f(2) ** 2, "pow.Tensor_Tensor": lambda f: f(2) ** f(2),
    "pow.Scalar": lambda f: 2 ** f(2),
    "softplus": lambda f: nn.functional.softplus(f(2)), "layer_norm": lambda f: nn.functional.layer_norm(f(2, 2), (2,)),
    "native_layer_norm": lambda f: torch.native_layer_norm(f(2, 2), (2,), None, None, 1e-5)[0],
    "group_norm": lambda f: nn.functional.group_norm(f(1, 2, 2), 2),
    "batch_norm": lambda f: nn.functional.batch_norm(f(2, 2), None, None, training=True),
    "frobenius_norm.dim": lambda f: torch.frobenius_norm(f(2, 2), [0, 1]),
    "nuclear_norm": lambda f: torch.nuclear_norm(f(2, 2)),
    "nuclear_norm.dim": lambda f: aten.nuclear_norm.dim(f(2, 2), [0, 1]),
    "poisson_nll_loss": lambda f: aten.poisson_nll_loss(f(2), f(2), True, False, 1e-8, 1),
    "cosine_embedding_loss": lambda f: aten.cosine_embedding_loss(f(2, 2), f(2, 2), f(2)),
    "margin_ranking_loss": lambda f: aten.margin_ranking_loss(f(2), f(2), f(2)),
    "nll_loss": lambda f: aten.nll_loss(f(2, 2), torch.tensor([0, 1], device="mps")),
    "nll_loss2d": lambda f: aten.nll_loss2d(f(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.int64, device="mps")),
    "multi_margin_loss": lambda f: aten.multi_margin_loss(f(2, 2), torch.tensor([0, 1], device="mps")),
    "multilabel_margin_loss": lambda f: aten.multilabel_margin_loss(f(2, 2), torch.zeros(2, 2, dtype=torch.int64, device="mps")),
    "triplet_margin_loss": lambda f: aten.triplet_margin_loss(f(2, 2), f(2, 2), f(2, 2)),
    "pdist": lambda f: torch.pdist(f(2, 2)),
    "renorm": lambda f: torch.renorm(f(2, 2), 2, 0, 1.0), "logsumexp": lambda f: torch.logsumexp(f(2), 0),
    "prod.dim_int": lambda f: torch.prod(f(2), 0), "softmax.int": lambda f: torch.softmax(f(2), 0),
    "log_softmax.int": lambda f: torch.log_softmax(f(2), 0), "cumprod": lambda f: torch.cumprod(f(2), 0),
    "cumsum": lambda f: torch.cumsum(f(2), 0), "linalg_vector_norm": lambda f: torch.linalg.vector_norm(f(2)),
    "linalg_matrix_norm": lambda f: aten.linalg_matrix_norm(f(2, 2), 1),
    "linalg_matrix_norm.str_ord": lambda f: aten.linalg_matrix_norm.str_ord(f(2, 2), "fro"),
    "sum.dim_IntList": lambda f: torch.sum(f(2), 0),
}  # fmt: skip
PROMOTE = {
    "addcdiv": lambda f, g: torch.addcdiv(f(2), g(2), f(2)), "addcmul": lambda f, g: torch.addcmul(f(2), g(2), f(2)),
    "atan2": lambda f, g: torch.atan2(f(2), g(2)),
    "bilinear": lambda f, g: torch.bilinear(f(1, 2), g(1, 2), f(1, 2, 2), None),
    "cross": lambda f, g: torch.cross(f(2, 3), g(2, 3), 1), "dot": lambda f, g: torch.dot(f(2), g(2)),
    "grid_sampler": lambda f, g: torch.grid_sampler(f(1, 1, 2, 2), g(1, 2, 2, 2), 0, 0, False),
    "index_put": lambda f, g: torch.index_put(f(2), (torch.tensor([0], device="mps"),), g(1)),
    "tensordot": lambda f, g: torch.tensordot(f(2, 2), g(2, 2), 1),
    "scatter_add": lambda f, g: torch.scatter_add(f(2), 0, torch.tensor([0], device="mps"), g(1)),
}  # fmt: skip
REFUSED = {"conv_transpose3d.input": (1, 1, 2, 2, 2), "nuclear_norm": (), "nuclear_norm.dim": (), "pdist": (), "multi_margin_loss": (),
           "multilabel_margin_loss": ()}  # fmt: skip


def one(out: object) -> torch.Tensor:
    return out[0] if isinstance(out, tuple) else out


def test_the_operators_are_those_of_the_macos_library() -> None:
    assert len(REGISTERED) == 95
    assert {*LOWER, *FLOAT32, *PROMOTE, *NOT_HERE, "conv_transpose3d.input"} == {*REGISTERED}
    assert {autocast.policy(name.split(".")[0]) for name in LOWER} == {"lower"}
    assert autocast.policy("_mps_convolution") == "lower"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOWER)
def test_what_is_fast_runs_in_the_lower_precision(name: str, dtype: torch.dtype) -> None:
    with emulator.machine("mps"), torch.autocast("mps", dtype=dtype):
        assert one(LOWER[name](lambda *shape: t(*shape, dtype=torch.float32))).dtype is dtype


@pytest.mark.parametrize("name", FLOAT32)
def test_what_needs_it_runs_in_float32(name: str) -> None:
    with emulator.machine("mps", fallback=True), torch.autocast("mps", dtype=torch.float16):
        assert one(FLOAT32[name](lambda *shape: t(*shape, dtype=torch.float16))).dtype is torch.float32


@pytest.mark.parametrize("name", PROMOTE)
def test_mixed_inputs_are_promoted(name: str) -> None:
    with emulator.machine("mps"), torch.autocast("mps", dtype=torch.float16):
        half, full = (lambda *shape: t(*shape, dtype=torch.float16)), (lambda *shape: t(*shape, dtype=torch.float32))
        assert one(PROMOTE[name](full, half)).dtype is torch.float32
        assert one(PROMOTE[name](half, half)).dtype is torch.float16


def test_a_transposed_convolution_of_volumes_is_cast_and_so_refused() -> None:
    with emulator.machine("mps"), torch.autocast("mps", dtype=torch.float16):
        with pytest.raises(RuntimeError, match="ConvTranspose 3D with BF16 or FP16 types is not supported on MPS"):
            nn.ConvTranspose3d(1, 1, 2).to("mps")(torch.zeros(1, 1, 2, 2, 2, device="mps"))


def test_what_is_in_no_list_keeps_its_dtype_and_the_host_its_own_autocast() -> None:
    with emulator.machine("mps"), torch.autocast("mps", dtype=torch.float16):
        x = torch.ones(2, device="mps")
        assert (x + 1).dtype is torch.float32 and x.half().relu().dtype is torch.float16
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.float32
        with torch.autocast("mps", enabled=False):
            assert torch.mm(torch.ones(2, 2, device="mps"), torch.ones(2, 2, device="mps")).dtype is torch.float32
    with emulator.machine("mps"), torch.autocast("cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.bfloat16
        assert torch.mm(torch.ones(2, 2, device="mps"), torch.ones(2, 2, device="mps")).dtype is torch.float32


def test_float32_is_refused_with_a_warning() -> None:
    with emulator.machine("mps"), pytest.warns(UserWarning, match="Disabling autocast"):
        with torch.autocast("mps", dtype=torch.float32):
            assert not torch.is_autocast_enabled("mps")


def test_weights_are_cast_and_get_their_gradient() -> None:
    with emulator.machine("mps"):
        layer = nn.Linear(2, 2).to("mps")
        with torch.autocast("mps", dtype=torch.float16):
            layer(torch.ones(1, 2, device="mps")).sum().backward()
        assert layer.weight.grad.dtype is torch.float32 and str(layer.weight.grad.device) == "mps:0"


def test_the_control_bans_what_cuda_bans() -> None:
    with emulator.machine("cuda"), torch.autocast("cuda"):
        x = torch.rand(2, device="cuda")
        assert torch.mm(torch.ones(2, 2, device="cuda"), torch.ones(2, 2, device="cuda")).dtype is torch.float16
        with pytest.raises(RuntimeError, match="are unsafe to autocast"):
            nn.functional.binary_cross_entropy(x, x)
        with torch.autocast("cpu", enabled=False):
            assert nn.functional.binary_cross_entropy(x.cpu(), x.cpu()).dtype is torch.float32

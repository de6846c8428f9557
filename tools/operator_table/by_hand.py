"""Calls of public names that PyTorch's own sample inputs do not make, written for the recorder, and names for the same thing.

Each call is small and works on the CPU; what it reaches is recorded like any other. Sources: the names' documentation
pages, docs.pytorch.org/docs/stable/<name>.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass
class Form:
    """A call with these arguments; for a layer those of its constructor, and `forward` is what it is called with."""

    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    forward: tuple = ()


def _form(*args, forward=(), **kwargs) -> Form:
    return Form(args, kwargs, forward)


def _x(*shape: int) -> torch.Tensor:
    return torch.rand(shape)


def _whole(*shape: int) -> torch.Tensor:
    return torch.randint(0, 2, shape)


def _symmetric(size: int) -> torch.Tensor:
    matrix = _x(size, size)
    return matrix @ matrix.T + torch.eye(size)


SCALES, ZEROS = torch.tensor([0.1, 0.2]), torch.tensor([0, 0])
INFINITE = float("inf")
BAG = (_whole(4), _x(2, 3))

# By name: what is called, where the name is not it, and its forms.
FUNCTIONS: dict[str, list[Form]] = {
    "torch.poisson": [_form(_x(2, 3))],
    "torch.binomial": [_form(torch.full((2,), 4.0), _x(2))],
    "torch.Tensor.random_": [_form(_x(3)), _form(_whole(3), 0, 5)],
    "torch.range": [_form(0, 4, device="cpu")],
    "torch.randperm": [_form(5, device="cpu")],
    "torch.rand": [_form(2, 3, device="cpu")],
    "torch.tensor": [_form([1.0, 2.0], device="cpu")],
    "torch.hann_window": [_form(8, device="cpu"), _form(8, periodic=False, device="cpu")],
    "torch.hamming_window": [_form(8, device="cpu")],
    "torch.blackman_window": [_form(8, device="cpu")],
    "torch.bartlett_window": [_form(8, device="cpu")],
    "torch.fft.fftfreq": [_form(8, device="cpu")],
    "torch.fft.rfftfreq": [_form(8, device="cpu")],
    "torch.vander": [_form(_x(3)), _form(_x(3), 2, increasing=True)],
    "torch.chain_matmul": [_form(_x(2, 3), _x(3, 2))],
    "torch.lobpcg": [_form(_symmetric(9), 2)],
    "torch.nuclear_norm": [_form(_x(3, 3))],
    "torch.frobenius_norm": [_form(_x(3, 3), 1)],
    "torch.special.gammainc": [_form(_x(3), _x(3))],
    "torch.special.gammaincc": [_form(_x(3), _x(3))],
    "torch.segment_reduce": [_form(_x(4), "mean", lengths=torch.tensor([2, 2]))],
    "torch.quantize_per_tensor": [_form(_x(3), 0.1, 0, torch.qint8)],
    "torch.quantize_per_tensor_dynamic": [_form(_x(3), torch.qint8, False)],
    "torch.quantize_per_channel": [_form(_x(2, 3), SCALES, ZEROS, 0, torch.qint8)],
    "torch.fake_quantize_per_tensor_affine": [_form(_x(3), 0.1, 0, 0, 255)],
    "torch.fake_quantize_per_channel_affine": [_form(_x(2, 3), SCALES, ZEROS.int(), 0, 0, 255)],
    "torch.native_dropout": [_form(_x(4), 0.5, True)],
    "torch.rrelu": [_form(_x(3)), _form(_x(3), training=True)],
    "torch.nn.functional.embedding": [_form(*BAG), _form(*BAG, max_norm=1.0)],
    "torch.nn.functional.fold": [_form(_x(1, 4, 4), (3, 3), (2, 2))],
    "torch.nn.functional.affine_grid": [_form(_x(1, 2, 3), [1, 1, 2, 2]), _form(_x(1, 3, 4), [1, 1, 2, 2, 2])],
    "torch.nn.functional.gumbel_softmax": [_form(_x(2, 3))],
    "torch.nn.functional.lp_pool1d": [_form(_x(1, 1, 4), 2.0, 2)],
    "torch.nn.functional.lp_pool2d": [_form(_x(1, 1, 4, 4), 2.0, 2)],
    "torch.nn.functional.lp_pool3d": [_form(_x(1, 1, 4, 4, 4), 2.0, 2)],
    "torch.nn.functional.upsample": [
        _form(_x(1, 1, 4, 4), scale_factor=2),
        _form(_x(1, 1, 4, 4), scale_factor=2, mode="bicubic"),
        _form(_x(1, 1, 4, 4, 4), scale_factor=2, mode="trilinear"),
    ],
    "torch.nn.functional.dropout": [_form(_x(4)), _form(_x(4), training=False)],
    "torch.gather": [_form(_x(3), 0, _whole(3), sparse_grad=True)],
    "torch.linalg.svd": [_form(_x(3, 3), driver=driver) for driver in ("gesvd", "gesvdj", "gesvda")],
    "torch.linalg.svdvals": [_form(_x(3, 3), driver=driver) for driver in ("gesvd", "gesvdj", "gesvda")],
    "torch.linalg.cond": [_form(_symmetric(3), p) for p in (None, 2, -2, "fro", "nuc", 1, -1, INFINITE, -INFINITE)],
    "torch.rsub": [_form(_x(3), 1)],
    "torch.nn.functional.adaptive_avg_pool3d": [_form(_x(1, 1, 4, 4, 4), size) for size in (1, (1, 1, 1), 2, (1, 2, 2))],
    "torch.Tensor.to_sparse_csr": [_form(_x(2, 2))],
    "torch.Tensor.to_sparse_csc": [_form(_x(2, 2))],
    "torch.Tensor.to_sparse_bsr": [_form(_x(2, 2), (1, 1))],
    "torch.Tensor.to_sparse_bsc": [_form(_x(2, 2), (1, 1))],
    "torch.Tensor.fill_diagonal_": [_form(_x(3, 3), 1.0)],
}

LAYERS: dict[str, list[Form]] = {
    "torch.nn.AdaptiveAvgPool3d": [_form(size, forward=(_x(1, 1, 4, 4, 4),)) for size in (1, (1, 1, 1), 2, (1, 2, 2))],
    "torch.nn.AdaptiveLogSoftmaxWithLoss": [_form(4, 6, [2], forward=(_x(3, 4), torch.tensor([0, 3, 5])))],
    "torch.nn.AlphaDropout": [_form(forward=(_x(4),))],
    "torch.nn.ChannelShuffle": [_form(2, forward=(_x(1, 4, 2, 2),))],
    "torch.nn.CosineSimilarity": [_form(forward=(_x(2, 3), _x(2, 3)))],
    "torch.nn.Dropout": [_form(forward=(_x(4),))],
    "torch.nn.Dropout1d": [_form(forward=(_x(2, 3, 4),))],
    "torch.nn.Dropout2d": [_form(forward=(_x(2, 3, 4, 4),))],
    "torch.nn.Dropout3d": [_form(forward=(_x(2, 3, 4, 4, 4),))],
    "torch.nn.Embedding": [_form(2, 3, forward=(_whole(4),)), _form(2, 3, max_norm=1.0, forward=(_whole(4),))],
    "torch.nn.EmbeddingBag": [
        _form(2, 3, forward=(_whole(2, 4),)),
        _form(2, 3, mode="sum", forward=(_whole(2, 4),)),
        _form(2, 3, mode="max", forward=(_whole(2, 4),)),
    ],
    "torch.nn.FeatureAlphaDropout": [_form(forward=(_x(2, 3, 4, 4),))],
    "torch.nn.Fold": [_form((3, 3), (2, 2), forward=(_x(1, 4, 4),))],
    "torch.nn.Hardsigmoid": [_form(forward=(_x(3),))],
    "torch.nn.LSTM": [_form(3, 4, forward=(_x(2, 1, 3),)), _form(3, 4, proj_size=2, forward=(_x(2, 1, 3),))],
    "torch.nn.MaxUnpool1d": [_form(2, forward=(_x(1, 1, 2), torch.tensor([[[0, 2]]])))],
    "torch.nn.MaxUnpool2d": [_form(2, forward=(_x(1, 1, 1, 2), torch.tensor([[[[0, 2]]]])))],
    "torch.nn.MaxUnpool3d": [_form(2, forward=(_x(1, 1, 1, 1, 2), torch.tensor([[[[[0, 2]]]]])))],
    "torch.nn.PairwiseDistance": [_form(forward=(_x(2, 3), _x(2, 3)))],
    "torch.nn.PixelShuffle": [_form(2, forward=(_x(1, 4, 2, 2),))],
    "torch.nn.PixelUnshuffle": [_form(2, forward=(_x(1, 1, 4, 4),))],
    "torch.nn.RReLU": [_form(forward=(_x(3),))],
    "torch.nn.TripletMarginLoss": [_form(forward=(_x(2, 3), _x(2, 3), _x(2, 3)))],
    "torch.nn.Unfold": [_form(2, forward=(_x(1, 1, 4, 4),))],
    "torch.nn.Upsample": [
        _form(scale_factor=2, mode="nearest", forward=(_x(1, 1, 4, 4),)),
        _form(scale_factor=2, mode="nearest", forward=(_x(1, 1, 4, 4, 4),)),
        _form(scale_factor=2, mode="linear", forward=(_x(1, 1, 4),)),
        _form(scale_factor=2, mode="bilinear", forward=(_x(1, 1, 4, 4),)),
        _form(scale_factor=2, mode="bicubic", forward=(_x(1, 1, 4, 4),)),
        _form(scale_factor=2, mode="trilinear", forward=(_x(1, 1, 4, 4, 4),)),
    ],
    "torch.nn.UpsamplingBilinear2d": [_form(scale_factor=2, forward=(_x(1, 1, 4, 4),))],
    "torch.nn.UpsamplingNearest2d": [_form(scale_factor=2, forward=(_x(1, 1, 4, 4),))],
}

# Names that bring a call to the same operators as another: {"torch.slogdet": "torch.linalg.slogdet"}.
SAME: dict[str, str] = {
    "torch.slogdet": "torch.linalg.slogdet",
    "torch.Tensor.slogdet": "torch.linalg.slogdet",
    "torch.Tensor.binomial": "torch.binomial",
    **{
        f"torch.{name}": f"torch.nn.functional.{name}"
        for name in (
            "adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "batch_norm", "bilinear", "celu",
            "binary_cross_entropy_with_logits", "channel_shuffle", "cosine_similarity", "ctc_loss", "hardshrink",
            "instance_norm", "kl_div", "max_pool1d", "max_pool2d", "max_pool3d", "pairwise_distance", "pdist",
            "pixel_shuffle", "pixel_unshuffle", "prelu", "relu", "selu", "threshold", "dropout", "alpha_dropout",
            "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss",
        )
    },
    **{f"torch.Tensor.{name}": f"torch.nn.functional.{name}" for name in ("hardshrink", "prelu", "relu")},
}  # fmt: skip


def called(name: str) -> Callable:
    """What stands behind a public name."""
    found = torch
    for word in name.split(".")[1:]:
        found = getattr(found, word)
    return found

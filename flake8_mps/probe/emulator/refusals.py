"""What MPS refuses, in its own words: text, exception, where the text was read, and in which releases of torch.

``[D]`` was read from the torch 2.13 macOS library, ``[V]`` from those of older releases, ``[I#n]`` in an issue of
pytorch/pytorch; nothing here was run on a Mac.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Refusal:
    """An exception of a Mac. ``text`` has ``{}`` fields; ``releases`` are those whose library holds the text."""

    text: str
    source: str
    type: type[Exception] = RuntimeError
    releases: str = ">=2.13"

    def error(self, **values: object) -> Exception:
        return self.type(self.text.format(**values))


class NotEmulated(BaseException):
    """The emulator does not know what a Mac does here. As with SystemExit, ``except Exception`` does not take it."""


INEXACT = "emulated: MPS refuses tensors of two devices here, but which of its texts it gives is not known"

FLOAT64 = Refusal(
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 "
    "instead.",
    "aten/src/ATen/mps/EmptyTensor.cpp [D]", TypeError,
)
UNSUPPORTED_DTYPE = Refusal(
    "Trying to convert {scalar} to the MPS backend but it does not have support for that dtype.",
    "getMPSDataType in aten/src/ATen/native/mps/OperationUtils.mm [D]", TypeError,
)
NUMPY = Refusal(
    "can't convert {device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
    "torch/csrc/utils/tensor_numpy.cpp [D]", TypeError,
)
TWO_DEVICES = Refusal(
    "Expected all tensors to be on the same device, but found at least two devices, {device} and cpu!",
    "aten/src/ATen/TensorIterator.cpp [D]",
)
PLACEHOLDER = Refusal(
    "Placeholder storage has not been allocated on MPS device!",
    "Placeholder in aten/src/ATen/native/mps/OperationUtils.mm [D]",
)
MATRIX = Refusal(
    "Tensor for argument #{number} '{argument}' is on CPU, but expected it to be on GPU (while checking arguments for "
    "{operator})",
    "checkAllSameGPU in aten/src/ATen/TensorUtils.cpp [D]",
)
LINEAR_DEVICE = Refusal(
    "Tensor for argument {argument} is on cpu but expected on mps", "aten/src/ATen/native/mps/operations/Linear.mm [D]",
)
LINEAR_DTYPE = Refusal(
    "MPS device does not support linear for non-float {argument}", "aten/src/ATen/native/mps/operations/Linear.mm [D]",
)
CONV_HOST_INPUT = Refusal(
    "slow_conv2d_forward_mps: input(device='cpu') and weight(device=mps:0')  must be on the same device",
    "aten/src/ATen/mps/MPSFallback.mm [D]",
)
CONV_TYPES = Refusal(
    "Input type ({input}) and {role} type ({other}) should be the same",
    "check_input_same_type_as_parameters in aten/src/ATen/native/Convolution.cpp [D]; seen in pytorch/ignite#2977",
)
CONV_DTYPE = Refusal(
    "Convolution is supported only for Floating types", "aten/src/ATen/native/mps/operations/Convolution.mm [D]",
)
CONV_TRANSPOSE_3D = Refusal(
    "ConvTranspose 3D with BF16 or FP16 types is not supported on MPS",
    "aten/src/ATen/native/mps/operations/Convolution.mm [D]", releases=">=2.8",
)
ADAPTIVE_POOL = Refusal(
    "Adaptive pool MPS: {first} sizes must be divisible by {second} sizes. Non-divisible input sizes are not "
    "implemented on MPS device yet. For now, you can manually transfer tensor to cpu in this case. Please refer to "
    "[this issue](https://github.com/pytorch/pytorch/issues/96056)",
    "aten/src/ATen/native/mps/operations/AdaptivePooling.mm [D]; [I#96056]", NotImplementedError, ">=2.0",
)
ADAPTIVE_POOL_DIRECTION = Refusal(
    "Adaptive pool MPS: Input height and width must both be greater than, or equal to, or lesser than output height "
    "and width",
    "aten/src/ATen/native/mps/operations/AdaptivePooling.mm", NotImplementedError, ">=2.0",
)
LSTM_PROJECTIONS = Refusal(
    "LSTM with projections is not currently supported with MPS.",
    "aten/src/ATen/native/RNN.cpp [D]", releases=">=2.0",
)
INDICES = Refusal(
    "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    "aten/src/ATen/native/TensorAdvancedIndexing.cpp [D]",
)
GENERATOR_ARGUMENT = Refusal(
    "Expected a '{wanted}' device type for generator but found '{found}'",
    "check_generator in aten/src/ATen/CPUGeneratorImpl.h [D]",
)
GENERATOR_DEFAULT = Refusal(
    "Expected a '{wanted}' generator device but found '{found}'",
    "randperm_out_mps in aten/src/ATen/native/mps/operations/Distributions.mm [D]; [I#110820]",
)
PACKED_LENGTHS = Refusal(
    "'lengths' argument should be a 1D CPU int64 tensor, but got {dim}D {device} {scalar} tensor",
    "aten/src/ATen/native/PackedSequence.cpp, the same on every device",
)
SHARED_STORAGE = Refusal("_share_filename_: only available on CPU", "torch/csrc/StorageSharing.cpp [D]; [I#87688]")
PINNED = Refusal(
    'Attempted to set the storage of a tensor on device "cpu" to a storage on different device "mps:0".  This is no '
    "longer allowed; the devices must match.",
    "[I#86060] [I#181374]",
)
CUDA_METHOD_ORDINAL = Refusal(
    "Invalid device, must be cuda device",
    "THPVariable_cuda in python_variable_methods.cpp [D], the order of parsing inferred",
)
MISSING_OPERATOR = Refusal(
    "The operator '{operator}' is not currently implemented for the MPS device. If you want this op to be "
    "considered for addition please comment on https://github.com/pytorch/pytorch/issues/141287 and mention use-case, "
    "that resulted in missing op as well as commit hash {commit}. As a temporary fix, you can set the environment "
    "variable `PYTORCH_ENABLE_MPS_FALLBACK=1` to use the CPU as a fallback for this op. WARNING: this will be slower "
    "than running natively on MPS.",
    "aten/src/ATen/mps/MPSFallback.mm [D]", NotImplementedError, ">=2.6",
)
FALLBACK_WARNING = (
    "The operator '{operator}' is not currently supported on the MPS backend and will fall back to run on the "
    "CPU. This may have performance implications."
)

FLOAT8 = frozenset(dtype for name, dtype in vars(torch).items() if name.startswith("float8_"))
"""On these the sources of different releases disagree: a copy of bytes, or one of two errors."""
UNSUPPORTED_DTYPES: dict[torch.dtype, str] = {torch.complex128: "ComplexDouble"}
"""The name in the text is that of c10::ScalarType. float64 has a text of its own."""

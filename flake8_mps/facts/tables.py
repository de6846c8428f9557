"""What torch, NumPy and their friends do to device and dtype, as data.

Sources: PyTorch 2.13 (torch/_torch_docs.py, torch/_tensor_docs.py, torch/utils/_device.py for the factories that take a
device); NumPy 2 reference for default dtypes; Pillow and OpenCV for images as uint8 arrays.
"""

from __future__ import annotations

import re

# --- names -----------------------------------------------------------------------------------------------------------

# Spellings that mean the same thing.
SAME_AS = {
    "torch.pdist": "torch.nn.functional.pdist",
    "torch.serialization.load": "torch.load",
    "torch.jit._serialization.load": "torch.jit.load",
    "torch.utils.data.dataloader.DataLoader": "torch.utils.data.DataLoader",
    "torch.nn.parallel.DataParallel": "torch.nn.DataParallel",
    "torch.nn.parallel.data_parallel.DataParallel": "torch.nn.DataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel": "torch.nn.parallel.DistributedDataParallel",
    "torch.distributed.distributed_c10d.init_process_group": "torch.distributed.init_process_group",
    "torch.distributed.distributed_c10d.new_group": "torch.distributed.new_group",
    "torch.amp.autocast": "torch.autocast",
    "torch.amp.autocast_mode.autocast": "torch.autocast",
    "torch.cuda.amp.autocast_mode.autocast": "torch.cuda.amp.autocast",
    "torch.GradScaler": "torch.amp.GradScaler",
    "torch.amp.grad_scaler.GradScaler": "torch.amp.GradScaler",
    "torch.cuda.amp.grad_scaler.GradScaler": "torch.cuda.amp.GradScaler",
    "torch.cuda.OutOfMemoryError": "torch.OutOfMemoryError",
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch.nn.parameter.Buffer": "torch.nn.Buffer",
    "torch.nn.modules.module.Module": "torch.nn.Module",
    "torch.nn.modules.Module": "torch.nn.Module",
    "torch.autograd.Variable": "torch.autograd.Variable",
    "torch.utils.model_zoo.load_url": "torch.hub.load_state_dict_from_url",
    "torchvision.models.utils.load_state_dict_from_url": "torch.hub.load_state_dict_from_url",
    "torchvision._internally_replaced_utils.load_state_dict_from_url": "torch.hub.load_state_dict_from_url",
}

# The position of map_location.
MAP_LOCATION = {"torch.load": 1, "torch.jit.load": 1, "torch.hub.load_state_dict_from_url": 2}

# Packages that hand a ``device=`` on to torch. In a file that imports none of them, the word means something else.
TORCH_FAMILY = frozenset({
    "torch", "torchvision", "torchaudio", "torchtext", "transformers", "diffusers", "accelerate", "timm", "clip",
    "open_clip", "whisper", "lightning", "pytorch_lightning", "ultralytics", "sentence_transformers", "kornia", "monai",
    "easyocr", "stable_baselines3", "safetensors", "peft", "fastai", "segmentation_models_pytorch", "lpips", "basicsr",
    "facenet_pytorch", "demucs", "audiocraft", "fairseq", "torchmetrics", "ignite", "faster_whisper", "torch_geometric",
})

# What ``from torch import *`` brings and no other table has.
STARRED = frozenset({"torch.load", "torch.device", "torch.cuda", "torch.nn", "torch.backends", "torch.jit", "torch.nn.Module"})

# Frameworks that have a ``cuda`` or a ``device=`` of their own.
NOT_TORCH = frozenset({
    "cupy", "numba", "pycuda", "jax", "tensorflow", "paddle", "mxnet", "jittor", "mindspore", "oneflow", "chainer",
    "warp", "taichi", "onnxruntime", "cudf", "cuml", "cugraph", "theano", "tensorrt", "pynvml", "spacy", "tvm", "open3d",
})

# Calls whose ``device=`` fails in another way than a tensor's.
OWN_DEVICE_RULES = frozenset({"torch.Generator", "torch.amp.GradScaler", "torch.cuda.amp.GradScaler"})

# Calls that take a device's name and ask for nothing there: they disable themselves, or only answer.
LEAVES_DEVICES = re.compile(
    r"(?:autocast|GradScaler|get_autocast_dtype|is_autocast_enabled|is_autocast_available|print|isinstance|startswith|info|"
    r"debug|warning|warn|format|getattr|str|\w*device_(?:module|backend))$"
)

# A name that holds a device.
DEVICE_NAME = re.compile(r"(?:^|_)(?:device|dev)(?:_name|_str|_string)?$", re.IGNORECASE)
# One that holds a data loader.
LOADER_NAME = re.compile(r"(?:^|_)(?:data_?)?loader$", re.IGNORECASE)
# A function that gives one.
DEVICE_FUNCTION = re.compile(r"device|accelerator", re.IGNORECASE)
# A function that gives one of an accelerator that no Mac has: xm.xla_device(), get_tpu_device().
OTHER_DEVICE_FUNCTION = re.compile(r"(?:^|_)(?:tpu|xla|npu|hpu|xpu|mlu)_device$", re.IGNORECASE)
# A switch that asks for CUDA, and one that asks for the CPU.
CUDA_OPTION = re.compile(r"cuda|gpu", re.IGNORECASE)
CPU_OPTION = re.compile(r"(?:^|_)(?:no|not|disable|without|force)_?(?:cuda|gpu)|(?:^|_)cpu", re.IGNORECASE)
# What a device's text begins with, and its form, whole or as far as a literal shows it: "cuda:" in "cuda:" + str(rank).
DEVICE_KINDS = {"cpu": "cpu", "cuda": "cuda", "mps": "mps"} | dict.fromkeys(
    ("meta", "xpu", "npu", "xla", "hpu", "mtia", "privateuseone", "vulkan", "ipu", "tpu"), "other"
)
DEVICE_TEXT = re.compile(r"\w+(?::(?:\d+|%d|%s|\{\}|\{0\})?)?$")

# --- questions about the machine -------------------------------------------------------------------------------------

ASKS_CUDA = frozenset({
    "torch.cuda.is_available", "torch.cuda.device_count", "torch.cuda.is_initialized", "torch.cuda.is_bf16_supported",
    "torch.backends.cuda.is_built", "torch.backends.cudnn.is_available", "torch.distributed.is_nccl_available",
    "torch.version.cuda", "torch.has_cuda", "torch.backends.cudnn.version", "torch.cuda._is_compiled",
    "torch.cuda.default_generators",
})
# What people call to see whether CUDA is there, and raises where it is not (MPS601's table has all of these).
NEEDS_CUDA = re.compile(r"torch\.cuda\.(?:synchronize|init|current_device|current_stream|get_device_\w+|mem_get_info|set_device|Event|Stream)$")
ASKS_MPS = frozenset({
    "torch.backends.mps", "torch.backends.mps.is_available", "torch.backends.mps.is_built", "torch.has_mps",
    "torch.mps", "torch.mps.is_available", "torch.mps.device_count", "torch.backends.mps.is_macos13_or_newer",
    "torch.backends.mps.is_macos_or_newer", "torch.backends.mps.is_avail", "torch.accelerator.is_available",
    "torch.accelerator",
})
ASKS_OTHER = frozenset({
    "torch.xpu.is_available", "torch.npu.is_available", "torch.hpu.is_available", "torch.mlu.is_available",
    "torch.musa.is_available", "torch.version.hip", "torch.version.xpu", "torch.mtia.is_available",
})
# More than one process: what is asked of torch.distributed, and the name of a helper that asks it.
ASKS_SEVERAL = frozenset({"torch.distributed.is_initialized", "torch.distributed.distributed_c10d.is_initialized"})
SEVERAL_PREDICATE = re.compile(r"^_?(?:is|in|use)_?(?:dist|distributed|ddp)(?:_avail)?(?:_and)?(?:_initialized|_training|_mode)?$", re.IGNORECASE)
# The name of a count of processes, and of the number of this one, which is -1 where there are no others.
WORLD_SIZE = re.compile(r"world_?size$|(?:^|_)num_processes$", re.IGNORECASE)
RANK = re.compile(r"(?:^|_)rank$", re.IGNORECASE)
# Of accelerators that no Mac has, and of the clouds that rent them out.
OTHER_PREDICATE = re.compile(r"^_?is_(?:torch_)?(?:xla|tpu|npu|hpu|mlu|musa|neuroncore)_available$|^is_sagemaker_\w+_enabled$")
# Helpers of other packages, by their last name: transformers.is_torch_cuda_available, is_mps_available.
CUDA_PREDICATE = re.compile(r"^_?(?:is|has|have)_?(?:torch_)?(?:cuda|gpu|nccl)(?:_available|_enabled)?$|^(?:torch_)?(?:cuda|gpu)(?:_is)?_available$",
                            re.IGNORECASE)
MPS_PREDICATE = re.compile(r"^_?(?:is|has|have)_?(?:torch_)?mps(?:_available|_enabled)?$|^mps(?:_is)?_available$", re.IGNORECASE)
# Decorators that keep a function off a machine without CUDA.
CUDA_DECORATOR = re.compile(r"^(?:require|requires|need|needs|skip_?if_?(?:no|lt)|only|skip_?unless).*(?:cuda|gpu|triton|nccl)|^(?:cuda|gpu)_only$|^largeTensorTest$",
                            re.IGNORECASE)
# How ONNX Runtime computes on what no Mac has (onnxruntime.get_available_providers).
PROVIDER = re.compile(r"(?:CUDA|Tensorrt|NvTensorRtRtx|ROCM|MIGraphX)ExecutionProvider$")
PLATFORM_NAMES = frozenset({"sys.platform", "platform.system", "os.name", "platform.machine", "os.uname"})

# --- torch -----------------------------------------------------------------------------------------------------------

DTYPES = {
    name: dtype
    for dtype, names in {
        "float64": "torch.float64 torch.double numpy.float64 numpy.double numpy.float_ numpy.longdouble builtins.float",
        "float32": "torch.float32 torch.float numpy.float32 numpy.single",
        "float16": "torch.float16 torch.half numpy.float16 numpy.half",
        "bfloat16": "torch.bfloat16",
        "float8": "torch.float8_e4m3fn torch.float8_e5m2 torch.float8_e4m3fnuz torch.float8_e5m2fnuz",
        "complex128": "torch.complex128 torch.cdouble numpy.complex128 numpy.cdouble builtins.complex",
        "complex64": "torch.complex64 torch.cfloat numpy.complex64",
        "int64": "torch.int64 torch.long numpy.int64 numpy.int_ numpy.intp builtins.int",
        "int32": "torch.int32 torch.int numpy.int32",
        "int16": "torch.int16 torch.short numpy.int16 numpy.uint16",
        "uint8": "torch.uint8 numpy.uint8 numpy.ubyte",
        "int8": "torch.int8 numpy.int8",
        "bool": "torch.bool numpy.bool_ numpy.bool builtins.bool",
    }.items()
    for name in names.split()
}
# Dtypes other than float64 that MPS has not, in any release (c10 ScalarType to MPSDataType: OperationUtils.mm).
NEVER_ON_MPS = frozenset({"complex128", "float8"})
DTYPE_TEXT = {"float64": "float64", "double": "float64", "float": "float64", "float32": "float32", "f4": "float32", "f8": "float64",
              "float16": "float16", "int64": "int64", "int32": "int32", "int": "int64", "uint8": "uint8", "bool": "bool",
              "d": "float64", "f": "float32", "complex128": "complex128", "complex64": "complex64", "int8": "int8"}

# Factories by the dtype they give when none is asked for: "default" is torch's default float, "data" that of the data.
FACTORIES = {
    f"torch.{name}": dtype
    for dtype, names in {
        "default": "zeros ones empty full rand randn linspace logspace eye normal hann_window hamming_window "
                   "blackman_window kaiser_window bartlett_window empty_strided",
        "int64": "randint randperm tril_indices triu_indices",
        "data": "tensor as_tensor asarray scalar_tensor from_numpy frombuffer",
        "range": "arange range",
        "like": "zeros_like ones_like empty_like full_like rand_like randn_like randint_like",
        "legacy": "Tensor FloatTensor HalfTensor",
        "legacy64": "DoubleTensor",
        "legacyint": "LongTensor IntTensor ByteTensor BoolTensor ShortTensor CharTensor",
    }.items()
    for name in names.split()
}
CUDA_TYPE = re.compile(r"torch\.cuda\.\w+Tensor$")
LEGACY_DTYPES = {"Tensor": "float32", "FloatTensor": "float32", "HalfTensor": "float16", "DoubleTensor": "float64",
                 "LongTensor": "int64", "IntTensor": "int32", "ByteTensor": "uint8", "BoolTensor": "bool",
                 "ShortTensor": "int16", "CharTensor": "int8"}

# Methods that cast, and what to.
CASTS = {"double": "float64", "float": "float32", "half": "float16", "bfloat16": "bfloat16", "long": "int64",
         "int": "int32", "short": "int16", "byte": "uint8", "char": "int8", "bool": "bool", "cdouble": "complex128",
         "cfloat": "complex64"}

# Tensor methods and torch functions that give a tensor where their tensor stands; dtype kept unless said otherwise.
SAME_DTYPE = frozenset(
    "abs abs_ absolute add add_ addcdiv_ addcmul_ addmm align_as baddbmm bmm broadcast_to ceil chunk clamp clamp_ "
    "clamp_min clip clone contiguous copy_ cos cross cumprod cumsum deg2rad detach detach_ diag diag_embed diagonal "
    "diff div div_ dot einsum exp exp_ expand expand_as fill_ flatten flip fliplr flipud floor fmod gather hardtanh "
    "index_add index_copy index_fill index_select inverse lerp log log10 log1p log2 log_softmax logsumexp masked_fill "
    "masked_fill_ masked_scatter masked_select matmul mean mm movedim moveaxis mul mul_ multiply mv narrow neg negative "
    "norm normal_ permute pow pow_ prod put_ ravel reciprocal relu relu_ renorm repeat repeat_interleave requires_grad_ "
    "reshape reshape_as resize_ roll rot90 round rsqrt scatter scatter_ scatter_add scatter_add_ select sigmoid sign "
    "sin sinh softmax split sqrt square squeeze squeeze_ std sub sub_ subtract sum swapaxes t tan tanh tile transpose "
    "tril triu trunc unbind unflatten unfold uniform_ unsqueeze unsqueeze_ var view view_as where zero_ "
    "cat concat concatenate stack hstack vstack dstack zero_ random_ trapz trapezoid outer ger inner kron".split()
)
# Functions that give as many tensors as they are given, which must stand together (meshgrid in ATen's TensorShape.cpp).
SEVERAL = frozenset({"meshgrid", "broadcast_tensors"})
OTHER_DTYPE = frozenset(
    "all any argmax argmin argsort eq ge gt isfinite isinf isnan le logical_and logical_not logical_or lt max min ne "
    "nonzero sort topk kthvalue median mode unique bincount histc searchsorted bucketize type_as angle real imag".split()
)
# Functions not all of whose tensors meet: multi_head_attention_forward leaves in_proj_weight be where it has separate ones.
MEET_NOT = frozenset({"embedding", "multi_head_attention_forward"})
# Methods that modules do not have.
OF_TENSORS = SAME_DTYPE - {"apply"} | OTHER_DTYPE | {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
# Methods and functions whose result can be 0-dimensional.
REDUCTIONS = frozenset({"sum", "mean", "prod", "norm", "dot", "squeeze", "std", "var", "logsumexp", "max", "min", "trapz"})
TENSOR_ATTRIBUTES = frozenset({"T", "mT", "H", "data", "grad", "real", "imag"})

# Layers that hold no tensors, so that a move leaves them as they are; losses too, unless they are given weights.
STATELESS = re.compile(
    r"(?:Loss|ReLU6?|ELU|SELU|CELU|GELU|SiLU|Mish|Sigmoid|Tanh|Softmax|Softmax2d|LogSoftmax|Softplus|Identity|Dropout|"
    r"Dropout[123]d|Flatten|Unflatten|Upsample|PixelShuffle|(?:Max|Avg|AdaptiveAvg|AdaptiveMax)Pool[123]d|ZeroPad2d|"
    r"ReflectionPad[123]d|ReplicationPad[123]d|CosineSimilarity|PairwiseDistance|Hardswish|Hardtanh|Fold|Unfold)$"
)

# Functions and methods that give at least one dimension.
SHAPED = frozenset({"unsqueeze", "flatten", "stack", "cat", "concat", "concatenate", "repeat", "expand", "unfold"})

# Layers whose weights are floating, and so has to be what they are given.
FLOAT_LAYERS = re.compile(r"(?:Linear|Bilinear|Conv(?:Transpose)?[123]d|RNN|LSTM|GRU|TransformerEncoder)$")
FLOAT_FUNCTIONS = frozenset({"linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "bilinear"})
# Packages whose functions turn what they are given into arrays.
WANTS_ARRAYS = ("matplotlib.", "sklearn.", "scipy.", "seaborn.", "skimage.", "cv2.", "pandas.")

# Functions of torch.nn.functional keep device and dtype; losses take tensors that must stand together.
LOSSES = re.compile(r"(?:Loss|_loss|cross_entropy|binary_cross_entropy|binary_cross_entropy_with_logits|nll_loss|kl_div)$")

# Methods of torch.nn.Module that neither move nor hand the module on.
MODULE_METHODS = frozenset(
    "eval train parameters named_parameters state_dict load_state_dict requires_grad_ zero_grad modules children "
    "named_modules named_children buffers named_buffers apply register_forward_hook register_full_backward_hook "
    "register_forward_pre_hook add_module get_submodule share_memory extra_repr compile".split()
)
# Calls that may have a module for argument and leave it where it is.
LEAVES_MODULES = frozenset({
    "builtins.print", "builtins.isinstance", "builtins.type", "builtins.len", "builtins.id", "builtins.repr",
    "builtins.str", "builtins.hasattr", "builtins.getattr", "builtins.callable", "builtins.sum",
    "copy.deepcopy", "torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_", "torch.no_grad",
})
LEAVES_MODULES_PREFIXES = ("torch.optim.", "logging.")
# Bases that make no class a torch module.
PLAIN_BASES = frozenset({
    "builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic", "typing.NamedTuple", "enum.Enum", "builtins.dict",
    "builtins.list", "builtins.Exception", "torch.utils.data.Dataset", "torch.utils.data.IterableDataset",
})
# What a module's move takes along: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html
MOVE_WITH_MODULES = frozenset({
    "torch.nn.Parameter", "torch.nn.Buffer", "torch.nn.UninitializedParameter", "torch.nn.UninitializedBuffer",
})
# Modules that stand where those stand that they are made of.
CONTAINERS = frozenset({
    "Sequential", "ModuleList", "ModuleDict", "DataParallel", "DistributedDataParallel", "TransformerEncoder",
    "TransformerDecoder", "FullyShardedDataParallel",
})
# Wrappers: the module inside, where it stands.
WRAPPERS = frozenset({
    "torch.compile", "torch.nn.DataParallel", "torch.jit.script", "torch.nn.parallel.DistributedDataParallel",
})

# --- NumPy and friends -----------------------------------------------------------------------------------------------

# By the dtype of the array: float64 whatever is put in, that of the argument, or one that cannot be told.
NUMPY = {
    f"numpy.{name}": dtype
    for dtype, names in {
        "float64": "linspace logspace geomspace zeros ones empty eye identity loadtxt genfromtxt hanning hamming "
                   "blackman bartlett kaiser random.rand random.randn random.random random.random_sample "
                   "random.uniform random.normal random.standard_normal random.beta random.gamma random.exponential "
                   "random.poisson_ random.laplace random.dirichlet random.multivariate_normal random.ranf random.rayleigh random.lognormal random.gumbel "
                   "random.triangular random.weibull random.chisquare random.f random.t",
        "int64": "random.randint random.integers argsort argmax argmin where_ nonzero random.permutation_ bincount searchsorted digitize",
        "data": "array asarray asanyarray ascontiguousarray asfortranarray full",
        "range": "arange",
        "same": "zeros_like ones_like empty_like full_like abs absolute add subtract multiply maximum minimum clip "
                "concatenate stack hstack vstack dstack transpose reshape expand_dims squeeze ravel flip fliplr flipud "
                "rot90 roll repeat tile pad sum max min amax amin moveaxis swapaxes copy sort diff cumsum prod square "
                "negative take broadcast_to atleast_1d atleast_2d atleast_3d array_split split nan_to_num convolve dot "
                "matmul outer einsum round power",
        "float": "sqrt exp log log2 log10 log1p expm1 sin cos tan tanh arctan arctan2 sinh cosh mean std var divide "
                 "true_divide average median percentile quantile deg2rad rad2deg hypot degrees radians",
    }.items()
    for name in names.split()
}
ARRAY_METHODS = frozenset(
    "reshape transpose copy flatten ravel squeeze sum max min clip repeat swapaxes cumsum prod round take view "
    "to_numpy item".split()
)
# Calls that give uint8 images.
IMAGES = frozenset({"PIL.Image.open", "PIL.Image.new", "PIL.Image.fromarray"})
IMAGE_METHODS = frozenset({"convert", "resize", "crop", "rotate", "transpose", "copy", "thumbnail"})
IMAGE_ARRAYS = frozenset({"cv2.imread", "imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "skimage.io.imread"})

"""What a name gets that the file does not give it: a small tensor, a module, a path to a checkpoint.

A name says what it is by what is asked of it (``x.shape``, ``torch.load(x)``), by its annotation or its default, and by what
people call such things. What nothing is known of is not made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from .slice import Made

DEVICE = '"cuda" if torch.cuda.is_available() else "cpu"'
"""The GPU where the program finds one: as written CUDA's, once ported, when CUDA's names mean MPS, that of the Mac."""

_TENSOR = "torch.ones(2, 3, 8, 8)"
_MODULE = "torch.nn.Linear(8, 8)"
_LOADER = "[(torch.ones(2, 3, 8, 8), torch.zeros(2, dtype=torch.long))]"
CHECKPOINT = "made.pth"

# What a name is asked for, and what it is then.
_METHODS = {
    _MODULE: {"parameters", "state_dict", "load_state_dict", "eval", "train", "named_parameters", "zero_grad", "children", "modules"},
    _TENSOR: {
        "size", "shape", "dim", "ndim", "device", "dtype", "detach", "cpu", "view", "reshape", "permute", "unsqueeze", "squeeze",
        "numel", "mean", "sum", "requires_grad_", "item", "new_zeros", "new_tensor", "new_ones", "type_as", "flatten", "contiguous",
        "expand", "repeat", "transpose", "softmax", "argmax", "numpy", "clamp", "requires_grad", "is_cuda", "grad", "backward",
    },
}
_MOVES = {"cuda", "to", "half", "float", "double", "bfloat16"}  # of tensors and modules alike
_READS = {"torch.load", "torch.jit.load", "open"}
_READS_ARRAYS = re.compile(r"(?:torch\.from_numpy|(?:np|numpy)\..*|Image\.fromarray)$")
_ARRAY = "numpy.ones((8, 8), dtype=numpy.float32)"
_SPACE = re.compile(r"^(?:self|args?|opts?|cfg|conf|config|hparams|params|options|arguments|parsed_args|flags|FLAGS|hps|settings)$")

_ANNOTATIONS = {
    "int": "2", "float": "0.5", "bool": "True", "str": '"made"', "torch.Tensor": _TENSOR, "Tensor": _TENSOR,
    "nn.Module": _MODULE, "torch.nn.Module": _MODULE, "torch.device": f"torch.device({DEVICE})", "device": f"torch.device({DEVICE})",
    "np.ndarray": "numpy.ones((2, 3))", "numpy.ndarray": "numpy.ones((2, 3))", "DataLoader": _LOADER, "Path": f'"{CHECKPOINT}"',
    "list": "[]", "dict": "{}", "tuple": "()",
}

# What people call such things; the first that matches counts.
_NAMES = (
    (r"(?:^|_)(?:devices?|dev)$", f"torch.device({DEVICE})"),
    (r"(?:^|_)(?:loader|dataloader|data_loader)$|loader$", _LOADER),
    (r"(?:path|ckpt|checkpoint|file|filename|fname|weights?_?file|resume|pretrained)$", f'"{CHECKPOINT}"'),
    (r"^(?:num|n)_|(?:_size|_dim|dims?|channels|_len|length|width|height|steps|epochs|num_.*|size|rank|seed|batch_size)$", "2"),
    (r"^(?:lr|eps|alpha|beta|gamma|scale|dropout|p|momentum|weight_decay|temperature|sigma)$", "0.5"),
    (r"^(?:use|is|has|enable|do|with)_|^(?:verbose|debug|training|bias|amp|fp16|half|compile|shuffle|gpu|cuda)$", "True"),
    (r"(?:^|_)(?:dataset|data_set|train_set|test_set|val_set|set|ds)$", "torch.utils.data.TensorDataset(torch.ones(4, 3, 8, 8), torch.zeros(4, dtype=torch.long))"),
    (r"(?:^|_)(?:params|parameters)$", "[torch.nn.Parameter(torch.ones(2))]"),
    (r"(?:^|_)(?:model|net|network|module|encoder|decoder|generator|discriminator|backbone|layer|head|criterion|unet|vae|netG|netD)s?$", _MODULE),
    (
        r"(?:^|_)(?:x|y|z|input|inputs|img|image|images|imgs|batch|tensor|tensors|feat|feats|features|hidden|hidden_states|q|k|v|query|key|value|"
        r"mask|logits|pred|preds|output|outputs|out|noise|latent|latents|sample|samples|embeds?|embedding|emb|loss|data|src|tgt|audio|wav)$",
        _TENSOR,
    ),
    (r"(?:^|_)(?:target|targets|label|labels|labels?|tokens?|input_ids|ids|idx|indices)$", "torch.zeros(2, dtype=torch.long)"),
    (r"^(?:kwargs|options|opts)$", "{}"),
)
_ASSUMES = {f"torch.device({DEVICE})": "", _LOADER: ""}


def make(name: str, scope: Iterable[ast.AST], argument: ast.arg | None = None, default: ast.expr | None = None) -> Made | None:
    """The made input for a name of this scope; None for what nothing is known of."""
    scope = list(scope)
    if default is not None and not (isinstance(default, ast.Constant) and default.value is None) and _is_plain(default):
        return Made(name, ast.unparse(default), f"{name} keeps its default")
    annotation = ast.unparse(argument.annotation) if argument is not None and argument.annotation is not None else ""
    for text in (annotation, annotation.removeprefix("Optional[").removesuffix("]"), annotation.partition(" |")[0], annotation.partition("[")[0].lower()):
        if text in _ANNOTATIONS:
            return _of(name, _ANNOTATIONS[text])
    return _of(name, _asked(name, scope) or _called(name) or "")


def is_space(name: str) -> bool:
    """Whether people give options under such a name: ``args.lr``."""
    return _SPACE.match(name) is not None


def space(name: str, asking: Iterable[ast.AST], scope: list[ast.AST]) -> Made | None:
    """An object with the attributes that these nodes ask of a name; None where one of them is not to be made."""
    asking = list(asking)
    if is_space(name) and any(isinstance(node, ast.Subscript) and _is(node.value, name) for node in asking):
        return Made(name, "__import__('collections').defaultdict(lambda: 1)", f"{name} has such values")
    used = {node.attr for node in asking if isinstance(node, ast.Attribute) and _is(node.value, name)}
    parts, guessed = [], name != "self"
    for attribute in sorted(used):
        one = make(f"{name}.{attribute}", scope)
        if one is None and (not is_space(name) or _is_called(f"{name}.{attribute}", asking)):
            return None
        guessed = guessed or one is None
        parts.append(f"{attribute}={one.expression if one is not None else 2}")
    if not parts:
        return None
    return Made(name, f"types.SimpleNamespace({', '.join(parts)})", f"{name} has such values" if guessed else "")


def _is_called(name: str, nodes: list[ast.AST]) -> bool:
    return any(isinstance(node, ast.Call) and _is(node.func, name) for node in nodes)


def _of(name: str, expression: str) -> Made | None:
    if not expression:
        return None
    return Made(name, expression, f"{name} was saved from CUDA" if CHECKPOINT in expression else "")


def _asked(name: str, scope: list[ast.AST]) -> str | None:
    """By what is done with it."""
    asked = {node.attr for node in scope if isinstance(node, ast.Attribute) and _is(node.value, name)}
    for call in (node for node in scope if isinstance(node, ast.Call)):
        if ast.unparse(call.func) in _READS and call.args and _is(call.args[0], name):
            return f'"{CHECKPOINT}"'
        if _READS_ARRAYS.match(ast.unparse(call.func)) and any(_is(part, name) for one in call.args[:1] for part in ast.walk(one)):
            return _ARRAY
    called = _is_called(name, scope)
    if asked & _METHODS[_MODULE] or called and asked & {"cuda", "to"}:
        return _MODULE
    if asked & _METHODS[_TENSOR] or asked & _MOVES and not called:
        return _TENSOR
    return _MODULE if asked & _MOVES else None


def _called(name: str) -> str | None:
    """By its own name."""
    last = name.rpartition(".")[2]
    return next((expression for pattern, expression in _NAMES if re.search(pattern, last)), None)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) == name


def _is_plain(node: ast.expr) -> bool:
    """A number, a text, or such in a container: it says the same wherever it stands."""
    return all(isinstance(part, (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.Load)) for part in ast.walk(node))

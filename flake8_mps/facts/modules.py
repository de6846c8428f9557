"""Modules of torch.nn: made, called and put somewhere; datasets and loaders; functions of torch by their families."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..finding import Step
from . import functions, tables, transfer
from .arithmetic import ELSEWHERE, MAYBE_MPS, apart, as_tensor, given, result_of, together
from .values import (
    CPU, UNKNOWN, Batch, Class, Const, Function, Imported, Items, Many, Module, Moved, Name, Registered,
    Standing, Table, Tensor, Value, of_dtype, of_place,
)

if TYPE_CHECKING:
    from .calls import Arguments
    from .classes import ClassInfo
    from .interpreter import Interpreter

STATELESS = "stateless"  # the class of a module without tensors


class Elsewhere(NamedTuple):
    """The class of a module that this file does not show, and whether it certainly has weights or buffers."""

    has_weights: bool = False


def escape(run: Interpreter, args: Arguments) -> Value:
    """What an unknown method is given it may move."""
    for value in args.all():
        if type(value) is Module:
            run.env[value.site] = Standing()
    run.devices.handed_on(args.all())
    return UNKNOWN


def place(run: Interpreter, module: Module, standing: Standing) -> None:
    """Puts a module, and the modules that it was made of, somewhere."""
    if standing.at in MAYBE_MPS:
        run.kernels.moved(module)
    todo, seen = [module], set()
    while todo:
        part = todo.pop()
        if part.site not in seen:
            seen.add(part.site)
            run.env[part.site] = standing
            todo += run.children.get(part.site, ())


def forward(run: Interpreter, node: ast.Call, module: Module | Moved, args: Arguments) -> Value:
    """A module called on tensors; notes the ones that stand elsewhere."""
    if isinstance(module, Module) and module.site in run.kernels.layers:
        run.kernels.forward(run, node, module, args)
    standing = run.standing(module) if isinstance(module, Module) else Standing(module.at)
    if isinstance(module, Module) and module.cls == Elsewhere() and not standing.trail:
        standing = Standing()  # nobody moved it by itself, and it may hold nothing
    tensors = [value for value in map(as_tensor, args.all()) if isinstance(value, Tensor)]
    host = next((t for t in tensors if t.at == CPU), None)
    away = next((t for t in tensors if t.at in ELSEWHERE), None)
    own = module.cls if isinstance(module, Module) else None
    if hasattr(own, "mro") and any(info.places_itself for info in own.mro()):
        pass  # it moves what it is given
    elif standing.at in MAYBE_MPS and host is not None:
        apart(run, node, host, "input", of_place(standing.trail, "the model "))
    elif standing.at == CPU and away is not None:
        run.note("devices-meet", node, "module", trail=of_place(away.trail, "the input "))
    elif standing.at is None:
        together(run, node, tensors, "operands")
    if hasattr(own, "method") and tensors and (body := own.method("forward")) is not None:
        result = run_body(run, body, args, own)
        if result is not UNKNOWN:
            return on_cpu(result) if standing.at == CPU and away is None else result
    if isinstance(module, Module) and tables.FLOAT_LAYERS.search(module.layer):
        integers_into(run, node, tensors[:1])
    at = standing.at or (tensors[0].at if tensors else None)
    origin = tensors[0].origin if tensors and standing.at is None else None
    stands = of_place(standing.trail, "the model ") or (of_place(tensors[0].trail) if tensors else ())
    result = Tensor(at, standing.dtype, True, trail=stands, origin=origin)
    return result if isinstance(module, Module) and module.cls in (None, STATELESS) else Batch(result)


def run_body(run: Interpreter, body: Function, args: Arguments, info: ClassInfo) -> Value:
    """A method of a module, run with what its caller gives it: where that should stand is the caller's affair."""
    keywords = {name: given(value) for name, value in args.keywords.items()}
    return functions.call_function(run, body, [given(value) for value in args.positional], keywords, info)


def on_cpu(value: Value) -> Value:
    """What a module on the CPU makes of tensors on the CPU; its own code cannot know where it stands."""
    if isinstance(value, Tensor):
        return replace(value, at=CPU, origin=None)
    if isinstance(value, Batch):
        return Batch(on_cpu(value.each))
    return Items(tuple(map(on_cpu, value.items))) if isinstance(value, Items) else value


def integers_into(run: Interpreter, node: ast.Call, tensors: list[Tensor]) -> None:
    """Notes integers given to weights that are floating."""
    for tensor in tensors:
        if tensor.dtype in ("uint8", "int64", "int32", "int16", "int8", "bool"):
            run.note("integers-into-layer", node, tensor.dtype, trail=of_dtype(tensor.trail))


def torch_function(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """Functions and classes of torch that no table has by name."""
    short = name.rpartition(".")[2]
    if name in tables.WRAPPERS and args.positional and isinstance(args.positional[0], (Module, Moved)):
        return args.positional[0]
    if name in tables.MOVE_WITH_MODULES:
        return registered(args.get(0, "data"))
    if name == "torch.autograd.Variable":
        return args.get(0, "data") or UNKNOWN
    if name.startswith("torch.utils.data."):
        return _data(run, node, short, args)
    if name.startswith("torch.nn.") and short[:1].isupper():
        return _layer(run, node, short, args)
    tensors = [value for value in map(as_tensor, _flat(args)) if isinstance(value, Tensor)]
    if not tensors or name.startswith(tables.LEAVES_MODULES_PREFIXES):
        return escape(run, args) if tensors or not name.startswith(tables.LEAVES_MODULES_PREFIXES) and name not in tables.LEAVES_MODULES else UNKNOWN
    if short in tables.SEVERAL:
        together(run, node, tensors, "operands")
        return Many(result_of(tensors))
    if short in tables.SAME_DTYPE or short in tables.OTHER_DTYPE or name.startswith("torch.nn.functional."):
        if short not in tables.MEET_NOT:
            together(run, node, tensors, "operands")
        if short in tables.FLOAT_FUNCTIONS and name.startswith("torch.nn.functional."):
            integers_into(run, node, tensors[:1])
        result = result_of(tensors)
        if short in tables.OTHER_DTYPE:
            return Tensor(result.at, trail=of_place(result.trail))
        if transfer.dtype_of(args.get(None, "dtype")):
            result = transfer.moved(run, node, result, None, transfer.dtype_of(args.get(None, "dtype")), True)
        batched = short in tables.SHAPED or result.batched and short not in tables.REDUCTIONS and not tables.LOSSES.search(short)
        return Tensor(result.at, result.dtype, batched, result.host_data, result.trail, result.origin)
    return UNKNOWN


def registered(value: Value | None) -> Value:
    """What a module has once it has registered a tensor."""
    value = as_tensor(value or UNKNOWN)
    dtype = value.dtype if isinstance(value, Tensor) and value.dtype != "float64" else None
    return UNKNOWN if isinstance(value, Const) else Registered(dtype)


def _flat(args: Arguments) -> list[Value]:
    """The arguments, with those in lists: ``torch.cat([a, b])``."""
    values: list[Value] = []
    for value in args.all():
        values += value.items if isinstance(value, Items) else [value.each] if isinstance(value, Many) else (
            value.items.values() if isinstance(value, Table) else [value]
        )
    return values


def _layer(run: Interpreter, node: ast.Call, short: str, args: Arguments) -> Value:
    """A layer or a loss of torch.nn. A loss has no parameters: it stands nowhere."""
    inner = [value for value in _flat(args) if isinstance(value, Module)]
    run.children[node] = inner
    if tables.STATELESS.search(short) and not args.open and not {"weight", "pos_weight"} & args.keywords.keys():
        if not (short.endswith("Loss") and args.positional):
            return Module(node, STATELESS, short)
    if tables.LOSSES.search(short):
        at: str | None = None
    elif short in tables.CONTAINERS:
        places = {run.standing(module).at for module in inner if module.cls is not STATELESS}
        known = all(isinstance(value, Module) for value in _flat(args)) and not args.open
        at = places.pop() if len(places) == 1 and known else None
    else:
        at = None if args.open else transfer.place_of(args.get(None, "device"), run.default_place)
    dtype = transfer.dtype_of(args.get(None, "dtype")) if "dtype" in args.keywords else "float32"
    if dtype == "float64" and at in MAYBE_MPS:
        run.note("float64-requested", next((k.value for k in node.keywords if k.arg == "dtype"), node.func))
    run.env[node] = Standing(at, dtype)
    return Module(node, None, short)


def _data(run: Interpreter, node: ast.Call, short: str, args: Arguments) -> Value:
    """Datasets and loaders. A batch stands on the CPU, unless the dataset or ``collate_fn`` may have moved it."""
    if short == "TensorDataset":
        tensors = [value if isinstance(value, Tensor) else Tensor() for value in args.positional]
        return Many(Items(tuple(Tensor(t.at, t.dtype, True, t.host_data, t.trail) for t in tensors)))
    if short in ("Subset", "ConcatDataset", "random_split"):
        data = args.get(0, "dataset") or UNKNOWN
        return Many(data) if short == "random_split" else data
    if short != "DataLoader" or args.open:
        return UNKNOWN
    data = args.get(0, "dataset") or UNKNOWN
    if isinstance(data, Many) and isinstance(data.each, Items):
        return data
    if "collate_fn" in args.keywords or _moves_itself(run, data):
        return UNKNOWN
    trail = (Step(node.lineno, "on the CPU from DataLoader", "place"),)
    return Many(Batch(Tensor(CPU, None, True, False, trail)))


def _moves_itself(run: Interpreter, dataset: Value) -> bool:
    info = getattr(dataset, "info", None)
    return info is not None and any(base.places_itself for base in info.mro())


_WITHOUT_WEIGHTS = re.compile(f"Module$|{tables.LOSSES.pattern}|{tables.STATELESS.pattern}")
_REGISTERS = re.compile(r"\b(?:Buffer|Parameter(?:List|Dict)?)\(|register_(?:buffer|parameter)\(")


def holds_tensors(run: Interpreter, info: ClassInfo, seen: frozenset = frozenset()) -> bool:
    """True for a class that certainly has weights or buffers: one without, as most losses, stands nowhere."""
    if info in seen:
        return False
    for base in info.mro():
        if any(isinstance(other, Imported) and isinstance(other.what, Class) and holds_tensors(other.run, other.what.info)
               for other in base.bases):
            return True
        if any(isinstance(name, Name) and not _WITHOUT_WEIGHTS.search(name.name) for name in base.bases):
            return True
        if _REGISTERS.search(base.text):
            return True
        if any(isinstance(value, Module) and _has_weights(run, value, seen | {info}) for value in base.attributes.values()):
            return True
    return False


def _has_weights(run: Interpreter, module: Module, seen: frozenset) -> bool:
    if module.layer in tables.CONTAINERS:
        return any(_has_weights(run, part, seen) for part in run.children.get(module.site, ()))
    if hasattr(module.cls, "mro"):
        return holds_tensors(run, module.cls, seen)
    if isinstance(module.cls, Elsewhere):
        return module.cls.has_weights
    return module.cls is not STATELESS and not tables.LOSSES.search(module.layer)


def is_empty(run: Interpreter, module: Module) -> bool:
    """True for a module that holds no tensors, whatever it stands on: ``nn.ReLU()``, ``nn.Sequential()``."""
    call = module.site
    made_of_nothing = isinstance(call, ast.Call) and not call.args and not call.keywords and not run.children.get(call)
    return module.cls in (STATELESS, Elsewhere()) or module.layer == "Sequential" and made_of_nothing


def run_lambda(run: Interpreter, value: Value) -> None:
    """``map_location=lambda storage, location: storage.cuda()`` is run where it stands, with its guards."""
    if isinstance(value, Function) and isinstance(value.node, ast.Lambda) and value.node not in run.ran:
        functions.call_function(run, value, [], {})

"""Methods, by their names and by what they are called on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..finding import Step
from . import conditions, tables, transfer
from .arithmetic import MAYBE_MPS, as_tensor, result_of, together
from .devices import Use
from .guards import Fact, has
from .modules import STATELESS, escape, forward, place, registered
from .names import dotted, names_device, names_dtype
from .values import (
    CPU, CPU_DEVICE, GPU, OUTSIDE, OUTSIDE_DEVICE, UNKNOWN, Array, Batch, Const, Device, Flag, Function, Instance, Items,
    Many, Module, Moved, Name, Namespace, Standing, Table, Tensor, TensorType, Value, of_dtype, of_place, standing_on,
)

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter


_TELLING = frozenset(tables.CASTS) | {
    "to", "cuda", "get_device", "cpu", "mps", "numpy", "get", "type", "astype", "append", "pop", "add_argument", "parse_args", "parse_known_args", "startswith",
}


def call_method(run: Interpreter, node: ast.Call, receiver: Value, attr: str, args: Arguments) -> Value:
    """A method of something that is no class of this file."""
    if attr in run.kernels.methods:
        run.kernels.method(run, node, attr, receiver)
    if receiver is UNKNOWN and attr not in _TELLING:
        return escape(run, args)
    if attr == "get_device" and not node.args and dotted(node.func.value) != run.frame.receiver:  # type: ignore[attr-defined]
        return conditions.ORDINAL
    if attr == "to":
        return _to(run, node, receiver, args)
    if attr == "cuda":
        return _cuda(run, node, receiver, args)
    if attr in ("cpu", "mps"):
        if attr == "cpu":
            _float64_before_cpu(run, node)
        return move(run, node, receiver, CPU if attr == "cpu" else GPU, None, False)
    if attr in tables.CASTS and not args.positional:
        return move(run, node, receiver, None, tables.CASTS[attr], True)
    if isinstance(receiver, Batch) and attr not in ("items", "values", "keys", "get") or attr in tables.OF_TENSORS:
        receiver = as_tensor(receiver)
    if isinstance(receiver, Tensor):
        return _tensor_method(run, node, receiver, attr, args)
    if isinstance(receiver, Array):
        return transfer.array_method(run, node, receiver, attr, args)
    if isinstance(receiver, Module):
        kept = attr in ("eval", "train", "requires_grad_", "share_memory")
        return receiver if kept else _module_method(run, receiver, attr, args) if attr != "forward" else forward(run, node, receiver, args)
    if isinstance(receiver, (Table, Batch)):
        return _table_method(run, receiver, attr, node, args)
    if isinstance(receiver, Device):
        return _text_method(receiver, node, attr, args)
    return _by_name(run, node, receiver, attr, args)


def _by_name(run: Interpreter, node: ast.Call, receiver: Value, attr: str, args: Arguments) -> Value:
    """Methods that tell by their names alone."""
    if attr == "add_argument":
        option(run, node, args)
        return UNKNOWN
    if attr in ("parse_args", "parse_known_args"):
        return Namespace() if attr == "parse_args" else Items((Namespace(), UNKNOWN))
    elif attr in ("get", "pop") and len(args.positional) == 2 and isinstance(args.positional[1], Device):
        key = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
        return with_default(run, node, str(key), args.positional[1])
    elif attr == "type" and (wanted := args.get(0, "dtype")) is not None:
        run.devices.type_used(run, wanted, node, "cast")
        if transfer.dtype_of(wanted):
            return move(run, node, receiver, None, transfer.dtype_of(wanted), True)
    elif attr == "astype":  # only arrays and frames have it
        return transfer.array_method(run, node, Array(None, (), True), attr, args)
    elif attr == "append" and args.positional and isinstance(receiver, (Items, Many)):
        held = dotted(node.func.value)
        if held and held.startswith(f"{run.frame.receiver}."):
            run.keeps_modules(node.func.value, Items(tuple(args.positional)))
    elif attr == "register_buffer" and isinstance(receiver, Instance):
        _buffer(run, node, args)
    elif attr in ("parameters", "buffers") and isinstance(receiver, Instance) and receiver.info.may_be_module:
        return Many(Tensor(OUTSIDE))
    elif attr == "numpy" and not args.all():
        _left_by_is_cuda(run, node)
    elif attr == "startswith" and args.positional:
        return conditions.starts_with(receiver, node, args.positional[0])
    elif attr in ("eval", "train") and isinstance(receiver, Moved):
        return receiver
    return escape(run, args)


def _buffer(run: Interpreter, node: ast.Call, args: Arguments) -> None:
    """``self.register_buffer("pe", tensor)``."""
    name = args.get(0, "name")
    if isinstance(name, Const) and isinstance(name.value, str):
        run.env[f"{run.frame.receiver}.{name.value}"] = registered(args.get(1, "tensor"))
        run.bound_attributes.add(name.value)


def _left_by_is_cuda(run: Interpreter, node: ast.Call) -> None:
    """``x.cpu().numpy() if x.is_cuda else x.numpy()``: an x that may be on CUDA may be on MPS, and then comes here."""
    path = dotted(node.func.value)
    if path and has(run.guards, "cuda-device", False) and f"{path}.is_cuda" in run.source.text:
        run.note("numpy-on-device", node.func, "method")


def with_default(run: Interpreter, node: ast.Call, name: str, default: Value | None, how: str = "named") -> Value:
    """What the user says, or a default: ``os.environ.get("DEVICE", "cuda")``, ``getattr(args, "device", "cuda")``."""
    if not names_device(name):
        return UNKNOWN
    if not isinstance(default, Device):
        return OUTSIDE_DEVICE
    extra = frozenset({Fact("default", True, node)})
    run.devices.used(run, default, node, how, extra)
    return Device(frozenset(p._replace(guards=p.guards | extra) for p in default.places) | OUTSIDE_DEVICE.places)


def option(run: Interpreter, node: ast.Call, args: Arguments) -> None:
    """``parser.add_argument("--device", default="cuda")``: a CUDA default harms those who leave it be."""
    names = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    names = [name for name in names if isinstance(name, str)]
    long = next((name for name in names if name.startswith("--")), names[0] if names else "")
    dest = long.lstrip("-").replace("-", "_")
    default = args.get(None, "default")
    value = default if isinstance(default, Flag) else with_default(run, node, dest, default, "option")
    if value is not UNKNOWN:
        run.options[dest] = value


# --- moves and casts -------------------------------------------------------------------------------------------------


def _to(run: Interpreter, node: ast.Call, receiver: Value, args: Arguments) -> Value:
    if isinstance(receiver, Module) and receiver.cls is STATELESS:
        return receiver
    at, dtype, cast = None, None, False
    given = list(args.positional[:2])
    given += [args.keywords[name] for name in ("device", "dtype", "other") if name in args.keywords]
    for position, value in enumerate(given):
        if isinstance(value, Device):
            run.devices.used(run, value, node, "argument")
            run.devices.moving(node, value)
            at = standing_on(value)
            if at is None:
                return _moved_somewhere(run, node, receiver)
        elif isinstance(value, Tensor):
            if value.at is None:
                return _moved_somewhere(run, node, receiver)
            at, dtype, cast = value.at, value.dtype, True
        elif transfer.dtype_of(value):
            dtype, cast = transfer.dtype_of(value), True
        elif isinstance(value, Const) and isinstance(value.value, int) and not isinstance(value.value, bool):
            at = GPU  # an ordinal is one of the accelerator
        elif isinstance(value, Name) and names_device(value.name.rpartition(".")[2]):
            at = OUTSIDE
        elif value is UNKNOWN and position < len(node.args) and names_dtype(node.args[position]):
            cast = True
        elif not isinstance(value, Const):
            if isinstance(receiver, (Tensor, Module)) and position == 0 and "device" not in args.keywords:
                return _moved_somewhere(run, node, receiver)
            cast = cast or position > 0 or "dtype" in args.keywords
    return move(run, node, receiver, at, dtype, cast)


def _float64_before_cpu(run: Interpreter, node: ast.Call) -> None:
    """``x.double().cpu()``: what has to be brought to the CPU was made float64 where it was."""
    inner = node.func.value  # type: ignore[attr-defined]
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in ("double", "to", "type"):
        receiver = as_tensor(run.receivers.get(inner, CPU_DEVICE))
        where = receiver.at if isinstance(receiver, Tensor) else None
        if transfer.requested(inner) is not None and where is None and (receiver is UNKNOWN or isinstance(receiver, Tensor)):
            run.note("float64-requested", transfer.requested(inner))


def _moved_somewhere(run: Interpreter, node: ast.Call, receiver: Value) -> Value:
    """``.to(x)`` with an x that may be any device, or a dtype: no more is known."""
    run.receivers[node] = receiver
    if isinstance(receiver, Module):
        place(run, receiver, Standing())
        return receiver
    if isinstance(receiver, Batch):
        return Batch(Tensor(batched=receiver.each.batched))
    return Tensor(batched=receiver.batched) if isinstance(receiver, Tensor) else UNKNOWN


def _cuda(run: Interpreter, node: ast.Call, receiver: Value, args: Arguments) -> Value:
    """``x.cuda()``: CUDA as written, MPS once ported."""
    if isinstance(receiver, Module) and receiver.cls is STATELESS:
        return receiver
    if run.frame.name != "cuda" and not has(run.guards, "map_location") and run.is_torch:
        run.devices.use(node, Use("method", node, run.guards))
        run.needs_cuda(node)
    return move(run, node, receiver, GPU, None, False)


def move(run: Interpreter, node: ast.Call, receiver: Value, at: str | None, dtype: str | None, cast: bool) -> Value:
    """Something after a move or a cast; a module moves in place, a tensor gives another."""
    run.receivers[node] = receiver
    if isinstance(receiver, Tensor):
        return transfer.moved(run, node, receiver, at, dtype, cast)
    if isinstance(receiver, Batch):
        return Batch(transfer.moved(run, node, receiver.each, at, dtype, cast))
    if isinstance(receiver, Module):
        standing = run.standing(receiver)
        kept = dtype if cast else standing.dtype
        story = of_dtype(standing.trail)
        if cast:
            story = (transfer.step(node, f"{dtype} by .{node.func.attr}()"),) if dtype == "float64" else ()
        stands = transfer.placed(node, at) if at is not None else of_place(standing.trail)
        if kept == "float64" and (at or standing.at) in MAYBE_MPS:
            here, told = (transfer.requested(node), () if at else stands) if cast else (None, story)
            run.note("float64-requested", here or node.func, "", trail=told)
        run.uses_devices = run.uses_devices or at in MAYBE_MPS
        place(run, receiver, Standing(at or standing.at, kept, story + stands))
        return receiver
    if isinstance(receiver, Moved):
        _never(run, node, at or receiver.at, dtype, receiver.trail)
        return Moved(at or receiver.at, transfer.placed(node, at) or receiver.trail)
    if isinstance(receiver, (Array, Const, Device, Instance)):
        return receiver if not cast else UNKNOWN
    _never(run, node, at, dtype)
    if dtype == "float64" and at is None:
        return Tensor(None, dtype, True, False, (transfer.step(node, f"float64 by .{node.func.attr}()"),))
    return Moved(at, transfer.placed(node, at)) if at is not None else UNKNOWN


def _never(run: Interpreter, node: ast.Call, at: str | None, dtype: str | None, trail: tuple[Step, ...] = ()) -> None:
    """Notes a cast, of whatever it is, to a dtype that MPS has not."""
    if dtype == "float64" and at in MAYBE_MPS:
        run.note("float64-requested", transfer.requested(node) or node.func, "", trail=trail)
    elif dtype in tables.NEVER_ON_MPS and at in MAYBE_MPS:
        run.note("unsupported-dtype", transfer.requested(node, dtype) or node.func, dtype)


def dropped(run: Interpreter, node: ast.Call, result: Value) -> None:
    """A call whose result nobody keeps: harmless on a module, in vain on a tensor."""
    receiver = run.receivers.get(node)
    if receiver is None or not isinstance(node.func, ast.Attribute):
        return
    path = dotted(node.func.value)
    kept = path is not None or isinstance(node.func.value, ast.Subscript)  # else it was made to be dropped
    if result == receiver and isinstance(receiver, Tensor) and receiver.at is not None:
        return  # nothing to keep
    if kept and (isinstance(receiver, Tensor) or isinstance(receiver, Batch) and receiver.each.at is not None):
        cast = isinstance(result, Tensor) and result.at == as_tensor(receiver).at
        detail = "cast" if cast and as_tensor(receiver).dtype != "float64" else ""
        run.note("dropped-move", node, node.func.attr, detail, of_place(as_tensor(receiver).trail))
        result = Tensor()  # where it should stand is this one finding
    if isinstance(result, Moved) and not isinstance(receiver, Moved):
        result = Moved(result.at, result.trail, True)
    if path is not None and isinstance(result, (Moved, Tensor)):
        run.env[path] = result
        run.bound_attributes.add(path.rpartition(".")[2])


# --- methods of tensors, modules, dicts, texts -----------------------------------------------------------------------


def _tensor_method(run: Interpreter, node: ast.Call, tensor: Tensor, attr: str, args: Arguments) -> Value:
    if attr == "numpy":
        if tensor.at in MAYBE_MPS and not args.all():  # numpy(force=True) copies to the host
            run.note("numpy-on-device", node.func, "method", trail=of_place(tensor.trail))
        return Array(tensor.dtype, of_dtype(tensor.trail), tensor.batched)
    wanted = args.get(0, "dtype") if attr == "type" else None
    if isinstance(wanted, TensorType):
        run.devices.type_used(run, wanted, node, "cast")
        dtype = tables.LEGACY_DTYPES.get(wanted.name.rpartition(".")[2])
        return transfer.moved(run, node, tensor, GPU, dtype, True)
    if attr == "type" and args.positional:
        dtype = transfer.dtype_of(args.positional[0])
        return transfer.moved(run, node, tensor, None, dtype, True) if dtype else Tensor(None, None, tensor.batched)
    if attr.startswith("new_"):
        return _new(run, node, tensor, args)
    others = [as_tensor(value) for value in args.all()]
    tensors = [tensor, *(value for value in others if isinstance(value, Tensor))]
    if attr in tables.SAME_DTYPE:
        if len(tensors) > 1 and attr != "copy_":
            together(run, node, tensors, "operands")
        result = result_of(tensors)
        if transfer.dtype_of(args.get(None, "dtype")):
            result = transfer.moved(run, node, result, None, transfer.dtype_of(args.get(None, "dtype")), True)
        shaped = attr in ("view", "reshape") and _has_size(args)
        batched = shaped or attr in tables.SHAPED or result.batched and attr not in tables.REDUCTIONS
        return Tensor(result.at, result.dtype, batched, result.host_data, result.trail, result.origin)
    if attr in tables.OTHER_DTYPE:
        if attr == "type_as" and len(tensors) > 1:
            return Tensor(tensors[1].at, tensors[1].dtype, tensor.batched)
        return Tensor(tensor.at, trail=of_place(tensor.trail))
    return UNKNOWN


def _has_size(args: Arguments) -> bool:
    """True for ``view(1, -1)``, not for ``view(torch.int32)`` and ``view(())``."""
    first = args.positional[0] if args.positional else None
    return first is not None and not isinstance(first, Name) and first != Items(())


def _new(run: Interpreter, node: ast.Call, tensor: Value, args: Arguments) -> Value:
    """``x.new_zeros(...)``: where x stands, unless told."""
    if not isinstance(tensor, Tensor):
        return UNKNOWN
    dtype = args.get(None, "dtype")
    at = transfer.place_of(args.get(None, "device"), tensor.at)
    if transfer.dtype_of(dtype) == "float64" and at in MAYBE_MPS:
        run.note("float64-requested", next((k.value for k in node.keywords if k.arg == "dtype"), node.func))
    return Tensor(at, transfer.dtype_of(dtype) if dtype is not None else tensor.dtype, True)


def _module_method(run: Interpreter, module: Module, attr: str, args: Arguments) -> Value:
    by_hand = attr in ("parameters", "named_parameters", "buffers") and run.sets_data
    if by_hand or attr == "apply" and any(isinstance(value, Function) for value in args.positional) or "assign" in args.keywords:
        place(run, module, Standing())  # p.data = p.data.to(device), net.apply(lambda m: m.to(device))
    if attr in ("parameters", "buffers"):
        standing = run.standing(module)
        return Many(Tensor(standing.at, standing.dtype))
    if attr in ("add_module", "append", "insert"):
        run.children[module.site] = [*run.children.get(module.site, ()), *(v for v in args.all() if isinstance(v, Module))]
    if attr not in tables.MODULE_METHODS:
        place(run, module, Standing())
    return module if attr == "apply" else UNKNOWN


def _table_method(run: Interpreter, receiver: Table | Batch, attr: str, node: ast.Call, args: Arguments) -> Value:
    if isinstance(receiver, Batch):
        each: Value = receiver.each
        return Many(Items((UNKNOWN, each))) if attr == "items" else Many(each) if attr == "values" else each
    key = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if attr in ("get", "pop", "setdefault"):
        default = args.get(1, "default")
        return receiver.items[key] if key in receiver.items else with_default(run, node, str(key), default)
    if attr in ("values", "items") and len(receiver.items) <= 8:
        pairs = receiver.items.items()
        return Items(tuple(v if attr == "values" else Items((Const(k), v)) for k, v in pairs))
    return Many(Items((UNKNOWN, UNKNOWN))) if attr == "items" else UNKNOWN


def _text_method(device: Device, node: ast.Call, attr: str, args: Arguments) -> Value:
    """``"cuda:{}".format(rank)``, ``device.lower()``."""
    if attr in ("format", "lower", "strip", "join", "replace"):
        return device
    return conditions.starts_with(device, node, args.positional[0]) if attr == "startswith" and args.positional else UNKNOWN

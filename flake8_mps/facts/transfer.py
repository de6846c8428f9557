"""What torch's factories and NumPy's functions give: where, of which dtype, and since which line."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..finding import Step
from . import tables
from .arithmetic import MAYBE_MPS, as_tensor
from .values import CPU, GPU, OUTSIDE, UNKNOWN, Array, Const, Device, Items, Many, Name, Tensor, Value, of_dtype, of_place, standing_on

if TYPE_CHECKING:
    from .calls import Arguments
    from .interpreter import Interpreter


def step(node: ast.AST, text: str) -> Step:
    return Step(node.lineno, text)  # type: ignore[attr-defined]


def placed(node: ast.AST, at: str | None) -> tuple[Step, ...]:
    """The story of a value that a call has just put somewhere."""
    text = "moved to the CPU" if at == CPU else "moved to the device" if at in MAYBE_MPS else ""
    return (Step(node.lineno, text, "place"),) if text else ()  # type: ignore[attr-defined]


def dtype_of(value: Value | None) -> str | None:
    """The dtype that an argument names: ``torch.float64``, ``np.float32``, ``float``, ``"f4"``."""
    if isinstance(value, Name):
        return tables.DTYPES.get(value.name)
    if isinstance(value, Const) and isinstance(value.value, str):
        return tables.DTYPE_TEXT.get(value.value)
    return None


def place_of(value: Value | None, absent: str | None) -> str | None:
    """Where a ``device=`` argument leads; ``absent`` when there is none."""
    if value is None or isinstance(value, Const) and value.value is None:
        return absent
    return standing_on(value) if isinstance(value, Device) else OUTSIDE


# --- torch -----------------------------------------------------------------------------------------------------------


_ON = {CPU: "made on the CPU", GPU: "made on the device", OUTSIDE: "made on the device"}


def factory(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """A tensor made from nothing, from data, or like another."""
    kind, short = tables.FACTORIES[name], name.rpartition(".")[2]
    data = as_tensor(args.get(0, "data") or args.get(0, "input") or UNKNOWN)
    made = _made(run, node, kind, short, data, args)
    dtype_given = args.get(None, "dtype")
    at = place_of(args.get(None, "device"), made.at)
    dtype = made.dtype if dtype_given is None else dtype_of(dtype_given)
    if dtype in tables.NEVER_ON_MPS and at in MAYBE_MPS and not args.open:
        if "empty" in short:
            return Tensor(at)  # memory alone has no dtype: only what fills or reads it fails
        run.note("unsupported-dtype", next((k.value for k in node.keywords if k.arg == "dtype"), node.func), dtype)
    elif dtype == "float64" and at in MAYBE_MPS and not args.open:
        if dtype_given is not None:
            run.note("float64-requested", next((k.value for k in node.keywords if k.arg == "dtype"), node.func))
        elif made.host_data:
            run.note("float64-moved", node.func, "factory", trail=of_dtype(made.trail))
    trail = of_dtype(made.trail) or ((step(node, f"{dtype} from {short}"),) if dtype == "float64" else ())
    stands = (Step(node.lineno, f"{_ON[at]} by {short}", "place"),) if at in _ON and not isinstance(data, Tensor) else ()
    trail += stands or of_place(made.trail)
    origin = node.func if at == CPU and isinstance(node.func, (ast.Attribute, ast.Name)) else None
    host_data = made.host_data and dtype_given is None
    run.uses_devices = run.uses_devices or at in MAYBE_MPS
    return Tensor(None if args.open else at, dtype, made.batched, host_data, trail, origin)


def _made(run: Interpreter, node: ast.Call, kind: str, short: str, data: Value, args: Arguments) -> Tensor:
    """The tensor before ``device=`` and ``dtype=`` have their say."""
    host = run.default_place
    if kind == "data":
        if isinstance(data, Tensor):
            return data if short != "tensor" else Tensor(data.at, data.dtype, data.batched, data.host_data, data.trail)
        if data is UNKNOWN and short != "from_numpy" and _is_indexed(run, node):
            return Tensor()  # a tensor itself, and wherever that is
        dtype, trail = data_dtype(data, "float32")
        batched = short == "from_numpy" or isinstance(data, (Items, Many)) or isinstance(data, Array) and data.shaped
        return Tensor(CPU if short == "from_numpy" else host, dtype, batched, True, trail)
    if kind == "like":
        return data if isinstance(data, Tensor) else Tensor()
    if kind.startswith("legacy"):
        return Tensor(host, tables.LEGACY_DTYPES[short], bool(args.positional))
    if kind == "range":
        numbers = [value.value for value in args.positional if isinstance(value, Const)]
        if any(isinstance(number, float) for number in numbers):
            return Tensor(host, "float32", True)
        return Tensor(host, "int64" if len(numbers) == len(args.positional) else None, True)
    return Tensor(host, "float32" if kind == "default" else kind, bool(args.positional) or bool(args.keywords))


def _is_indexed(run: Interpreter, node: ast.Call) -> bool:
    """True for data that this file indexes in several dimensions: no list of Python's."""
    data = node.args[0] if node.args else None
    return isinstance(data, ast.Name) and f"{data.id}[:, " in run.source.text


def data_dtype(data: Value, floats: str | None) -> tuple[str | None, tuple[Step, ...]]:
    """The dtype of data given as arrays, numbers or lists of these; ``floats`` is that of Python floats."""
    if isinstance(data, Array):
        return data.dtype, data.trail
    if isinstance(data, Const):
        kind = type(data.value)
        return {float: floats, int: "int64", bool: "bool"}.get(kind), ()
    parts = data.items if isinstance(data, Items) else (data.each,) if isinstance(data, Many) else ()
    known = [data_dtype(part, floats) for part in parts]
    for wanted in ("float64", floats):
        for dtype, trail in known:
            if dtype == wanted:
                return dtype, trail
    return (known[0] if known and len({dtype for dtype, _ in known}) == 1 else (None, ()))


def moved(run: Interpreter, node: ast.Call, tensor: Tensor, at: str | None, dtype: str | None, cast: bool) -> Tensor:
    """A tensor after ``.to(device, dtype)``, ``.cuda()``, ``.double()``; notes float64 that a Mac would refuse.

    ``at`` None leaves it where it is; ``cast`` says that a dtype was given, known or not.
    """
    target, result = at or tensor.at, dtype if cast else tensor.dtype
    stands = placed(node, at) if at is not None and at != tensor.at else of_place(tensor.trail)
    run.uses_devices = run.uses_devices or at in MAYBE_MPS
    if result in tables.NEVER_ON_MPS and target in MAYBE_MPS:
        run.note("unsupported-dtype", requested(node, result) or node.func, result)
    if result == "float64" and target in MAYBE_MPS:
        if cast:
            run.note("float64-requested", requested(node) or node.func, "", trail=() if at else of_place(tensor.trail))
        elif not tensor.host_data:
            run.note("float64-kept", requested(node) or node.func, "", trail=of_dtype(tensor.trail))
        else:
            run.note("float64-moved", node.func, "move", trail=of_dtype(tensor.trail))
        return Tensor(target, None, tensor.batched, trail=stands)
    trail = of_dtype(tensor.trail)
    if cast:
        trail = (step(node, f"{dtype} by .{node.func.attr}()"),) if dtype == "float64" else ()
    origin = tensor.origin if target == CPU else None
    return Tensor(target, result, tensor.batched, tensor.host_data and not cast, trail + stands, origin)


def requested(node: ast.Call, dtype: str = "float64") -> ast.AST | None:
    """Where a call asks for a dtype: the argument of ``.to(torch.float64)``, the name of ``.double()``; None if not."""
    for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
        name = argument.attr if isinstance(argument, ast.Attribute) else getattr(argument, "id", "")
        if tables.DTYPES.get(f"torch.{name}") == dtype:
            return argument
    return node.func if tables.CASTS.get(getattr(node.func, "attr", "")) == dtype else None


# --- NumPy -----------------------------------------------------------------------------------------------------------


def numpy(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """An array of NumPy's making; without ``dtype=``, most are float64."""
    kind, short = tables.NUMPY[name], name.replace("numpy.", "np.")
    wants_array(run, node, args)
    dtype_given = args.get(None, "dtype") or next((v for v in args.positional[1:] if dtype_of(v) and isinstance(v, Name)), None)
    if dtype_given is not None:
        dtype = dtype_of(dtype_given)
        return Array(dtype, (step(node, f"float64 asked of {short}"),) if dtype == "float64" else (), True)
    data = args.get(0, "a") or UNKNOWN
    if kind in ("float64", "int64"):
        dtype, trail = kind, ()
    elif kind == "range":
        numbers = [value.value for value in args.positional if isinstance(value, Const)]
        is_float = any(isinstance(number, float) for number in numbers)
        dtype, trail = ("float64" if is_float else None), ()
    else:
        source = args.get(1, "fill_value") if short == "np.full" else data
        dtype, trail = data_dtype(source or UNKNOWN, "float64")
        if kind == "float" and dtype not in (None, "float32", "float16", "complex64", "complex128"):
            dtype = "float64"
    if dtype == "float64" and not trail:
        trail = (step(node, f"float64 from {short}"),)
    shaped = isinstance(data, (Items, Many)) or getattr(data, "shaped", False) or kind == "range"
    shaped = shaped or kind == "float64" and (".random." not in short or "size" in args.keywords or short.endswith("rand"))
    return Array(dtype, trail, shaped)


def wants_array(run: Interpreter, node: ast.Call, args: Arguments) -> None:
    """Notes tensors on a device that are given to NumPy, or to what asks NumPy to convert them."""
    for value in map(as_tensor, args.positional):
        if isinstance(value, Tensor) and value.at in MAYBE_MPS:
            run.note("numpy-on-device", node.func, "function", trail=of_place(value.trail))


def array_method(run: Interpreter, node: ast.Call, array: Array, attr: str, args: Arguments) -> Value:
    """``a.astype(...)`` and the methods that keep or change the dtype."""
    asked = dtype_of(args.get(None, "dtype") or (args.get(0, "dtype") if attr == "view" else None))
    if asked is not None and attr != "astype":
        return Array(asked, (step(node, f"float64 by .{attr}()"),) if asked == "float64" else (), array.shaped)
    if attr == "astype":
        dtype = dtype_of(args.get(0, "dtype"))
        return Array(dtype, (step(node, "float64 by .astype()"),) if dtype == "float64" else (), array.shaped)
    if attr in ("mean", "std", "var"):
        dtype = "float64" if array.dtype in ("float64", "int64", "int32", "uint8", "bool") else array.dtype
        return Array(dtype, array.trail or (step(node, f"float64 from .{attr}()"),) if dtype == "float64" else ())
    if attr in tables.ARRAY_METHODS or attr in tables.IMAGE_METHODS:
        return array
    return UNKNOWN


def scalar(name: str, value: Value | None) -> Value:
    """``float(x)``, ``int(x)``: a Python number whose value is not known."""
    return Const(0.0) if name == "builtins.float" and not isinstance(value, Device) else UNKNOWN

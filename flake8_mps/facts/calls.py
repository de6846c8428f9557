"""What a call gives and does: the file's own functions and classes, torch's and NumPy's functions, modules, methods."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from . import files, functions, iterables, kinds, methods, modules, packages, releases, tables, transfer
from .conditions import asks
from .guards import Fact, has
from .lookups import attribute_of
from .names import last_name, names_other_device
from .values import (
    GPU, OTHER_DEVICE, OUTSIDE_DEVICE, PORTABLE_DEVICE, UNKNOWN, Array, Class, Device, Flag, Function, Imported, Instance,
    Items, Module, Moved, Name, Standing, Table, Tensor, TensorType, Value,
)

if TYPE_CHECKING:
    from .interpreter import Interpreter


class Arguments(NamedTuple):
    """The evaluated arguments of a call. ``open``: ``*args`` or ``**kwargs`` may hold more."""

    positional: list[Value]
    keywords: dict[str, Value]
    open: bool

    def get(self, position: int | None, keyword: str) -> Value | None:
        if keyword in self.keywords:
            return self.keywords[keyword]
        if position is not None and position < len(self.positional):
            return self.positional[position]
        return None

    def all(self) -> list[Value]:
        return [*self.positional, *self.keywords.values()] if self.keywords else self.positional


def call(run: Interpreter, node: ast.Call) -> Value:
    """Evaluates a call: who is called, with what, and to what effect."""
    function = node.func
    if isinstance(function, ast.Attribute):
        receiver = run.eval(function.value)
        callee = attribute_of(run, receiver, function)
        if isinstance(callee, Device):
            callee = UNKNOWN  # x.get_device(): the name of a device, but a method
        if callee is not UNKNOWN:
            run.values[function] = callee
        if type(callee) is Name:
            callee = run.devices.typed(run, callee, function)
    else:
        receiver, callee = None, run.eval(function)
        if type(callee) in (Function, Class):
            run.values[function] = callee
    run.reach(node)
    args = _arguments(run, node, callee)
    kind = type(callee)
    if kind is TensorType:
        run.devices.type_used(run, callee, node, "called")
        name = tables.LEGACY_DTYPES.get(callee.name.rpartition(".")[2])
        result = Tensor(GPU, name, bool(args.positional))
    elif kind is Name:
        run.arguments[node] = args
        result = _named(run, node, callee.name, args)
        run.kernels.called(run, node, callee.name, args, result)
    elif kind is Function:
        result = _own_function(run, node, callee, args)
    elif kind is Instance and (body := callee.info.method("__call__")) is not None:
        result = functions.call_function(run, body, args.positional, args.keywords, callee.info)
    elif kind is Class:
        result = instance(run, node, callee, args)
    elif kind is Imported:
        result = run.project.call(run, node, callee, args)
    elif kind is Flag and not args.positional:
        result = callee
    elif kind is Module or kind is Moved and receiver is None:
        result = modules.forward(run, node, callee, args)
    elif receiver is not None:
        result = methods.call_method(run, node, receiver, function.attr, args)
    else:
        result = _unknown(run, node, args)
    if result is UNKNOWN and names_other_device(last_name(function)):
        result = OTHER_DEVICE
    if result is not UNKNOWN:
        run.values[node] = result
    return result


def _arguments(run: Interpreter, node: ast.Call, callee: Value) -> Arguments:
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    is_open = False
    place = tables.MAP_LOCATION.get(callee.name) if type(callee) is Name else None
    guards = run.guards
    if type(callee) is Name and callee.name.startswith("torch.distributed."):
        run.guards = guards | {Fact("several", True, node)}  # what processes exchange
    for position, argument in enumerate(node.args):
        value = _map_location(run, argument) if position == place else run.eval(argument)
        if value is not UNKNOWN:
            run.values[argument] = value
        if isinstance(argument, ast.Starred):
            positional += value.items if isinstance(value, Items) else ()
            is_open = is_open or not isinstance(value, Items)
        else:
            positional.append(value)
    for keyword in node.keywords:
        run.reach(keyword)
        value = _map_location(run, keyword.value) if keyword.arg == "map_location" else run.eval(keyword.value)
        if keyword.arg is None:
            is_open = is_open or not isinstance(value, Table)
            keywords.update(value.items if isinstance(value, Table) else {})
        else:
            keywords[keyword.arg] = value
        if value is not UNKNOWN:
            run.values[keyword.value] = value
    if keywords:
        _device_keywords(run, node, callee, keywords)
    run.guards = guards
    return Arguments(positional, keywords, is_open)


def _map_location(run: Interpreter, node: ast.expr) -> Value:
    """The argument of a load; what it names is that rule's business. A lambda is run where it stands."""
    guards = run.guards
    run.guards = guards | {Fact("map_location", True, node)}
    value = run.eval(node)
    modules.run_lambda(run, value)
    run.guards = guards
    return value


def _device_keywords(run: Interpreter, node: ast.Call, callee: Value, keywords: dict[str, Value]) -> None:
    """``device=`` and ``map_location=`` of whatever call, but for frameworks with devices of their own."""
    if isinstance(callee, Name) and callee.name.partition(".")[0] in tables.NOT_TORCH:
        return
    if isinstance(callee, Name) and callee.name in tables.OWN_DEVICE_RULES:
        return
    for keyword in ("device", "map_location"):
        if keyword in keywords and not _has_parameter(callee, keyword):  # the body says what becomes of one
            value = keywords[keyword]
            run.devices.used(run, value, node, "map_location" if keyword == "map_location" else "argument")
            if isinstance(value, Table):
                for item in value.items.values():
                    run.devices.used(run, item, node, keyword)


def _has_parameter(callee: Value, name: str) -> bool:
    """True for a parameter of one of the file's own functions or classes; what ``**kwargs`` takes is handed on."""
    if isinstance(callee, Class):
        initialiser = callee.info.method("__init__")
        return initialiser is None or _has_parameter(initialiser, name)
    if not isinstance(callee, Function):
        return False
    given = callee.node.args
    return given.kwarg is None or any(one.arg == name for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))


# --- the file's own --------------------------------------------------------------------------------------------------


def _own_function(run: Interpreter, node: ast.Call, function: Function, args: Arguments) -> Value:
    owner = function.owner.info if isinstance(function.owner, Instance) else None
    if owner is not None and isinstance(node.func, ast.Attribute):
        module = run.values.get(node.func.value)
        if isinstance(module, Module) and owner.places_itself:
            run.env[module.site] = Standing()
        if isinstance(module, Module):
            return modules.run_body(run, function, args, owner)
    return functions.call_function(run, function, args.positional, args.keywords, owner, node)


def instance(run: Interpreter, node: ast.Call, cls: Class, args: Arguments) -> Value:
    functions.initialise(run, cls.info, args.positional, args.keywords)
    for module in functions.modules_in(Items(tuple(args.all()))) if cls.info.places_itself else ():
        run.env[module.site] = Standing()  # Trainer(model) moves it, now or later
    if not cls.info.is_module:
        return Instance(cls.info)
    given = [value for value in args.all() if isinstance(value, Module)]
    run.children[node] = given
    elsewhere = any(isinstance(value, (Device, Moved)) for value in args.all()) or args.open
    elsewhere = elsewhere or any(run.standing(module).at != "cpu" for module in given)
    elsewhere = elsewhere or not modules.holds_tensors(run, cls.info)
    if elsewhere or cls.info.places_itself or cls.info.calls_what_it_is_given:
        run.env[node] = Standing(None, "float32")
    else:
        run.env[node] = Standing("cpu", "float32")
    return Module(node, cls.info)


# --- by name ---------------------------------------------------------------------------------------------------------


def _named(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """A call of something imported or built in."""
    handler = run.calls.get(name)
    if handler is not None:
        return handler(run, node, name, args)
    if tables.NEEDS_CUDA.match(name):
        run.needs_cuda(node)
    if name in tables.FACTORIES:
        return transfer.factory(run, node, name, args)
    if name in tables.NUMPY:
        return transfer.numpy(run, node, name, args)
    if name.startswith("numpy.") and name in tables.DTYPES:
        return Array(tables.DTYPES[name], (transfer.step(node, f"{name.replace('numpy', 'np')} scalar"),))
    if name in tables.IMAGES or name in tables.IMAGE_ARRAYS:
        return Array("uint8", (), True)
    if name.partition(".")[0] in tables.NOT_TORCH:
        return packages.called(run, node, name)
    if name.rpartition(".")[2] in packages.IMPORTERS:
        return packages.by_call(run, node, name, args)
    if name.rpartition(".")[2] in ("option", "Option", "argument", "Argument", "DEFINE_string"):
        methods.option(run, node, args)  # click, typer, absl
    if name in ("dataclasses.field", "attr.ib", "attrs.field", "pydantic.Field"):
        return args.get(None, "default") or UNKNOWN
    flag = asks(name, node) or releases.called(run, name, node, args)
    if flag is not None:
        return flag
    if name.startswith(tables.WANTS_ARRAYS):
        transfer.wants_array(run, node, args)
    if name.startswith("torch."):
        return modules.torch_function(run, node, name, args)
    return _unknown(run, node, args)


def _unknown(run: Interpreter, node: ast.Call, args: Arguments) -> Value:
    """A function this file does not show: it may move the modules that it is given, and use devices as such."""
    telling = [value for value in args.all() if type(value) in _HANDED_ON]
    if telling:
        callee = run.values.get(node.func)
        name = callee.name if isinstance(callee, Name) else ""
        leaves = name in tables.LEAVES_MODULES or name.startswith(tables.LEAVES_MODULES_PREFIXES)
        uses = not name.startswith(("builtins.", "logging.")) and name.partition(".")[0] not in tables.NOT_TORCH
        run.devices.handed_on(telling if uses else ())
        for value in telling:
            if uses:
                run.devices.chosen(run, value, node)
            for module in () if leaves else functions.modules_in(value):
                run.env[module.site] = Standing()
    return _of_dtype(node, args)


def _of_dtype(node: ast.Call, args: Arguments) -> Value:
    """``to_tensor(weights, dtype=torch.float64)``: whoever made it, it is float64, and cannot be moved as it is."""
    dtype = args.keywords.get("dtype")
    if isinstance(dtype, Name) and dtype.name in ("torch.float64", "torch.double") and not args.open:
        return Tensor(None, "float64", False, False, (transfer.step(node, f"float64 asked of {last_name(node.func)}()"),))
    return UNKNOWN


_HANDED_ON = (Device, Module, Items)


def _device(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    value = args.get(0, "device") or args.get(0, "type")
    run.devices.used(run, value or UNKNOWN, node, "made")
    return value if isinstance(value, Device) else OUTSIDE_DEVICE


def _current_gpu(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """The number of a CUDA device, which names it where the machine was asked for CUDA; elsewhere the call raises."""
    return run.devices.literal(run, node.func, "cuda") if has(run.guards, "cuda") else UNKNOWN


def _use_device(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    run.devices.used(run, args.get(0, "device") or UNKNOWN, node, "argument")
    return UNKNOWN


def _default_type(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    run.devices.type_used(run, args.get(0, "t"), node, "default")
    return UNKNOWN


def _default_dtype(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    if transfer.dtype_of(args.get(0, "d")) == "float64":
        run.default_float64.append((node, run.guards))
    return UNKNOWN


def _portable(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    run.devices.portable += 1
    return PORTABLE_DEVICE


def _same(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``bool(flag)``, ``str(device)``; a number made of an array or a tensor is one of Python's."""
    value = args.get(0, "x")
    if isinstance(value, (Array, Tensor)):
        return transfer.scalar(name, value)
    return value if isinstance(value, (Flag, Device, Items)) else transfer.scalar(name, value)


def _getattr(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``getattr(torch.backends, "mps", None)``, ``hasattr(torch, "mps")``."""
    holder, attr = args.get(0, "object"), node.args[1] if len(node.args) > 1 else None
    text = attr.value if isinstance(attr, ast.Constant) and isinstance(attr.value, str) else None
    if not isinstance(holder, Name) or text is None:
        return methods.with_default(run, node, text or "", args.get(2, "default"))
    full = f"{holder.name}.{text}"
    flag = asks(full, node)
    if flag is not None and "mps" in full:
        run.devices.portable += 1
    return flag if name == "builtins.hasattr" and flag is not None else Name(full) if name == "builtins.getattr" else UNKNOWN


def _dict(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    for key, value in args.keywords.items():
        run.devices.named(run, key, value)
    return Table(args.keywords) if not args.positional and not args.open else UNKNOWN


def _generator(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """Its methods are the functions of numpy.random."""
    return Name("numpy.random")


def _environment(run: Interpreter, node: ast.Call, name: str, args: Arguments) -> Value:
    """``os.environ.get("DEVICE", "cuda")``: the user's, with a default."""
    text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
    return methods.with_default(run, node, str(text), args.get(1, "default"))


CALLS: dict[str, Callable[[Interpreter, ast.Call, str, Arguments], Value]] = {
    "torch.device": _device,
    "torch.cuda.current_device": _current_gpu,
    "torch.set_default_device": _use_device,
    "torch.set_default_dtype": _default_dtype,
    "torch.set_default_tensor_type": _default_type,
    "torch.accelerator.current_accelerator": _portable,
    "builtins.dict": _dict,
    "builtins.bool": _same,
    "builtins.int": _same,
    "builtins.float": _same,
    "builtins.str": _same,
    "builtins.tuple": iterables.same,
    "builtins.list": iterables.same,
    "builtins.iter": iterables.same,
    "builtins.sorted": iterables.same,
    **dict.fromkeys(releases.PARSERS, iterables.same),
    "builtins.reversed": iterables.same,
    "tqdm.tqdm": iterables.same,
    "tqdm.auto.tqdm": iterables.same,
    "tqdm.trange": iterables.same,
    "tqdm.notebook.tqdm": iterables.same,
    "builtins.len": iterables.length,
    "builtins.any": iterables.any_or_all,
    "builtins.all": iterables.any_or_all,
    "builtins.range": iterables.count,
    "builtins.next": iterables.one_or_all,
    "builtins.map": iterables.mapped,
    "builtins.enumerate": iterables.side_by_side,
    "builtins.zip": iterables.side_by_side,
    "builtins.isinstance": kinds.asked,
    "torch.is_tensor": kinds.asked,
    **dict.fromkeys(("torch.save", "torch.jit.save"), files.saved),
    **dict.fromkeys(("torch.load", "torch.jit.load"), files.loaded),
    "builtins.getattr": _getattr,
    "builtins.hasattr": _getattr,
    "numpy.random.default_rng": _generator,
    "numpy.random.RandomState": _generator,
    "os.environ.get": _environment,
    "os.getenv": _environment,
}

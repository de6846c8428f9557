"""Public names of PyTorch and the operators they reach, recorded by calling them.

Samples: `op_db` of torch.testing._internal.common_methods_invocations for functions and methods, `module_db` of
common_modules for layers, and by_hand.py for what these leave out. Names: every public attribute of torch, torch.linalg,
torch.fft, torch.special, torch.nn.functional and torch.Tensor that is the very object a sample calls.
"""

from __future__ import annotations

import inspect
import signal
import warnings
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_map

from operator_table import by_hand
from operator_table.recorder import Reached, Recorder, install, to_device

NAMESPACES = {
    "torch": torch,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
    "torch.nn.functional": torch.nn.functional,
}
METHODS = "torch.Tensor."
SAMPLES, IN_PLACE_SAMPLES, SECONDS = 100, 10, 20
# What the machine must have for a sample, not what an operator does.
NOT_HERE = ("jiterator", "_flash_attention", "_efficient_attention", "_scaled_mm", "sparse.", "_cudnn")
DIMENSIONS = "dimensions"
"""Of the first tensor of a call, among its literals."""


@dataclass
class Call:
    """One recorded call: what it reached, whether it ran to its end, and its arguments that are literals, by name.

    `trivial`: its first tensor is empty or has no dimensions, for which many functions take a way of their own.
    """

    reached: Reached
    complete: bool
    trivial: bool = False
    literals: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameters:
    """Of what is called: those that may be given by position, in order, and the defaults that are literals."""

    positional: tuple[str, ...] = ()
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Api:
    """What is called by these public names, as in ("torch.svd", "torch.Tensor.svd").

    `key`: the name in PyTorch's tests.
    """

    key: str
    names: tuple[str, ...]
    calls: list[Call]
    parameters: Parameters


def record(wanted: Container[str] | None = None) -> Iterator[Api]:
    """Every API, or those with one of these names. Installs the stand-in device in this process, once."""
    install()
    for info in op_db:
        if info.dtypes and not any(word in info.name for word in NOT_HERE) and _is_wanted(names(info), wanted):
            yield _recorded_function(info)
            yield from _recorded_in_place(info)
    for info in module_db:
        name = f"torch.{info.name}"
        lazy = issubclass(info.module_cls, torch.nn.modules.lazy.LazyModuleMixin)  # becomes the layer it is named after
        if not lazy and _is_wanted((name,), wanted):
            yield Api(info.name, (name,), list(_calls_of_module(info)), _parameters_of_layer(info.module_cls))
    yield from _recorded_by_hand(wanted)


def _is_wanted(found: tuple[str, ...], wanted: Container[str] | None) -> bool:
    return wanted is None or any(name in wanted for name in found)


def names(info) -> tuple[str, ...]:
    """The public names of an OpInfo: functions that are its very object, and its method."""
    found = []
    for word in (info.name, *(alias.name for alias in info.aliases)):
        owner, _, last = f"torch.{word}".rpartition(".")
        if not last.startswith("_") and owner in NAMESPACES and hasattr(NAMESPACES[owner], last):
            found.append(f"{owner}.{last}")
        if owner == "torch" and not last.startswith("_"):
            in_place = [f"{last}_"] if info.inplace_variant is None else []
            found += [METHODS + method for method in (last, *in_place) if hasattr(torch.Tensor, method)]
    same = [name for name, as_name in by_hand.SAME.items() if as_name in found]
    return tuple(dict.fromkeys((*found, *same)))


# --- functions and methods ---------------------------------------------------------------------------------------------


def _recorded_function(info) -> Api:
    calls = list(_calls_of_function(info, info.op, SAMPLES))
    parameters = _parameters(info.op, calls[0].reached if calls else None)
    return Api(info.name + info.variant_test_name, names(info), calls, parameters)


def _recorded_in_place(info) -> Iterator[Api]:
    words = (info.name, *(alias.name for alias in info.aliases))
    found = [f"{METHODS}{word}_" for word in words if hasattr(torch.Tensor, f"{word}_")]
    if info.inplace_variant is not None and found:
        calls = list(_calls_of_function(info, info.inplace_variant, IN_PLACE_SAMPLES))
        parameters = _parameters(info.inplace_variant, calls[0].reached if calls else None)
        yield Api(f"{info.name}{info.variant_test_name} in place", tuple(found), calls, parameters)


def _calls_of_function(info, function: Callable, most: int) -> Iterator[Call]:
    dtype = torch.float32 if torch.float32 in info.dtypes else sorted(info.dtypes, key=str)[0]
    with _at_most(SECONDS):
        for number, sample in enumerate(info.sample_inputs("cpu", dtype, requires_grad=False)):
            if number == most:
                return
            yield _call(function, (sample.input, *sample.args), sample.kwargs)


def _call(function: Callable, args: tuple, kwargs: dict) -> Call:
    recorder, complete = Recorder(), True
    there, named = tree_map(to_device, (args, kwargs))
    try:
        with warnings.catch_warnings(), recorder:
            warnings.simplefilter("ignore")
            function(*there, **named)
    except TimeoutError:
        raise
    except Exception:  # a sample that the stand-in cannot play decides nothing, see Call.complete
        complete = False
    given = _given(_parameters(function, recorder.root), args, kwargs)
    values = (*args, *kwargs.values())
    return Call(recorder.root, complete, _is_trivial(values), _literals(given) | _dimensions(values))


# --- layers ------------------------------------------------------------------------------------------------------------


def _calls_of_module(info) -> Iterator[Call]:
    arguments = {"device": "cpu", "dtype": torch.float32, "requires_grad": False, "training": True}
    with _at_most(SECONDS):
        for sample in info.module_inputs_func(info, **arguments):
            made, given = sample.constructor_input, sample.forward_input
            if given is not None:
                yield _call_of_module(info.module_cls, (made.args, made.kwargs), (given.args, given.kwargs))


def _call_of_module(kind: type, made: tuple, given: tuple) -> Call:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = kind(*made[0], **made[1])
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            tensors.update({name: to_device(value) for name, value in tensors.items() if value is not None})
    call = _call(module, *given)
    call.literals = _literals(_given(_parameters_of_layer(kind), *made)) | _dimensions((*given[0], *given[1].values()))
    return call


# --- by hand -----------------------------------------------------------------------------------------------------------


def _recorded_by_hand(wanted: Container[str] | None) -> Iterator[Api]:
    for name, forms in by_hand.FUNCTIONS.items():
        found = (name, *(other for other, same in by_hand.SAME.items() if same == name))
        if _is_wanted(found, wanted):
            function = by_hand.called(name)
            calls = [_call(function, form.args, form.kwargs) for form in forms]
            yield Api(f"{name} by hand", found, calls, _parameters(function, calls[0].reached))
    for name, forms in by_hand.LAYERS.items():
        if _is_wanted((name,), wanted):
            kind = by_hand.called(name)
            calls = [_call_of_module(kind, (form.args, form.kwargs), (form.forward, {})) for form in forms]
            yield Api(f"{name} by hand", (name,), calls, _parameters_of_layer(kind))


# --- arguments ---------------------------------------------------------------------------------------------------------


def _parameters(function: Callable, root: Reached | None) -> Parameters:
    """From the signature, or from the operator's schema where a function is built in."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return _of_schema(root)
    positional = tuple(each.name for each in found if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD))
    defaults = {each.name: each.default for each in found if each.default is not each.empty}
    return Parameters(positional, _literals(defaults)) if positional else _of_schema(root)


def _parameters_of_layer(kind: type) -> Parameters:
    found = _parameters(kind.__init__, None)
    return Parameters(found.positional[1:], found.defaults)


def _of_schema(root: Reached | None) -> Parameters:
    if root is None or not root.parts:
        return Parameters()
    base, _, overload = root.parts[0].name.partition(".")
    packet = getattr(torch.ops.aten, base, None)
    chosen = getattr(packet, overload or "default", None) if packet is not None else None
    arguments = chosen._schema.arguments if chosen is not None else ()
    positional = tuple(each.name for each in arguments if not each.kwarg_only)
    return Parameters(positional, _literals({each.name: each.default_value for each in arguments if each.has_default_value()}))


def _given(parameters: Parameters, args: tuple, kwargs: dict) -> dict[str, object]:
    return {**parameters.defaults, **dict(zip(parameters.positional, args)), **kwargs}


def _literals(given: Mapping[str, object]) -> dict[str, object]:
    return {name: _literal(value) for name, value in given.items()}


def _literal(value: object) -> object:
    """Ellipsis for what is no literal."""
    if isinstance(value, (tuple, list)):
        parts = tuple(map(_literal, value))
        return ... if ... in parts else parts
    return value if isinstance(value, (str, bool, int, float, type(None))) else ...


def _is_trivial(values: tuple) -> bool:
    return next((not value.dim() or not value.numel() for value in values if isinstance(value, torch.Tensor)), False)


def _dimensions(values: tuple) -> dict[str, object]:
    return next(({DIMENSIONS: value.dim()} for value in values if isinstance(value, torch.Tensor)), {})


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Some samples take minutes: those made within this time are enough."""

    def stop(*_):
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    except TimeoutError:
        pass
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)

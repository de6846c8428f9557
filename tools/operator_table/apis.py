"""Public names of PyTorch and the operators they reach, recorded by calling them with PyTorch's own sample inputs.

Samples: `op_db` of torch.testing._internal.common_methods_invocations for functions and methods, `module_db` of
common_modules for layers. Names: every public attribute of torch, torch.linalg, torch.fft, torch.special,
torch.nn.functional and torch.Tensor that is the very object a sample calls.
"""

from __future__ import annotations

import inspect
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_map

from operator_table.recorder import Reached, Recorder, install, to_device

NAMESPACES = {
    "torch": torch,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
    "torch.nn.functional": torch.nn.functional,
}
SAMPLES, SECONDS = 100, 20
# What the machine must have for a sample, not what an operator does.
NOT_HERE = ("jiterator", "_flash_attention", "_efficient_attention", "_scaled_mm", "sparse.", "_cudnn")


@dataclass
class Call:
    """One recorded call: what it reached, whether it ran to its end, and its arguments that are literals, by name."""

    reached: Reached
    complete: bool
    literals: dict[str, object] = field(default_factory=dict)


@dataclass
class Api:
    """What is called by these public names, as in ("torch.svd", "torch.Tensor.svd"). `key` is the name of PyTorch's tests."""

    key: str
    names: tuple[str, ...]
    calls: list[Call]


def record() -> Iterator[Api]:
    """Every API that has samples. Installs the stand-in device in this process."""
    install()
    for info in op_db:
        if info.dtypes and not any(word in info.name for word in NOT_HERE):
            yield Api(info.name + info.variant_test_name, names(info), list(_calls_of_function(info)))
    for info in module_db:
        if not issubclass(info.module_cls, torch.nn.modules.lazy.LazyModuleMixin):  # becomes the layer it is named after
            yield Api(info.name, (f"torch.{info.name}",), list(_calls_of_module(info)))


def names(info) -> tuple[str, ...]:
    """The public names of an OpInfo: functions that are its very object, its method and its in-place method."""
    found = []
    for word in (info.name, *(alias.name for alias in info.aliases)):
        owner, _, last = f"torch.{word}".rpartition(".")
        if not last.startswith("_") and owner in NAMESPACES and hasattr(NAMESPACES[owner], last):
            found.append(f"{owner}.{last}")
        if owner == "torch" and not last.startswith("_"):
            found += [f"torch.Tensor.{method}" for method in (last, f"{last}_") if hasattr(torch.Tensor, method)]
    return tuple(dict.fromkeys(found))


def _calls_of_function(info) -> Iterator[Call]:
    dtype = torch.float32 if torch.float32 in info.dtypes else sorted(info.dtypes, key=str)[0]
    with _at_most(SECONDS):
        for number, sample in enumerate(info.sample_inputs("cpu", dtype, requires_grad=False)):
            if number == SAMPLES:
                return
            yield _call(info.op, (sample.input, *sample.args), sample.kwargs)


def _calls_of_module(info) -> Iterator[Call]:
    arguments = {"device": "cpu", "dtype": torch.float32, "requires_grad": False, "training": True}
    with _at_most(SECONDS):
        for sample in info.module_inputs_func(info, **arguments):
            given = sample.constructor_input
            module = info.module_cls(*given.args, **given.kwargs)
            for part in module.modules():
                for tensors in (part._parameters, part._buffers):
                    tensors.update({name: to_device(value) for name, value in tensors.items() if value is not None})
            if sample.forward_input is not None:
                call = _call(module, sample.forward_input.args, sample.forward_input.kwargs)
                call.literals = _literals(info.module_cls.__init__, (module, *given.args), given.kwargs, None)
                yield call


def _call(function, args, kwargs) -> Call:
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
    return Call(recorder.root, complete, _literals(function, args, kwargs, recorder.root))


def _literals(function, args, kwargs, root: Reached | None) -> dict[str, object]:
    """Arguments by parameter name: from the signature, or from the operator's schema where a function is built in."""
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        parameters = _schema_names(root)
    given = dict(zip(parameters, args)) | kwargs
    return {name: value for name, value in given.items() if isinstance(value, (str, bool, int))}


def _schema_names(root: Reached | None) -> list[str]:
    if root is None or not root.parts:
        return []
    base, _, overload = root.parts[0].name.partition(".")
    packet = getattr(torch.ops.aten, base, None)
    chosen = getattr(packet, overload or "default", None) if packet is not None else None
    return [argument.name for argument in chosen._schema.arguments] if chosen is not None else []


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

"""A function of torch.cuda is called that raises without CUDA.

## Why it breaks on MPS
`torch.cuda` can be imported everywhere, and part of it is quiet on a Mac: `empty_cache()`, `manual_seed_all()` and
`memory_allocated()` do nothing. The calls of this rule raise:

- `synchronize()`, `get_device_name()` and most others: `AssertionError: Torch not compiled with CUDA enabled`
- `Event()`, `CUDAGraph()`: `RuntimeError: Tried to instantiate dummy base class Event`
- `Stream()`, `graph()`: `RuntimeError: torch.cuda.Stream requires CUDA support`
- `nvtx.range_push()`: `RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?`
- `set_device()`, `reset_peak_memory_stats()`, `memory_snapshot()` and the like:
  `AttributeError: module 'torch._C' has no attribute '_cuda_setDevice'`
- `memory_summary()`: `KeyError: 'allocated_bytes.all.current'`
- `device()`, `nvtx.range()`, `profiler.profile()`, `torch.random.fork_rng(devices=[0])` raise when `with` enters them.

## Use instead
Guard what only a CUDA device has. Before a clock is read, every GPU has to finish its queue:

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if torch.accelerator.is_available():        # since 2.6; synchronize() raises where there is no GPU at all
        torch.accelerator.synchronize()
    seconds = time.perf_counter() - start

`set_device()` goes: a Mac has one GPU, and `.to(device)` says where tensors live.

## Fix safety
`torch.cuda.synchronize()` becomes `torch.accelerator.synchronize()` under its guard, and any other call that is a statement
is kept for CUDA: safe. Unsafe: a figure in the middle of an expression gets a value for other machines, a statement around
it is kept for CUDA, and events that only measure time give way to `time.perf_counter()`, whose figures include the CPU's
work. Streams, graphs and the like are left to the author.

## Sources
- Each name was executed on torch 2.13 without CUDA. The wheel for Macs holds the same Python: `_lazy_init` in
  `torch/cuda/__init__.py`, `_dummy_type` in `torch/_utils.py`, `_NVTXStub` in `torch/cuda/nvtx.py`.
- Seen on Macs: karpathy/nanochat#792 (synchronize), huggingface/speech-to-speech#18 (Event).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..finding import Finding, Fix
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts


def _missing(name: str) -> Raises:
    return Raises(AttributeError, f"module 'torch._C' has no attribute '{name}'", same_on_linux=True)


def _table(*rows: tuple[Raises, str]) -> dict[str, Raises]:
    return {f"torch.{name}": failure for failure, names in rows for name in names.split()}


_NO_CUDA = Raises(AssertionError, "Torch not compiled with CUDA enabled", same_on_linux=True)
_NO_EVENT = Raises(RuntimeError, "Tried to instantiate dummy base class Event", same_on_linux=True)
_NO_GRAPH = Raises(RuntimeError, "Tried to instantiate dummy base class CUDAGraph", same_on_linux=True)
_NO_STREAM = Raises(RuntimeError, "torch.cuda.Stream requires CUDA support", same_on_linux=True)
_NO_NVTX = Raises(RuntimeError, "NVTX functions not installed. Are you sure you have a CUDA build?", same_on_linux=True)
_NO_STATISTICS = Raises(KeyError, "allocated_bytes.all.current", same_on_linux=True)
_NO_CONTEXT = Raises(RuntimeError, "PyTorch was compiled without CUDA support", same_on_linux=True)

# What each call raises. Functions of torch.cuda that do nothing without CUDA are not in here.
CALLED = _table(
    (_NO_CUDA, "cuda.synchronize cuda.init cuda.current_device cuda.get_device_name cuda.get_device_properties"),
    (_NO_CUDA, "cuda.get_device_capability cuda.can_device_access_peer cuda.cudart cuda.ipc_collect cuda.initial_seed"),
    (_NO_CUDA, "cuda.current_stream cuda.default_stream cuda.get_rng_state cuda.set_sync_debug_mode"),
    (_NO_CUDA, "cuda.mem_get_info cuda.set_per_process_memory_fraction cuda.profiler.start cuda.profiler.stop"),
    (_NO_EVENT, "cuda.Event cuda.streams.Event"),
    (_NO_GRAPH, "cuda.CUDAGraph cuda.make_graphed_callables"),
    (_NO_STREAM, "cuda.Stream cuda.streams.Stream cuda.graph"),
    (_NO_NVTX, "cuda.nvtx.range_push cuda.nvtx.range_pop cuda.nvtx.mark"),
    (_NO_STATISTICS, "cuda.memory_summary cuda.memory.memory_summary"),
    (_missing("_cuda_setDevice"), "cuda.set_device"),
    (_missing("_cuda_resetPeakMemoryStats"), "cuda.reset_peak_memory_stats cuda.reset_max_memory_allocated"),
    (_missing("_cuda_memorySnapshot"), "cuda.memory_snapshot cuda.memory._snapshot cuda.memory._dump_snapshot"),
    (_missing("_cuda_record_memory_history"), "cuda.memory._record_memory_history"),
)
# The same for context managers, which raise only once they are entered.
ENTERED = _table(
    (_NO_CONTEXT, "cuda.device"), (_NO_NVTX, "cuda.nvtx.range"), (_NO_CUDA, "cuda.profiler.profile random.fork_rng"),
)

# What to write where a guard is not the best answer.
_INSTEAD = {
    "torch.cuda.synchronize": "if torch.accelerator.is_available(): torch.accelerator.synchronize()",
    "torch.cuda.set_device": "drop it, and place tensors with .to(device)",
    "torch.cuda.initial_seed": "write torch.initial_seed()",
    "torch.cuda.Event": "time with time.perf_counter()",
    "torch.cuda.nvtx.range": "write torch.profiler.record_function(...)",
    "torch.random.fork_rng": "leave devices out",
}
_GUARD = "guard it with torch.cuda.is_available()"


class CudaOnlyCall(Rule):
    code = "MPS601"
    name = "cuda-only-call"
    severity = Severity.ERROR
    world = World.AS_WRITTEN
    where = calls(*CALLED, *ENTERED)
    expect = _NO_CUDA

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        name = facts.name(call.func) or ""
        if name in ENTERED and not _is_entered(call, facts):
            return
        if _asks_nothing(call, name, facts) or facts.guarded(call, {**CALLED, **ENTERED}[name].type):
            return
        message = f"{name.removeprefix('torch.')}() needs CUDA; {_INSTEAD.get(name, _GUARD)}"
        yield self.finding(facts.source.token(call.func), message, severity=Severity.INFO if facts.optional(call) else None)

    def fix(self, call: ast.Call, finding: Finding, facts: Facts) -> Fix | None:
        return machine.cuda_call(facts, call)

    bad = [
        Example("""
            import torch
            torch.cuda.synchronize()
            ^^^^^^^^^^^^^^^^^^^^^^ MPS601
            """),
        Example("""
            from torch import cuda
            start, end = (cuda.Event(enable_timing=True) for _ in range(2))
                          ^^^^^^^^^^ MPS601
            """, expect=_NO_EVENT),
        Example("""
            import torch as th
            def side_stream():
                return th.cuda.Stream()
                       ^^^^^^^^^^^^^^ MPS601
            side_stream()
            """, expect=_NO_STREAM),
    ]
    good = [
        Example("""
            import torch
            stream = torch.Stream("cpu") if torch.__version__ >= "2.6" else torch.cuda.Stream()
            """),
        Example("""
            import torch

            if len(torch.cuda.default_generators) > 0:
                print(torch.cuda.default_generators[torch.cuda.current_device()].initial_seed())
            """),
        Example("""
            import torch

            class Engine:
                def load(self, path):
                    try:
                        import tensorrt as trt
                    except ImportError:
                        install("tensorrt")
                        import tensorrt as trt

                    class Calibrator(trt.IInt8Calibrator):
                        def get_batch(self, names):
                            return torch.cuda.current_stream()

                    torch.cuda.synchronize()
                    return trt.Runtime(trt.Logger()), Calibrator()

            def install(package):
                raise RuntimeError(f"pip install {package}")
            """),
    ]


def _is_entered(call: ast.Call, facts: Facts) -> bool:
    """Whether a context manager is not only made but entered, right here."""
    parent = facts.parent(call)
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
        return parent.func.attr == "enter_context"
    return isinstance(parent, ast.withitem)


def _asks_nothing(call: ast.Call, name: str, facts: Facts) -> bool:
    """Whether these very arguments ask nothing of CUDA."""
    if name == "torch.random.fork_rng":
        devices = facts.argument(call, "devices", position=0)
        return not isinstance(devices, ast.List) or not devices.elts or len(call.args) + len(call.keywords) > 1
    if name in ("torch.cuda.device", "torch.cuda.set_device"):
        index = facts.argument(call, "device", position=0)
        return index is not None and ast.unparse(index) == "-1"
    return False

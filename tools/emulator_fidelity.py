"""How well the emulated Mac knows what MPS refuses: compared with what PyTorch's own tests expect to fail there.

    make fidelity

Runs the samples of ``torch.testing``'s ``op_db`` on the CPU and on the emulated Mac. An operator is predicted to fail
where a sample raises on the emulated Mac and not on the CPU. The truth is ``common_mps.py`` of the same wheel, which is
read as text (its lists stand behind ``if torch.backends.mps.is_available()``) and by nothing but this checker. Those
lists are strict: PyTorch's tests fail when an operator in them works. They mix causes, so each disagreement is printed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import signal
import sys
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.testing._internal import common_methods_invocations as invocations
from torch.testing._internal.opinfo.core import DecorateInfo
from torch.utils._pytree import tree_leaves, tree_map

from flake8_mps.probe import emulator

LISTS = Path(torch.__file__).parent / "testing" / "_internal" / "common_mps.py"
SECONDS = 10
"""For all samples of an operator in one form."""
WIDE = {torch.float64, torch.complex128}
CAUSES = {
    **dict.fromkeys(["svd_lowrank", "pca_lowrank"], "expected to differ: the signs of singular vectors are free"),
    **dict.fromkeys(
        [f"nn.functional.{name}" for name in (
            "dropout", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropoutwith_train",
        )], "expected to differ: the masks of the two devices do",
    ),
    **dict.fromkeys(
        ["nn.functional.conv3d", "native_group_norm", "linalg.householder_product"], "another result, not an error",
    ),
    "to_sparse": "expected to fail because the CPU fails, which it does not for these samples",
    "logit": "right all the same: the table has no kernel for logit_, and the list is that of logit",
    "masked.median": "in the list for a reason that it does not give; every operator it reaches has a kernel",
    "nn.functional.batch_norm": "one sample has an empty batch, for which the CPU's kernel gives statistics of float64",
    "log_softmaxwith_dtype": "its samples ask for float64, which is refused, and not the operator: left out here",
}
"""Why the two disagree, where that is known."""


def lists() -> dict[str, dict[str, Any]]:
    """The dicts of the file by function and name: ``mps_ops_modifier.SKIPLIST``."""
    found = {}
    for function in ast.walk(ast.parse(LISTS.read_text(encoding="utf-8"))):
        for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Dict):
                code = compile(ast.Expression(node.value), "lists", "eval")
                found[f"{function.name}.{target.id}"] = eval(code, {"torch": torch})
    return found


def expected(known: dict[str, Any], names: list[str], dtype: torch.dtype) -> set[str]:
    return {key for name in names for key, dtypes in known[name].items() if dtypes is None or dtype in dtypes}


class _Late(BaseException):
    """An operator ran for too long; no program's own handler takes it."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Late

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def on_gpu(value: Any) -> Any:
    """A copy of a sample's arguments on the device."""
    def moved(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return leaf.detach().to("mps").requires_grad_(leaf.requires_grad)
        return "mps" if leaf in ("cpu", torch.device("cpu")) and isinstance(leaf, str | torch.device) else leaf

    return tree_map(moved, value)


def asks_for(sample: Any, dtypes: set[torch.dtype]) -> bool:
    """Whether a sample holds, or asks for, one of these dtypes: there the sample is refused and not the operator."""
    leaves = tree_leaves((sample.input, sample.args, sample.kwargs))
    return any(leaf in dtypes if isinstance(leaf, torch.dtype) else getattr(leaf, "dtype", None) in dtypes for leaf in leaves)


def by_opinfo(form: str, dtype: torch.dtype) -> set[str]:
    """The operators that op_db itself expects to fail on MPS, in the tests that compare it with the CPU."""
    tests = {"backward": "test_output_grad_match"}.get(form, "test_output_match")
    return {
        op.name + op.variant_test_name for op in invocations.op_db for one in op.decorators
        if isinstance(one, DecorateInfo) and one.device_type == "mps" and one.decorators == [unittest.expectedFailure]
        and one.cls_name in (None, "TestCommon", "TestConsistency") and one.test_name in (None, tests)
        and (one.dtypes is None or dtype in one.dtypes)
    }


def differentiated(out: Any) -> Any:
    wanted = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if wanted:
        sum(leaf.abs().sum() if leaf.is_complex() else leaf.sum() for leaf in wanted).backward()
    return out


FORMS: dict[str, Callable[[Any, Any], bool]] = {
    "forward": lambda op, dtype: True,
    "backward": lambda op, dtype: op.supports_autograd,
    "in place": lambda op, dtype: op.inplace_variant is not None,
    "out=": lambda op, dtype: op.supports_out,
    "non-contiguous": lambda op, dtype: True,
}


def call(op: Any, form: str, sample: Any) -> Any:
    arguments = (sample.input, *sample.args)
    if form == "in place":
        return op.inplace_variant(sample.input.clone(), *sample.args, **sample.kwargs)
    out = op(*arguments, **sample.kwargs)
    if form == "backward":
        return differentiated(out)
    if form == "out=":
        like = tree_map(lambda leaf: torch.empty_like(leaf) if isinstance(leaf, torch.Tensor) else leaf, out)
        return op(*arguments, out=like, **sample.kwargs)
    return out


def attempt(op: Any, form: str, sample: Any) -> BaseException | None:
    try:
        call(op, form, sample)
    except (Exception, emulator.NotEmulated) as error:
        return error
    return None


def predicted(op: Any, form: str, dtype: torch.dtype, most: int) -> BaseException | None | str:
    """What the emulated Mac raises and the CPU does not, None where it raises nothing, or why nothing could be run."""
    runs: list[Any] = []
    try:
        with limited():
            samples = list(op.sample_inputs("cpu", dtype, requires_grad=form == "backward"))[:most]
            samples = [sample.noncontiguous() for sample in samples] if form == "non-contiguous" else samples
            runs = [sample for sample in samples if not asks_for(sample, WIDE - {dtype}) and attempt(op, form, sample) is None]
            with emulator.machine("mps"):
                errors = (attempt_moved(op, form, sample) for sample in runs)
                if (error := next((one for one in errors if one is not None), None)) is not None:
                    return error
    except _Late:
        return "ran too long"
    except Exception as error:
        return f"no samples: {error}"[:80]
    return None if runs else "the CPU runs no sample of this form"


def attempt_moved(op: Any, form: str, sample: Any) -> BaseException | None:
    try:
        moved = type(sample)(on_gpu(sample.input), args=on_gpu(tuple(sample.args)), kwargs=on_gpu(sample.kwargs))
    except (Exception, emulator.NotEmulated) as error:
        return error
    return attempt(op, form, moved)


def compare(form: str, dtype: torch.dtype, truth: set[str], left_out: set[str], arguments: argparse.Namespace) -> Counter:
    counts: Counter[str] = Counter()
    disagreements = []
    for op in invocations.op_db:
        key = op.name + op.variant_test_name
        if dtype not in op.supported_dtypes("cpu") or not FORMS[form](op, dtype) or key in left_out:
            continue
        if arguments.only and key not in arguments.only:
            continue
        started = time.monotonic()
        seen = predicted(op, form, dtype, arguments.samples)
        if arguments.verbose:
            print(f"{key} {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        if isinstance(seen, str) or isinstance(seen, emulator.NotEmulated):
            counts["not run" if isinstance(seen, str) else "not emulated"] += 1
            continue
        verdict = (seen is not None, key in truth)
        counts[{(True, True): "both", (False, False): "neither", (True, False): "emulator only", (False, True): "list only"}[verdict]] += 1
        if verdict[0] != verdict[1]:
            text = f"{type(seen).__name__}: {seen}"[:110] if seen is not None else "runs on the emulated Mac"
            disagreements.append(f"    {key}: {text}  [{CAUSES.get(key, 'not explained')}]")
    _print(form, dtype, counts, disagreements)
    return counts


def _print(form: str, dtype: torch.dtype, counts: Counter, disagreements: list[str]) -> None:
    both, more, less = counts["both"], counts["emulator only"], counts["list only"]
    recall = f"{100 * both / (both + less):.1f} %" if both + less else "-"
    precision = f"{100 * both / (both + more):.1f} %" if both + more else "-"
    print(f"{form}, {str(dtype)[6:]}: recall {recall}, precision {precision} on operators that fail; {dict(counts)}")
    print(*disagreements, sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=120, help="at most so many samples of an operator")
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--dtypes", nargs="*", default=["float32"], help="of tensors that the operators are given")
    parser.add_argument("--only", nargs="*", help="these operators of op_db")
    parser.add_argument("--verbose", action="store_true", help="how long each operator took, on stderr")
    parser.add_argument("--at-least", type=float, default=0.85, help="recall and precision of forward, or exit 1")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    known, enough = lists(), True
    forward = [f"mps_ops_modifier.{name}" for name in ("UNIMPLEMENTED_XFAILLIST", "ON_MPS_XFAILLIST")]
    for dtype in (getattr(torch, name) for name in arguments.dtypes):
        undefined = expected(known, ["mps_ops_modifier.UNDEFINED_XFAILLIST", "mps_ops_modifier.SKIPLIST"], dtype)
        for form in arguments.forms:
            truth = expected(known, forward, dtype) | by_opinfo(form, dtype)
            if form == "backward":
                truth |= expected(known, ["mps_ops_grad_modifier.XFAILLIST_GRAD", "mps_ops_grad_modifier.ON_MPS_XFAILLIST"], dtype)
            counts = compare(form, dtype, truth, undefined - truth, arguments)
            if form == "forward" and dtype is torch.float32 and not arguments.only:
                both = counts["both"]
                enough = both >= arguments.at_least * max(both + counts["emulator only"], both + counts["list only"])
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())

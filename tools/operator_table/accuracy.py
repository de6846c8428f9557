"""How well the table predicts what PyTorch itself expects to fail on MPS.

The truth is the list of expected failures of a release's own torch/testing/_internal/common_mps.py, for float32 where an
operator has that dtype. A prediction says "fails" for an OpInfo if one of its recorded samples reaches a missing operator,
a kernel that refuses it, or asks for float64. Only OpInfos that were recorded and that the release's own list could know
are compared; those it skips altogether are left out.

The figures are not blind. No file of the table is made from the lists, but which calls count as asking for float64
(`_asks_for_float64` in recorder.py, which leaves out what only makes a tensor) was fitted to them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from operator_table.apis import Api
from operator_table.decide import FAILS, Release, asks_for_float64, of_tree
from operator_table.wheels import EXPECTATIONS, Wheel

FAILING, SKIPPED = ("UNIMPLEMENTED_XFAILLIST", "ON_MPS_XFAILLIST"), ("SKIPLIST", "EMPTY_OPS_SKIPLIST")
MODIFIER, DTYPE = "mps_ops_modifier", "float32"

# Why the table and a release's list differ, by OpInfo, as far as it was looked up. Whatever differs and is not here has no
# explanation yet.
CAUSES: dict[str, str] = {
    "nn.functional.channel_shuffle": "fails there too: expected in the OpInfo itself, not in the list",
    "svd_lowrank": "listed while the CPU computes its SVD and after it has a kernel; why, was not looked up",
    "linalg.pinvsingular": "reaches only the SVD that the CPU computes; why it is listed, was not looked up",
    "masked.median": "all that it reaches has a kernel; what fails, was not looked up",
    "istft": "a cast to float64 was recorded on the stand-in; the list expects none, cause not found",
    "softmaxwith_dtype": "samples ask for float64; not in the lists since 2.11, cause not found",
    "nn.functional.softminwith_dtype": "samples ask for float64; not in the lists since 2.11, cause not found",
    "nn.functional.grid_sample": "no operator of the recorded samples is missing; why it is listed, was not looked up",
    "grid_sampler_2d": "its samples reach padding that the kernel refuses; why the list differs, was not looked up",
    "grid_sampler_3d": "not looked up; the recorded samples may be newer than the list",
    "to_sparse": "its operator has a kernel for MPS; what fails, was not looked up",
    "special.legendre_polynomial_p": "not looked up; the recorded samples may be newer than the list",
    **{
        f"special.shifted_chebyshev_polynomial_{kind}": "not looked up; the recorded samples may be newer than the list"
        for kind in "tuvw"
    },
}


@dataclass(frozen=True)
class Expected:
    """OpInfos that a release expects to fail, and those it does not run."""

    failing: frozenset[str]
    skipped: frozenset[str]
    in_every_dtype: frozenset[str]


@dataclass(frozen=True)
class Comparison:
    compared: frozenset[str]
    predicted: frozenset[str]
    expected: frozenset[str]

    def among(self, names: Iterable[str]) -> Comparison:
        names = frozenset(names)
        return Comparison(self.compared & names, self.predicted & names, self.expected & names)

    @property
    def recall(self) -> str:
        return _share(len(self.predicted & self.expected), len(self.expected))

    @property
    def precision(self) -> str:
        return _share(len(self.predicted & self.expected), len(self.predicted))

    @property
    def missed(self) -> list[str]:
        return sorted(self.expected - self.predicted)

    @property
    def extra(self) -> list[str]:
        return sorted(self.predicted - self.expected)


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {part / whole:.0%}" if whole else "0/0"


def expectations(wheel: Wheel) -> Expected:
    """Read from the source text, without importing it."""
    module = ast.parse((wheel.root / EXPECTATIONS).read_text(encoding="utf-8"))
    modifier = next(node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and node.name == MODIFIER)
    lists: dict[str, dict[str, str]] = {}
    for node in ast.walk(modifier):
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            entries = zip(node.value.keys, node.value.values, strict=True)
            found = {key.value: ast.unparse(dtypes) for key, dtypes in entries if isinstance(key, ast.Constant)}
            lists.setdefault(getattr(target, "id", ""), {}).update(found)
    failing = {name for each in FAILING for name, dtypes in lists.get(each, {}).items() if _means_float32(dtypes)}
    skipped = {name for each in SKIPPED for name, dtypes in lists.get(each, {}).items() if _means_float32(dtypes)}
    whole = {name for name, dtypes in lists.get(FAILING[0], {}).items() if dtypes == "None"}
    return Expected(frozenset(failing - skipped), frozenset(skipped), frozenset(whole - skipped))


def _means_float32(dtypes: str) -> bool:
    return dtypes == "None" or DTYPE in dtypes


def predictions(recorded: Sequence[Api], release: Release) -> Mapping[str, bool]:
    """By OpInfo: whether a sample fails. Includes trivial samples, as the tests do."""
    return {
        api.key: any(of_tree(call.reached, release).state in FAILS or asks_for_float64(call.reached) for call in api.calls)
        for api in recorded
    }


def compare(predicted: Mapping[str, bool], expected: Expected) -> Comparison:
    compared = frozenset(predicted) - expected.skipped
    failing = frozenset(name for name in compared if predicted[name])
    return Comparison(compared, failing, expected.failing & compared)

"""How well the table predicts what PyTorch itself expects to fail on MPS.

The truth is the list of expected failures of a release's own torch/testing/_internal/common_mps.py, for float32 where an
operator has that dtype: nothing else of this project reads that file. A prediction says "fails" for an OpInfo if one of its
recorded samples reaches a missing operator, a kernel that refuses it, or asks for float64. Only OpInfos that were recorded
and that the release's own list could know are compared; those it skips altogether are left out.
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

# Why the table and a release's list differ, by OpInfo. Whatever differs and is not here has no explanation yet.
CAUSES: dict[str, str] = {
    "nn.functional.channel_shuffle": "fails there too: expected in the OpInfo itself, not in the list",
    "svd_lowrank": "listed while the CPU computes its SVD and after it has a kernel: values, not a missing operator",
    "linalg.pinvsingular": "reaches only the SVD that the CPU computes: values, not a missing operator",
    "masked.median": "all that it reaches has a kernel; the list does not say what fails",
    "istft": "a cast to float64 was recorded on the stand-in; the list expects none, cause not found",
    "softmaxwith_dtype": "samples ask for float64; not in the lists since 2.11, cause not found",
    "nn.functional.softminwith_dtype": "samples ask for float64; not in the lists since 2.11, cause not found",
    "nn.functional.grid_sample": "no operator of the samples is missing: 5-D bicubic in 2.15, cause not found before",
    "grid_sampler_2d": "its samples reach padding that the kernel refuses; the list has it in another place, cause not found",
    "grid_sampler_3d": "the recorded samples are newer than the list",
    "to_sparse": "its operator has a kernel for MPS; that of the sparse result is not recorded",
    "special.legendre_polynomial_p": "the recorded samples are newer than the list",
    **{
        f"special.shifted_chebyshev_polynomial_{kind}": "the recorded samples are newer than the list" for kind in "tuvw"
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

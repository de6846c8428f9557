"""What one release's wheel says, from three sources that must agree: its yaml, its library and its Python files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from operator_table import macho, native_functions, python_kernels, refusals, wheels
from operator_table.decide import FALLBACK, KERNEL, MISSING, Release
from operator_table.wheels import Wheel

# Registered by hand in aten/src/ATen/mps/MPSFallback.mm, in some release, with `mps_fallback`: computed on the CPU.
FALLBACKS = frozenset({
    "bitwise_and.Tensor_out", "bitwise_left_shift.Tensor_out", "bitwise_not.out", "bitwise_or.Tensor_out",
    "bitwise_right_shift.Tensor_out", "bitwise_xor.Tensor_out", "col2im", "embedding_renorm_", "_fft_c2c", "_fft_r2c",
    "im2col", "linalg_svd", "linalg_svd.U", "linalg_vector_norm", "masked_select", "nonzero", "repeat_interleave.self_int",
    "repeat_interleave.self_Tensor", "repeat_interleave.Tensor", "sgn.out", "upsample_nearest3d.vec",
})  # fmt: skip
# Registered there too, to raise: its caller has found weights on another device.
ERRORS = frozenset({"_slow_conv2d_forward"})
# Registered from Python, in some release.
FROM_PYTHON = frozenset({"linalg_lu_solve.out", "native_group_norm", "native_group_norm_backward", "var_mean.correction"})

# The oldest whose expectations (common_mps.py) the predictions were compared with.
ALIKE = "2.8"


class UnknownDifference(Exception):
    """The sources differ in a way that is not known: somebody has to read MPSFallback.mm, or torchgen, of that release."""


@dataclass(frozen=True)
class Evidence:
    """Of one release. `counts`: overloads with a kernel by its yaml, its library and its Python files."""

    wheel: Wheel
    release: Release
    counts: dict[str, int]

    def has(self, name: str) -> bool:
        """Whether this release's torch has a public name."""
        return has_name(self.wheel, name)


def read(wheel: Wheel) -> Evidence:
    """Raises UnknownDifference, UnknownRegistration and NotReadable."""
    states = native_functions.states(wheel.root)
    library = macho.Library(wheel.library)
    compiled = macho.registrations(library, "aten", "MPS")
    from_python = python_kernels.registrations(wheel.root)
    in_yaml = {name for name, state in states.items() if state == KERNEL}
    compare(wheel.version, in_yaml, compiled, from_python)
    states |= dict.fromkeys(compiled & FALLBACKS - in_yaml, FALLBACK) | dict.fromkeys(compiled & ERRORS, MISSING)
    states |= dict.fromkeys(from_python, KERNEL)
    counts = {"yaml": len(in_yaml), "library": len(compiled), "python": len(from_python)}
    return Evidence(wheel, Release(states, refusals.messages(library)), counts)


def read_all(unpacked: Iterable[Wheel]) -> list[Evidence]:
    """Of releases from the oldest to the newest. Raises as `read` does."""
    found = [read(wheel) for wheel in unpacked]
    for number, each in enumerate(found):
        newer = frozenset().union(*(other.release.messages for other in found[number + 1 :]))
        older = frozenset().union(*(other.release.messages for other in found[: number + 1]))
        alike = wheels.is_at_least(each.wheel.version, ALIKE)
        found[number] = replace(each, release=replace(each.release, later=newer - older, alike=alike))
    return found


def compare(version: str, in_yaml: set[str], compiled: set[str], from_python: set[str]) -> None:
    """Raises UnknownDifference."""
    if in_yaml - compiled:
        raise UnknownDifference(f"{version}: the yaml has kernels that the library lacks: {sorted(in_yaml - compiled)}")
    if unknown := compiled - in_yaml - FALLBACKS - ERRORS:
        raise UnknownDifference(f"{version}: the library has registrations that the yaml lacks: {sorted(unknown)}")
    if unknown := from_python - FROM_PYTHON:
        raise UnknownDifference(f"{version}: registered from Python: {sorted(unknown)}")


# --- public names ------------------------------------------------------------------------------------------------------

# Where a name is defined, as in `def svd(` or `svd = _add_docstr(`, by what it begins with.
DEFINED = {
    "torch.Tensor.": ("torch/_C/__init__.pyi", "torch/_tensor.py"),
    "torch.linalg.": ("torch/linalg/__init__.py",),
    "torch.fft.": ("torch/fft/__init__.py",),
    "torch.special.": ("torch/special/__init__.py",),
    "torch.nn.functional.": ("torch/nn/functional.py", "torch/nn/functional.pyi"),
    "torch.nn.": ("torch/nn/modules",),
    "torch.": (
        "torch/_C/_VariableFunctions.pyi", "torch/functional.py", "torch/__init__.py", "torch/_lobpcg.py",
        "torch/_lowrank.py",
    ),
}  # fmt: skip
DEFINITION = r"^\s*(?:def|class) {0}\b|^{0}\s*[:=]"
# Functions and methods of which nothing is left but what to write instead.
REMOVED, IS_REMOVED = ("torch/_linalg_utils.py",), r"^def {0}\(.*\n(?:.*\n)?\s+raise RuntimeError\("


def has_name(wheel: Wheel, name: str) -> bool:
    prefix = next(prefix for prefix in DEFINED if name.startswith(prefix))
    word = re.escape(name.removeprefix(prefix))
    removed = prefix in ("torch.", "torch.Tensor.") and _any(wheel.texts(REMOVED), IS_REMOVED.format(word))
    return not removed and _any(wheel.texts(DEFINED[prefix]), DEFINITION.format(word))


def _any(texts: tuple[str, ...], pattern: str) -> bool:
    return any(re.search(pattern, text, re.MULTILINE) for text in texts)

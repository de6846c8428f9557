"""Kernels for MPS that PyTorch registers from Python, which neither its yaml nor its library shows.

Two forms are known: `lib = torch.library.Library("aten", "IMPL", "MPS")` with `lib.impl(name, kernel)`, and
`lib.impl(name, kernel, "MPS")`. Any other call that is given "MPS" beside such words is an error: the form is new.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

KEY, NAMESPACE = "MPS", "aten"
# Tests and the compiler's generators name the key without registering a kernel for eager operators.
NO_KERNELS = ("torch/testing/", "torch/_inductor/")
REGISTERING = {"Library", "_Library", "impl", "register_kernel", "register_torch_dispatch"}


class UnknownRegistration(Exception):
    """A call registers something for MPS in a form that is not read."""


def registrations(root: Path) -> set[str]:
    """The overloads registered for MPS by the Python files of a release. Raises UnknownRegistration."""
    found = set()
    for path in sorted((root / "torch").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name.startswith(NO_KERNELS):
            continue
        text = path.read_text(encoding="utf-8")
        if f'"{KEY}"' in text or f"'{KEY}'" in text:
            found |= {overload.removeprefix(f"{NAMESPACE}::") for overload in _in_file(ast.parse(text), name)}
    return found


def _in_file(tree: ast.Module, name: str) -> Iterator[str]:
    libraries = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _for_mps(node.value):
            if _called(node.value) not in {"Library", "_Library"}:
                continue
            libraries |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _called(node) not in REGISTERING:
            continue
        owner = node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
        if _called(node) == "impl" and (_for_mps(node) or owner in libraries) and isinstance(node.args[0], ast.Constant):
            yield node.args[0].value
        elif _for_mps(node) and not (_called(node) in {"Library", "_Library"} and libraries):
            raise UnknownRegistration(f"{name}:{node.lineno}: {ast.unparse(node)[:100]}")


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _for_mps(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(isinstance(value, ast.Constant) and value.value == KEY for value in given)

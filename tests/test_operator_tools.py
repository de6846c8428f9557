"""The parts of tools/operator_table/ on small inputs, and the recorder against the table that is shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flake8_mps import operators

TOOLS = Path(__file__).parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

from operator_table import decide, publish, python_kernels  # noqa: E402
from operator_table.decide import Release  # noqa: E402
from operator_table.evidence import UnknownDifference, compare  # noqa: E402
from operator_table.recorder import Reached  # noqa: E402

RECORD = """
import json, sys
import torch
from operator_table.recorder import Recorder, install, to_device

install()
x = to_device(torch.eye(3) + 1)
image, kernel = to_device(torch.rand(1, 1, 4, 4)), to_device(torch.rand(1, 1, 3, 3))
calls = {
    "torch.linalg.eigh": lambda: torch.linalg.eigh(x),
    "torch.cumsum": lambda: torch.cumsum(x, 0),
    "torch.fft.fft": lambda: torch.fft.fft(x),
    "torch.nn.functional.conv2d": lambda: torch.nn.functional.conv2d(image, kernel),
}

def leaves(node):
    return {node.name} if not node.parts else set().union(*map(leaves, node.parts))

found = {}
for name, call in calls.items():
    with Recorder() as recorder:
        call()
    found[name] = sorted(leaves(recorder.root))
print(json.dumps(found))
"""


def test_the_recorder_reaches_what_the_shipped_table_says() -> None:
    done = subprocess.run([sys.executable, "-c", RECORD], cwd=TOOLS, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    for name, found in json.loads(done.stdout).items():
        deciding = set(found) & set(operators.reached(name))
        assert deciding, (name, found)
        missing = operators.api(name).operators["1.13"]
        assert set(missing) <= set(found), (name, found)


@pytest.mark.parametrize(
    ("in_yaml", "compiled", "from_python"),
    [({"add.out"}, set(), set()), (set(), {"new_operator"}, set()), (set(), set(), {"new_operator"})],
)
def test_an_unknown_difference_between_the_sources_stops_the_update(in_yaml, compiled, from_python) -> None:
    with pytest.raises(UnknownDifference):
        compare("2.99.0", in_yaml, compiled, from_python)


def test_known_differences_do_not() -> None:
    compare("2.13.0", {"add.out"}, {"add.out", "linalg_svd", "_slow_conv2d_forward"}, {"linalg_lu_solve.out"})


def test_a_composite_is_as_good_as_its_parts_and_a_kernel_hides_them() -> None:
    tree = Reached("svdvals", [Reached("_svd.U")], taken_apart=True)
    states = {"svdvals": "c", "_svd.U": "x"}
    assert decide.need(tree, Release(states, frozenset())) == decide.Verdict("x", frozenset({"_svd.U"}))
    assert decide.need(tree, Release(states | {"svdvals": "k"}, frozenset())).state == "k"
    assert decide.need(tree, Release({"svdvals": "c"}, frozenset())).state == "?"


def test_a_kernel_refuses_only_in_releases_that_have_the_message() -> None:
    tree = Reached("conv", refused=("not in 3D",))
    assert decide.need(tree, Release({"conv": "k"}, frozenset({"not in 3D"}))).state == "r"
    assert decide.need(tree, Release({"conv": "k"}, frozenset())).state == "k"


def test_kernels_registered_from_python_are_found_and_new_forms_are_errors(tmp_path: Path) -> None:
    folder = tmp_path / "torch"
    folder.mkdir()
    file = folder / "kernels.py"
    file.write_text('lib = Library("aten", "IMPL", "MPS")\nlib.impl("aten::add.out", add)\n')
    assert python_kernels.registrations(tmp_path) == {"add.out"}
    file.write_text('register_kernel("add", "MPS", add)\n')
    with pytest.raises(python_kernels.UnknownRegistration):
        python_kernels.registrations(tmp_path)


def test_overloads_are_written_short_and_read_back() -> None:
    assert publish.overloads(["add.out", "add.Tensor", "relu"]) == "add.Tensor,out relu"
    assert publish.steps([["a"], ["a"], [], ["b"]]) == [[0, "a"], [2, ""], [3, "b"]]

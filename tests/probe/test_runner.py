"""What the runner sees of programs that mean no harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from flake8_mps.finding import Span
from flake8_mps.probe.program import End, Observation, Program
from flake8_mps.probe.runner import Limits, Runner

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are only shut in on Linux")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(limits=Limits(seconds=30)) as running:
        yield running


def one(runner: Runner, source: str, *flagged: int, **more: object) -> Observation:
    seen, = runner.run([Program(source, flagged=Span(*flagged) if flagged else None, **more)])
    return seen


def test_a_clean_end_with_what_it_printed(runner: Runner) -> None:
    seen = one(runner, "import sys\nprint(sys.argv, __name__)", argv=("--epochs", "2"))
    assert (seen.end, seen.output) == (End.FINISHED, "['program.py', '--epochs', '2'] __main__\n")
    assert seen.seconds < 30 and "namespaces" in seen.walls or "bubblewrap" in seen.walls


def test_what_was_raised_and_the_innermost_line_of_the_program(runner: Runner) -> None:
    seen = one(runner, "import json\ndef read(text):\n    return json.loads(text)\nread('{')\n")
    assert (seen.end, seen.raised, seen.line) == (End.RAISED, "json.decoder.JSONDecodeError", 3)
    assert "ValueError" in seen.types and "Expecting property name" in seen.text


@pytest.mark.parametrize("source, end", [("raise SystemExit", End.FINISHED), ("raise SystemExit('no CUDA')", End.RAISED)])
def test_leaving_is_an_error_with_a_word(runner: Runner, source: str, end: End) -> None:
    assert one(runner, source).end is end


def test_a_program_that_does_not_parse(runner: Runner) -> None:
    seen = one(runner, "x = (\n")
    assert (seen.end, seen.raised, seen.line) == (End.RAISED, "SyntaxError", 1)


def test_warnings_with_their_types_and_lines(runner: Runner) -> None:
    seen = one(runner, "import warnings\nwarnings.warn('slow', RuntimeWarning)\n")
    assert [(one.types[0], one.text, one.line) for one in seen.warned] == [("RuntimeWarning", "slow", 2)]


@pytest.mark.parametrize(
    ("source", "flagged", "reached", "devices"),
    [
        ("import torch\nx = torch.zeros(2)\n", (2, 4, 2, 15), True, ("cpu",)),
        ("import torch\nx = torch.zeros(2, device='cpu')\n", (2, 26, 2, 31), True, ("cpu",)),
        ("import torch\nif 0:\n    x = torch.zeros(2)\n", (3, 8, 3, 19), False, ()),
        ("import torch\nx = [torch.nn.Linear(2, 2).cpu()]\n", (2, 26, 2, 29), True, ("cpu",)),
        ("import torch\nx = torch.zeros(-2)\n", (2, 4, 2, 15), True, ()),
        ("import torch\nd = 'mps' if 0 else torch.device('cpu')\n", (2, 4, 2, 9), True, ("cpu",)),
        ("x = 'ü'; import torch; y = torch.zeros(1)\n", (1, 27, 1, 38), True, ("cpu",)),
    ],
)
def test_the_flagged_piece(runner: Runner, source: str, flagged: tuple[int, ...], reached: bool, devices: tuple[str, ...]) -> None:
    seen = one(runner, source, *flagged)
    assert (seen.reached, seen.devices) == (reached, devices)


def test_forks_of_the_program_say_nothing_of_their_own(runner: Runner) -> None:
    seen = one(runner, "import os\nif os.fork():\n    os.wait()\n    print('parent')\n")
    assert (seen.end, seen.output) == (End.FINISHED, "parent\n")


def test_workers_of_a_data_loader(runner: Runner) -> None:
    source = """
import torch

if __name__ == "__main__":
    data = torch.utils.data.TensorDataset(torch.arange(8.0))
    print(sum(batch.sum() for batch, in torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)))
"""
    assert one(runner, source).output == "tensor(28.)\n"


def test_a_backward_pass_after_the_fork(runner: Runner) -> None:
    source = "import torch\nx = torch.ones(300, 300, requires_grad=True)\n(x @ x).sum().backward()\nprint(x.grad.shape)"
    assert one(runner, source).output == "torch.Size([300, 300])\n"


def test_runs_come_back_in_order(runner: Runner) -> None:
    delays = [0.3, 0.0, 0.2, 0.0, 0.1]
    programs = [Program(f"import time; time.sleep({delay}); print({number})") for number, delay in enumerate(delays)]
    assert [seen.output for seen in runner.run(programs)] == [f"{number}\n" for number in range(5)]


def test_long_output_is_cut_at_its_beginning(runner: Runner) -> None:
    seen = one(runner, "print('x' * 1_000_000)\nprint('the end')")
    assert len(seen.output) <= runner.limits.output and seen.output.endswith("the end\n")

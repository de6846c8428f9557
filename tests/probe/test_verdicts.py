"""Verdicts on findings whose truth is known: every rule's own bad examples, and the same programs mended."""

from __future__ import annotations

import ast
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="programs run in torch, which make test installs")

from flake8_mps.config import Config  # noqa: E402
from flake8_mps.finding import Finding  # noqa: E402
from flake8_mps.linter import lint  # noqa: E402
from flake8_mps.probe.runner import Limits, Runner  # noqa: E402
from flake8_mps.probe.slicing import CannotSlice, Slice, slices  # noqa: E402
from flake8_mps.probe.verdicts import Judged, Verdict, claims, judged  # noqa: E402
from flake8_mps.rule import load_rules  # noqa: E402
from flake8_mps.source import Source  # noqa: E402

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are only shut in on Linux")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(limits=Limits(seconds=30)) as running:
        yield running


def source_of(text: str, path: str = "example.py") -> Source:
    text = textwrap.dedent(text).lstrip("\n")
    return Source(text, ast.parse(text), path)


def found(source: Source) -> list[Finding]:
    return lint(source, Config())


def first_slice(text: str) -> Slice:
    source = source_of(text)
    finding, *_ = found(source)
    return next(iter(slices(source, finding)))


def verdicts(text: str, runner: Runner, findings: list[Finding] | None = None) -> list[Judged]:
    source = source_of(text)
    return list(judged(claims(source, findings or found(source), load_rules()), runner))


# --- slices ----------------------------------------------------------------------------------------------------------


def test_a_slice_holds_what_is_needed_and_no_more() -> None:
    one = first_slice("""
        import json
        import torch

        SCALE = 2
        UNUSED = json.loads("{}")

        def double(x):
            return x * SCALE

        x = torch.zeros(2)
        y = double(x)
        print(y)
        y.cuda()
    """)
    assert one.text == (
        "import torch\nSCALE = 2\ndef double(x):\n    return x * SCALE\nx = torch.zeros(2)\ny = double(x)\ny.cuda()\n"
    )
    assert one.text.splitlines()[one.flagged.line - 1][one.flagged.column:one.flagged.end_column] == "y.cuda()"
    assert one.lines[-1] == 13 and not one.made and not one.assumptions


def test_parameters_are_made_and_marked() -> None:
    one = first_slice("""
        import torch

        def resume(path, lr=0.1):
            return torch.load(path)
    """)
    assert 'path = "made.pth"  # made: path was saved from CUDA' in one.text
    assert one.assumptions == ("path was saved from CUDA",) and "torch.save" in one.setup


def test_a_condition_that_is_not_about_the_machine_is_an_assumption() -> None:
    one = first_slice("""
        import torch

        def load(resume, model):
            if resume is not None:
                model.cuda()
    """)
    assert "resume is not None" in one.assumptions and "if " not in one.text


def test_a_guard_of_the_machine_stays() -> None:
    one = first_slice("""
        import torch

        def load(model):
            if torch.backends.mps.is_available():
                model.cuda()
    """)
    assert "if torch.backends.mps.is_available():" in one.text


def test_what_is_not_known_is_not_made() -> None:
    source = source_of("""
        import torch
        from nowhere import build

        def run(qux):
            torch.zeros(2, dtype=build(qux)).cuda()
    """)
    finding, *_ = found(source)
    with pytest.raises(CannotSlice, match="nowhere|qux"):
        next(iter(slices(source, finding)))


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_confirmed_silent_and_undecided(runner: Runner) -> None:
    seen = verdicts("""
        import torch
        import nowhere

        torch.zeros(2).cuda()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        nowhere.build().cuda()
    """, runner)
    assert [(one.finding.code, one.verdict.value) for one in seen][:2] == [("MPS102", "confirmed"), ("MPS103", "silent")]
    assert seen[0].reason == "AssertionError: Torch not compiled with CUDA enabled"
    assert [one.verdict for one in seen[2:]] in ([], [Verdict.UNDECIDED])


def test_a_checkpoint_is_confirmed_if_it_was_saved_from_cuda(runner: Runner) -> None:
    seen, = verdicts("import torch\n\ndef resume(path):\n    return torch.load(path)\n", runner)
    assert (seen.verdict, seen.assumptions) == (Verdict.CONFIRMED, ("path was saved from CUDA",))
    assert "Attempting to deserialize object on a CUDA device" in seen.reason


def test_a_claim_that_is_not_so_is_refuted(runner: Runner) -> None:
    """A finding planted where there is nothing to find: ``.cuda()`` of an object that only has such a method."""
    real = found(source_of("import torch\n\n\n\n\n\nx = torch.zeros(2)\nx.cuda()\n"))
    program = """
        import torch

        class Box:
            def cuda(self):
                return torch.zeros(2)

        x = Box()
        x.cuda()
    """
    assert found(source_of(program)) == []
    planted = [real[0].__class__(**{**vars(real[0]), "span": real[0].span._replace(line=8, end_line=8)})]
    seen, = verdicts(program, runner, planted)
    assert seen.verdict is Verdict.REFUTED


def test_no_bad_example_is_refuted_and_most_are_decided(runner: Runner) -> None:
    asked = []
    for rule in load_rules():
        for number, example in enumerate(rule.bad):
            source = source_of(example.source)
            own = [one for one in found(source) if one.code == rule.code]
            asked += claims(source, own, [rule])[:1]
    seen = list(judged(asked, runner))
    counts = Counter(one.verdict for one in seen)
    print({verdict.value: count for verdict, count in counts.items()})
    assert [one.source.text for one in seen if one.verdict is Verdict.REFUTED] == []
    assert counts[Verdict.CONFIRMED] + counts[Verdict.SILENT] >= 60

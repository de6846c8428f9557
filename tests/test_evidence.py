"""Every bad example does what its rule expects, every good one runs clean: without CUDA, and on the emulated Mac."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import evidence
import pytest
from evidence import Case, NoEvidence, Zygote, cases, disagreement

from flake8_mps.finding import World
from flake8_mps.rule import Example, Raises, RunsOnCpu, checkpoint
from flake8_mps.rules import mps601_cuda_only_call as cuda_only
from flake8_mps.rules import mps602_cuda_call_without_effect as without_effect
from flake8_mps.rules import mps605_cudnn_flag as cudnn_flag

PROVABLE = [case for case in cases("bad") if case.expect.same_on_linux]
SHOWN = [case for case in cases("bad") if not case.not_shown]
PORTABLE = [case for case in cases("good") if case.rule.world is World.AS_WRITTEN]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    try:
        with Zygote() as zygote:
            yield zygote
    except NoEvidence as problem:
        pytest.fail(str(problem), pytrace=False)


@pytest.mark.parametrize("case", PROVABLE, ids=str)
def test_a_bad_example_does_what_its_rule_expects(case: Case, zygote: Zygote) -> None:
    watch = isinstance(case.expect, RunsOnCpu)
    seen = zygote.run(case.example.source, case.example.given, devices=watch)
    assert not disagreement(case.expect, case.example.raising_line, seen)


@pytest.mark.parametrize("case", SHOWN, ids=str)
def test_a_bad_example_does_what_its_rule_expects_on_the_emulated_mac(case: Case, zygote: Zygote) -> None:
    watch = isinstance(case.expect, RunsOnCpu)
    seen = zygote.run(case.example.source, case.example.given, devices=watch, world=case.world)
    assert not disagreement(case.expect, case.example.raising_line, seen)


@pytest.mark.parametrize("case", [case for case in cases("good") if not case.not_shown], ids=str)
def test_a_good_example_runs_clean_on_the_emulated_mac(case: Case, zygote: Zygote) -> None:
    seen = zygote.run(case.example.source, case.example.given, world=case.world)
    assert not seen.raised, str(seen)


def test_what_is_not_shown_is_little_and_has_a_reason() -> None:
    waiting = [case for case in cases("bad") if case.not_shown and not case.expect.same_on_linux]
    assert len(waiting) < len(SHOWN) / 8
    assert all(words in "".join(case.example.source for case in waiting) for words in evidence.NOT_SHOWN)


@pytest.mark.parametrize("case", PORTABLE, ids=str)
def test_a_good_example_runs_clean_without_an_accelerator(case: Case, zygote: Zygote) -> None:
    seen = zygote.run(case.example.source, case.example.given)
    assert not seen.raised, str(seen)


# --- the comparison itself -------------------------------------------------------------------------------------------

LOADING = Example("""
    import torch

    torch.load("unet.pth")
    ^^^^^^^^^^ MPS201
    """, given=checkpoint("unet.pth"))
REFUSED = Raises(RuntimeError, "Attempting to deserialize object on a CUDA device", same_on_linux=True)


def test_the_comparison_can_agree(zygote: Zygote) -> None:
    seen = zygote.run(LOADING.source, LOADING.given)
    assert not disagreement(REFUSED, 3, seen)
    assert not disagreement(REFUSED._replace(type=Exception), 3, seen)


@pytest.mark.parametrize(
    ("expect", "line"),
    [
        (REFUSED._replace(type=AssertionError), 3),
        (REFUSED._replace(type=NotImplementedError), 3),
        (REFUSED._replace(text="on an MPS device"), 3),
        (REFUSED, 1),
        (REFUSED, None),
        (RunsOnCpu(), 3),
    ],
    ids=["type", "subtype", "text", "line", "no-line", "clean"],
)
def test_the_comparison_sees_a_wrong_expectation(expect, line, zygote: Zygote) -> None:
    assert disagreement(expect, line, zygote.run(LOADING.source, LOADING.given))


@pytest.mark.parametrize(
    ("source", "agrees"),
    [
        ("import torch\ntorch.zeros(2) + 1\n", True),
        ("import torch\ntorch.zeros(2, device='meta')\n", False),
        ("import torch\ntorch.zeros(2)\ntorch.zeros(2, device='meta')\n", False),
        ("import torch\ntorch.device('cpu')\n", False),
        ("import torch\ntorch.zeros(2)\nraise SystemExit\n", False),
    ],
    ids=["cpu", "meta", "both", "no-operator", "exit"],
)
def test_running_on_the_cpu_is_observed(source: str, agrees: bool, zygote: Zygote) -> None:
    assert agrees is not bool(disagreement(RunsOnCpu(), None, zygote.run(source, devices=True)))


@pytest.mark.parametrize("source", ["while True: pass", "import os; os._exit(3)"], ids=["endless", "dead"])
def test_an_example_without_an_end_is_no_evidence(source: str, zygote: Zygote) -> None:
    seen = zygote.run(source, seconds=1)
    assert seen.raised == ("evidence.NoAnswer",)
    assert not zygote.run("").raised


def test_a_checkpoint_from_the_cpu_loads(zygote: Zygote) -> None:
    assert not zygote.run(LOADING.source, checkpoint("unet.pth", device="cpu")).raised


@pytest.mark.parametrize(
    ("module", "words"),
    [("torch = None", "needs PyTorch"), ("import torch; torch.version.cuda = '13.0'", "without CUDA")],
    ids=["no-torch", "cuda"],
)
def test_a_machine_that_cannot_prove_says_so(module: str, words: str) -> None:
    program = f"import sys; {module}; sys.modules['torch'] = torch; sys.path.insert(0, sys.argv[1])\n"
    program += "import evidence; evidence.serve()"
    done = subprocess.run(
        [sys.executable, "-c", program, evidence.__file__.rpartition("/")[0]], capture_output=True, text=True, input="",
    )
    assert words in done.stdout


# --- the table of MPS601 ---------------------------------------------------------------------------------------------

ARGUMENTS = {
    "torch.cuda.can_device_access_peer": "0, 1",
    "torch.cuda.device": "0",
    "torch.cuda.get_device_properties": "0",
    "torch.cuda.graph": "None",
    "torch.cuda.make_graphed_callables": "torch.nn.Linear(1, 1), (torch.zeros(1),)",
    "torch.cuda.memory._dump_snapshot": "'snapshot.pickle'",
    "torch.cuda.nvtx.mark": "'epoch'",
    "torch.cuda.nvtx.range": "'epoch'",
    "torch.cuda.nvtx.range_push": "'epoch'",
    "torch.cuda.set_device": "0",
    "torch.cuda.set_per_process_memory_fraction": "0.5",
    "torch.cuda.set_sync_debug_mode": "1",
    "torch.random.fork_rng": "devices=[0]",
}
SILENT = """
    empty_cache() manual_seed(0) manual_seed_all(0) seed() seed_all() set_rng_state_all([]) get_rng_state_all()
    memory_allocated() memory_reserved() max_memory_allocated() max_memory_reserved() memory_stats() device_count()
    is_available() is_initialized() is_bf16_supported() get_arch_list() stream(None) set_device(-1)
""".split()


@pytest.mark.parametrize("name", cuda_only.CALLED)
def test_each_call_of_the_table_raises_what_the_table_says(name: str, zygote: Zygote) -> None:
    seen = zygote.run(f"import torch\n{name}({ARGUMENTS.get(name, '')})\n")
    assert not disagreement(cuda_only.CALLED[name], 2, seen)


@pytest.mark.parametrize("name", cuda_only.ENTERED)
def test_each_context_of_the_table_raises_when_it_is_entered(name: str, zygote: Zygote) -> None:
    making = f"import torch\ncontext = {name}({ARGUMENTS.get(name, '')})\n"
    assert not zygote.run(making).raised
    assert not disagreement(cuda_only.ENTERED[name], 3, zygote.run(f"{making}with context: pass\n"))


@pytest.mark.parametrize("call", SILENT)
def test_what_does_nothing_without_cuda_is_not_in_the_table(call: str, zygote: Zygote) -> None:
    assert not zygote.run(f"import torch\ntorch.cuda.{call}\n").raised
    assert call == "set_device(-1)" or f"torch.cuda.{call.partition('(')[0]}" not in cuda_only.CALLED


# --- the tables of MPS602 and MPS605 ---------------------------------------------------------------------------------

SILENT_ARGUMENTS = {"manual_seed": "0", "manual_seed_all": "0", "set_rng_state": "torch.get_rng_state()", "set_rng_state_all": "[]"}
SWITCHED = {"set_flags": "_enabled=True", "flags": "enabled=False", "sdp_kernel": ""}


@pytest.mark.parametrize("name", without_effect.SILENT)
def test_each_call_without_effect_runs(name: str, zygote: Zygote) -> None:
    arguments = SILENT_ARGUMENTS.get(name.rpartition(".")[2], "")
    seen = zygote.run(f"import torch\n{name}({arguments})\n")
    assert not seen.raised, str(seen)
    assert name not in cuda_only.CALLED


@pytest.mark.parametrize("name", cudnn_flag.FLAGS)
def test_each_flag_exists_and_can_be_set(name: str, zygote: Zygote) -> None:
    seen = zygote.run(f"import torch\nbefore = {name}\n{name} = before\n")
    assert not seen.raised, str(seen)


@pytest.mark.parametrize("name", cudnn_flag.SWITCHES)
def test_each_switch_can_be_set(name: str, zygote: Zygote) -> None:
    seen = zygote.run(f"import torch\n{name}({SWITCHED.get(name.rpartition('.')[2], 'False')})\n")
    assert not seen.raised, str(seen)

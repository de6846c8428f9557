"""The operator table that is shipped, through its reader."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from flake8_mps import cli, operators
from flake8_mps.operators import FOLDER, OMITTED, Condition, State
from flake8_mps.operators.table import SHOWN

# Overloads with an MPS kernel by a release's yaml, and registered for MPS in its library. Counted in the wheels.
COUNTS = {
    "1.12": ("1.12.1", 456, 474),
    "2.0": ("2.0.1", 535, 550),
    "2.6": ("2.6.0", 707, 713),
    "2.9": ("2.9.1", 847, 851),
    "2.13": ("2.13.0", 890, 894),
    "2.15": ("2.15.0", 928, 930),
}
NOT_SUPPORTED = State.MISSING, State.REFUSED, State.FALLBACK, State.PARTIAL


def condition(name: str, argument: str, release: str) -> Condition:
    found = [each for each in operators.api(name).conditions if each.argument == argument]
    return next(each for each in found if each.states[release] in NOT_SUPPORTED)


# --- releases and counts -----------------------------------------------------------------------------------------------


def test_releases_are_those_with_mps() -> None:
    assert operators.releases() == ("1.12", "1.13", *(f"2.{minor}" for minor in range(16)))
    assert tuple(operators.counts()) == operators.releases()


@pytest.mark.parametrize("release", COUNTS)
def test_kernels_are_as_many_as_the_wheel_has(release: str) -> None:
    version, in_yaml, in_library = COUNTS[release]
    counted = operators.counts()[release]
    assert (counted["version"], counted["yaml"], counted["library"]) == (version, in_yaml, in_library)


@pytest.mark.parametrize("release", operators.releases())
def test_the_table_holds_what_was_counted(release: str) -> None:
    counted = operators.counts()[release]
    kernels = sum(operator.states[release] is State.KERNEL for operator in operators.operators())
    assert counted["yaml"] < kernels <= counted["yaml"] + counted["python"] or kernels == counted["yaml"]


def test_what_the_library_of_2_13_registers_beyond_its_yaml() -> None:
    found = {operator.name for operator in operators.operators() if operator.states["2.13"] is State.FALLBACK}
    assert found == {"embedding_renorm_", "linalg_svd", "linalg_svd.U"}
    assert operators.operator("_slow_conv2d_forward").states["2.13"] is State.MISSING  # registered to raise


def test_a_kernel_that_only_python_registers() -> None:
    assert operators.operator("aten::linalg_lu_solve.out").states["2.13"] is State.KERNEL
    assert operators.counts()["2.13"]["python"] == 1


# --- public names ------------------------------------------------------------------------------------------------------


def test_a_public_name_says_since_when_and_for_which_operator() -> None:
    eigh = operators.api("torch.linalg.eigh")
    assert (eigh.states["2.13"], eigh.states["2.14"], eigh.added) == (State.MISSING, State.KERNEL, "2.14")
    assert (eigh.operators["2.13"], eigh.operators["2.14"]) == (("_linalg_eigh.eigenvalues",), ())
    assert operators.api("torch.no_such_name") is None


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("torch.abs", "1.12"), ("torch.Tensor.cumsum", "2.0"), ("torch.fft.fft", "2.3"), ("torch.nn.Conv3d", "2.3"),
        ("torch.nn.MaxPool3d", "2.9"), ("torch.linalg.qr", "2.12"), ("torch.linalg.svd", None), ("torch.linalg.eig", None),
        ("torch.nn.LSTM", None), ("torch.nn.Linear", "1.12"), ("torch.nn.GRU", "1.12"), ("torch.nn.Dropout", "1.12"),
    ],
)  # fmt: skip
def test_since_when_a_name_is_supported(name: str, added: str | None) -> None:
    assert operators.api(name).added == added


def test_silent_fallbacks_are_a_state_of_their_own() -> None:
    assert operators.api("torch.svd").states["2.13"] is State.FALLBACK


def test_a_kernel_that_refuses_says_how() -> None:
    conv = operators.api("torch.nn.Conv3d")
    assert (conv.states["2.2"], conv.message) == (State.REFUSED, "Conv3D is not supported on MPS")
    assert operators.api("torch.nn.ConvTranspose3d").states["2.7"] is State.REFUSED


def test_a_name_that_a_release_does_not_have_is_absent() -> None:
    assert operators.api("torch.linalg.vecdot").states["1.12"] is State.ABSENT
    assert operators.api("torch.cholesky").states["2.14"] is State.ABSENT  # removed


def test_reached_operators_are_those_that_a_mac_dispatches() -> None:
    assert "_mps_convolution" in operators.reached("torch.nn.functional.conv2d")
    assert "_linalg_eigh.eigenvalues" in operators.reached("torch.linalg.eigh")


@pytest.mark.parametrize("name", ["torch.nn.BCEWithLogitsLoss", "torch.nn.functional.normalize", "torch.stft"])
def test_what_an_old_release_composes_otherwise_is_not_said_to_fail(name: str) -> None:
    assert operators.api(name).states["2.0"] is State.UNKNOWN


# --- forms of a call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "argument", "release", "fails", "works"),
    [
        ("torch.nn.functional.interpolate", "mode", "2.5", "bicubic", "bilinear"),
        ("torch.unique", "dim", "2.9", 0, None),
        ("torch.round", "decimals", "2.6", 2, OMITTED),
        ("torch.linalg.norm", "ord", "2.13", "nuc", "fro"),
        ("torch.linalg.matrix_norm", "ord", "2.13", 2, 1),
        ("torch.linalg.pinv", "hermitian", "2.13", True, False),
        ("torch.nn.functional.embedding", "max_norm", "2.15", 1.0, None),
        ("torch.nn.LSTM", "proj_size", "2.15", 2, 0),
        ("torch.nn.functional.grid_sample", "padding_mode", "2.10", "border", "zeros"),
        ("torch.nn.functional.grid_sample", "mode", "2.10", "bicubic", OMITTED),
        ("torch.nn.AdaptiveAvgPool3d", "output_size", "2.15", (2, 2, 2), (1, 1, 1)),
        ("torch.nn.AdaptiveAvgPool3d", "output_size", "2.15", 2, 1),
        ("torch.linalg.cond", "p", "2.13", OMITTED, "fro"),
        ("torch.gather", "sparse_grad", "2.12", True, OMITTED),
        ("torch.linalg.svd", "driver", "2.15", "gesvd", OMITTED),
    ],
)
def test_a_literal_decides(name: str, argument: str, release: str, fails: object, works: object) -> None:
    found = condition(name, argument, release)
    assert found.matches(fails)
    assert not found.matches(works)
    assert found.operators[release]


def test_positions_do_not_count_self() -> None:
    assert condition("torch.norm", "p", "2.13").position == 1
    assert condition("torch.Tensor.norm", "p", "2.13").position == 0


def test_dimensions_decide_where_the_mode_does_not() -> None:
    area = next(each for each in operators.api("torch.nn.functional.interpolate").conditions if each.values == ("area",))
    assert (area.dimensions, area.states["2.15"]) == ((5,), State.MISSING)


def test_a_form_that_is_refused_says_how() -> None:
    assert condition("torch.nn.LSTM", "proj_size", "2.15").message.startswith("LSTM with projections")


# --- the whole table ---------------------------------------------------------------------------------------------------


def test_names_not_everywhere_are_those_that_some_release_does_not_support() -> None:
    for found in operators.apis():
        always = set(found.states.values()) == {State.KERNEL}
        assert always != (found.name in operators.names_not_everywhere())


def test_what_is_not_supported_names_operators_that_explain_it() -> None:
    silent = [
        (found.name, release)
        for found in operators.apis()
        for release, state in found.states.items()
        if (state in NOT_SUPPORTED) != bool(found.operators[release])
    ]
    assert silent == []


def test_the_operators_that_a_name_misses_are_missed_in_the_table_of_operators_too() -> None:
    for found in operators.apis():
        for release, state in found.states.items():
            if state in (State.MISSING, State.FALLBACK):
                for name in found.operators[release]:
                    assert operators.operator(name).states[release] is state, (found.name, name, release)


def test_the_data_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.glob("*.json")) < 150_000


def test_dtypes_that_tests_leave_out_on_mps() -> None:
    assert operators.dtypes_not_on_mps("torch.linalg.qr") == ("complex64",)
    assert operators.dtypes_not_on_mps("torch.abs") == ()


def test_importing_reads_no_data_and_asking_reads_one_file() -> None:
    program = "import sys, json; from flake8_mps import operators as o; before = o._file.cache_info().currsize; "
    program += "o.api('torch.linalg.eigh'); print(json.dumps([before, o._file.cache_info().currsize, 'torch' in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [0, 1, False]


def test_every_name_that_a_rule_can_report_leaves_room_for_its_message() -> None:
    from flake8_mps.rules.mps501_no_kernel import LONGEST, written
    from flake8_mps.operators.forms import short

    for name in operators.names_not_everywhere():
        for what in ("has no MPS kernel up to torch 2.15", "has no MPS kernel before torch 2.15", "runs on the CPU before torch 2.15"):
            assert len(written(f"{short(name)} {what}", "x" * 100)) <= LONGEST, name


def test_the_arguments_decide_where_only_some_forms_are_supported() -> None:
    from flake8_mps.operators import OMITTED
    from flake8_mps.operators.forms import unsupported

    def given(value: object):
        return lambda argument, position: value

    nuclear = unsupported("torch.norm", "2.13", given("nuc"))
    assert (nuclear.shown, nuclear.state, nuclear.added) == ("torch.norm(p=...)", State.MISSING, "2.14")
    assert [unsupported("torch.norm", "2.13", given(value)) for value in ("fro", OMITTED, None)] == [None] * 3
    assert unsupported("torch.norm", "2.14", given("nuc")) is None
    assert unsupported("torch.mode", "2.15", given(OMITTED)).added is None


def test_the_command_prints_names_and_refuses_unknown_ones(capsys) -> None:
    import json

    import pytest

    from flake8_mps.cli import main

    assert main(["operators", "linalg.eigh", "aten::mode", "--format", "json"]) == 0
    eigh, mode = json.loads(capsys.readouterr().out)
    assert (eigh["name"], eigh["since"], eigh["operators"]["2.13"]) == ("torch.linalg.eigh", "2.14", ["_linalg_eigh.eigenvalues"])
    assert (mode["name"], mode["since"], mode["states"]["2.15"]) == ("mode", None, "missing")
    assert main(["operators", "--torch", "2.13", "--missing", "--since", "2.14", "linalg.eigh", "cumsum", "mode"]) == 0
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines()] == [["torch.linalg.eigh", "missing", "since", "2.14"]]
    with pytest.raises(SystemExit, match="2"):
        main(["operators", "linalg.eih"])
    assert "is it torch.linalg.eigh" in capsys.readouterr().err


# --- the page --------------------------------------------------------------------------------------------------------


def counts_in(page: str, kind: str) -> dict[str, dict[str, int]]:
    """The numbers of one of the page's tables of counts, by state and release."""
    table = re.search(rf'<table class="counts" id="counts-{kind}">(.*?)</table>', page, re.S)[1]
    known = re.findall(r'<th scope="col">(\d+\.\d+)</th>', table)
    rows = re.findall(r'<tr data-state="(\w+)">(.*?)</tr>', table)
    return {state: dict(zip(known, map(int, re.findall(r"<td>(\d+)</td>", row)), strict=True)) for state, row in rows}


def counts_of(entries: list[dict]) -> dict[str, dict[str, int]]:
    states = {state for entry in entries for state in entry["states"].values()}
    known = operators.releases()
    return {state: {one: sum(entry["states"][one] == state for entry in entries) for one in known} for state in states}


def test_the_page_counts_what_the_command_lists(capsys, tmp_path) -> None:
    assert cli.main(["operators", "--table", str(tmp_path / "mps.html")]) == 0
    page = (tmp_path / "mps.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    everything = {"apis": [], "operators": [f"aten::{operator.name}" for operator in operators.operators()]}
    for kind, names in everything.items():
        assert cli.main(["operators", "--format", "json", *names]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert counts_in(page, kind) == counts_of(listed)
        states_of = {name: letters for letters, found in data["names"][kind].items() for name in found.split()}
        words_of = {name: [data["states"][letter][0] for letter in letters] for name, letters in states_of.items()}
        assert words_of == {entry["name"]: list(entry["states"].values()) for entry in listed}


def test_the_page_stands_alone(capsys) -> None:
    assert cli.main(["operators", "--table"]) == 0
    page = capsys.readouterr().out
    assert len(page.encode()) < 1_000_000
    assert not re.search(r"https?:|//\w|\bsrc=|<link|@import|url\(|\bfetch\(", page)


def test_the_page_has_a_sign_of_its_own_for_each_state() -> None:
    assert set(SHOWN) == set(State)
    assert len({sign for sign, _ in SHOWN.values()}) == len(State)


@pytest.mark.parametrize("more", [["mode"], ["--missing"], ["--since", "2.9"], ["--torch", "2.9"], ["--format", "json"]])
def test_the_page_is_always_whole(more: list[str], capsys, tmp_path) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["operators", *more, "--table", str(tmp_path / "mps.html")])
    assert stopped.value.code == 2
    assert "--table" in capsys.readouterr().err
    assert not (tmp_path / "mps.html").exists()

"""Options: what they mean, and what a wrong one says."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
from flake8.options.manager import OptionManager

from flake8_mps.config import Config, ConfigError
from flake8_mps.finding import Finding, Severity, Span, World
from flake8_mps.plugin import Plugin


THERE_ARE = "there are level, torch, macos, select, ignore, portable-devices, moves, modules, resolve-imports, per-path, exclude, check-noqa"
NO_CODE = "is not a code or the beginning of one; write codes like MPS102 or MPS1"


def finding(code: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code, "m", Span(1, 0, 1, 1), severity, World.AS_WRITTEN)


def test_defaults() -> None:
    assert Config.from_strings() == Config() == Config(None, None, None, (), ())


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("level", "info", Severity.INFO),
        ("level", " ERROR ", Severity.ERROR),
        ("torch", "2.6", (2, 6)),
        ("torch", " 2.6.1 ", (2, 6)),
        ("torch", "2.10", (2, 10)),
        ("torch", "1.12", (1, 12)),
        ("torch", "1.9.0", (1, 12)),
        ("macos", "14", (14, 0)),
        ("macos", "14.4", (14, 4)),
        ("macos", "13.3.1", (13, 3)),
        ("select", ["MPS1,MPS202", "MPS3 MPS1"], ("MPS1", "MPS202", "MPS3")),
        ("ignore", ["MPS"], ("MPS",)),
    ],
)
def test_values(option: str, text: object, value: object) -> None:
    assert getattr(Config.from_strings(**{option: text}), option) == value


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("level", "loud", "--level: 'loud' is not one of info, warning, error"),
        ("level", "", "--level: '' is not one of info, warning, error"),
        ("torch", "2", "--torch: '2' is not a version; write it like 2.6 or 2.6.1"),
        ("torch", "1.x", "--torch: '1.x' is not a version; write it like 2.6 or 2.6.1"),
        ("torch", ">=2.6", "--torch: '>=2.6' is not a version; write it like 2.6 or 2.6.1"),
        ("torch", "", "--torch: '' is not a version; write it like 2.6 or 2.6.1"),
        ("torch", "٢.٦", "--torch: '٢.٦' is not a version; write it like 2.6 or 2.6.1"),
        ("torch", "2." + "9" * 5000, None),
        ("macos", "sonoma", "--macos: 'sonoma' is not a version; write it like 14 or 14.4"),
        ("select", ["MP101"], f"--select: 'MP101' {NO_CODE}"),
        ("select", ["mps1"], f"--select: 'mps1' {NO_CODE}"),
        ("select", [""], f"--select: '' {NO_CODE}"),
        ("ignore", ["MPS1", "E501"], f"--ignore: 'E501' {NO_CODE}"),
        ("ignore", ["MPS1023"], f"--ignore: 'MPS1023' {NO_CODE}"),
    ],
)
def test_a_wrong_value_names_its_option_and_what_to_write(option: str, text: object, message: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_strings(**{option: text})
    if message:
        assert str(caught.value) == message


def flake8_manager() -> OptionManager:
    manager = OptionManager(version="0", plugin_versions="", parents=[], formatter_names=[])
    Plugin.add_options(manager)
    return manager


def test_flake8_takes_the_options_from_its_command_line_and_its_config() -> None:
    manager = flake8_manager()
    options = manager.parse_args(["--mps-level", "info", "--mps-torch=2.6", "--mps-macos=14"])
    assert Config.from_flake8(options) == Config(Severity.INFO, (2, 6), (14, 0))
    assert Config.from_flake8(manager.parse_args(["--mps-explain"])) == Config(explain=True)
    assert Config.from_flake8(manager.parse_args([])) == Config()
    assert Config.from_flake8(manager.parse_args(["--mps-resolve-imports"])) == Config(resolve_imports=True)
    assert {"mps-level", "mps_level", "mps-torch", "mps-macos", "mps-explain", "mps-resolve-imports"} <= set(manager.config_options_dict)


def test_flake8_names_its_own_option() -> None:
    with pytest.raises(ConfigError, match="^--mps-torch: 'new' is not a version"):
        Config.from_flake8(argparse.Namespace(mps_level=None, mps_torch="new", mps_macos=None, mps_explain=False, mps_resolve_imports=False))


@pytest.mark.parametrize(
    ("select", "ignore", "wanted"),
    [
        ([], [], True),
        (["MPS1"], [], True),
        (["MPS102"], [], True),
        (["MPS2"], [], False),
        ([], ["MPS1"], False),
        ([], ["MPS2"], True),
        (["MPS1"], ["MPS102"], False),
        (["MPS102"], ["MPS1"], True),
        (["MPS1"], ["MPS1"], False),
    ],
)
def test_the_longer_prefix_wins(select: list[str], ignore: list[str], wanted: bool) -> None:
    config = Config(select=tuple(select), ignore=tuple(ignore))
    assert config.wants(finding("MPS102")) is wanted


def test_the_level_is_the_least_to_report() -> None:
    wanted = [Config().wants(finding("MPS102", severity)) for severity in Severity]
    assert wanted == [False, True, True]


def test_an_internal_error_is_always_reported() -> None:
    assert Config(level=Severity.ERROR, select=("MPS1",), ignore=("MPS",)).wants(finding("MPS000"))


# --- [tool.flake8-mps] -----------------------------------------------------------------------------------------------

TABLE = """
[tool.flake8-mps]
level = "info"
torch = "2.6"
macos = "14.4"
select = ["MPS1", "MPS2"]
ignore = "MPS102"
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], str]:
    """Writes pyproject.toml, and gives the path of a file of that project."""

    def write(text: str) -> str:
        (tmp_path / ".git").mkdir()
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        return str(tmp_path / "unet" / "train.py")

    return write


def test_a_project_settles_what_is_not_told(project) -> None:
    train = project(TABLE)
    settled = Config(Severity.INFO, (2, 6), (14, 4), ("MPS1", "MPS2"), ("MPS102",))
    assert Config().for_file(train) == settled
    told = Config(Severity.ERROR, (2, 1), None, ("MPS3",))
    assert told.for_file(train) == Config(Severity.ERROR, (2, 1), (14, 4), ("MPS3",), ("MPS102",))


def test_choosing_codes_is_left_to_flake8(project) -> None:
    options = argparse.Namespace(mps_level=None, mps_torch="2.1", mps_macos=None, mps_explain=False, mps_resolve_imports=False)
    assert Config.from_flake8(options).for_file(project(TABLE)) == Config(Severity.INFO, (2, 1), (14, 4))


def test_the_table_wins_over_the_requirement(project) -> None:
    requirement = '[project]\ndependencies = ["torch>=2.1"]\n'
    assert Config().for_file(project(requirement + '[tool.flake8-mps]\ntorch = "2.6"\n')).torch == (2, 6)


@pytest.mark.parametrize("table", ["", "[tool.flake8-mps]\nselect = []\nignore = []\n", "[tool]\nflake8-mps = 3\n"])
def test_a_project_that_settles_nothing(project, table: str) -> None:
    assert Config().for_file(project(table)) == Config()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mps-level = 'info'", f"mps-level: there is no such key; {THERE_ARE}"),
        ("explain = true", f"explain: there is no such key; {THERE_ARE}"),
        ("level = 'loud'", "level: 'loud' is not one of info, warning, error"),
        ("torch = 2.6", "torch: 2.6 is no text; write it in quotes"),
        ("torch = ['2.6']", "torch: ['2.6'] is no text; write it in quotes"),
        ("macos = 'sonoma'", "macos: 'sonoma' is not a version; write it like 14 or 14.4"),
        ("select = ['MPS1', 3]", "select: 3 is no text; write it in quotes"),
        ("ignore = 'E501'", f"ignore: 'E501' {NO_CODE}"),
    ],
)
def test_a_wrong_table_names_the_file_and_the_key(project, line: str, message: str) -> None:
    train = project(f"[tool.flake8-mps]\n{line}\n")
    file = Path(train).parents[1] / "pyproject.toml"
    with pytest.raises(ConfigError) as caught:
        Config().for_file(train)
    assert str(caught.value) == f"{file}: [tool.flake8-mps] {message}"

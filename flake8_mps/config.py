"""Every option: those of a command line, checked before any file is read, and what a project settles for its files."""

from __future__ import annotations

import argparse
import functools
import keyword
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .finding import Finding, Severity

if TYPE_CHECKING:
    from .project import Project

Version = tuple[int, int]

OLDEST_TORCH: Version = (1, 12)
"""The first release with an MPS device."""

FACTS = ("portable-devices", "moves", "modules")
"""What a project may say of its own functions and classes, each a list of dotted names: functions that return a
portable device, functions that move what they are given to the device that they name, and classes that are
``nn.Module`` though no file with a finding shows it."""

CODES = ("select", "ignore")
SETTINGS = ("level", "torch", "macos", *CODES, *FACTS, "resolve-imports")
"""What a project may settle for its files, where the command line does not."""

PER_PATH = ("level", *CODES)
"""What it may settle otherwise for some of them, in ``[tool.flake8-mps.per-path]``."""

KEYS = (*SETTINGS, "per-path", "exclude", "check-noqa")
"""What a project may say in its table ``[tool.flake8-mps]``."""

INTERNAL_ERROR = "MPS000"
"""A failure of ours: no choice of codes may hide it."""

NO_REASON = "MPS001"
"""A file that declares itself ``cuda-only`` and does not say why."""

BLANKET, UNUSED, UNEXPLAINED = "MPS002", "MPS003", "MPS004"

OWN_CODES = {
    INTERNAL_ERROR: ("internal-error", "A failure of flake8-mps itself: no choice of codes hides it; please report it"),
    NO_REASON: ("cuda-only-without-reason", "# mps: cuda-only takes a whole file out, and nobody says why"),
    BLANKET: ("blanket-noqa", "A # noqa that names no code hides everything on its line, whatever its words say"),
    UNUSED: ("unused-noqa", "A # noqa names a code of ours, and nothing on its line is found under it"),
    UNEXPLAINED: ("noqa-without-reason", "A # noqa names a code of ours, and nobody says why"),
}
"""The codes that no rule has: name, and what they say. Those of ``# noqa`` are reported for ``--check-noqa``."""


class ConfigError(ValueError):
    """An option with a wrong value. The text names the option, says what is wrong and what to write."""


class Option(NamedTuple):
    """An option as both command lines show it: ``--level`` of flake8-mps, ``--mps-level`` of flake8."""

    name: str
    metavar: str
    help: str


OPTIONS = (
    Option("level", "LEVEL", "report this severity and above: info, warning or error (default: warning)"),
    Option("torch", "VERSION", "the oldest PyTorch that the code has to run on, such as 2.6"),
    Option("macos", "VERSION", "the oldest macOS that the code has to run on, such as 14.4"),
)

SWITCHES = (
    Option("explain", "", "say behind each message how its value came about: where float64 was made and moved"),
    Option("resolve-imports", "", "read the project's other files for the devices, functions and classes imported from them"),
)

FLAKE8_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(
        (f"--mps-{option.name}", {"metavar": option.metavar, "help": option.help, "parse_from_config": True})
        for option in OPTIONS
    ),
    *(
        (f"--mps-{switch.name}", {"action": "store_true", "help": switch.help, "parse_from_config": True})
        for switch in SWITCHES
    ),
)
"""The arguments of flake8's ``OptionManager.add_option``, one pair for each option."""


@dataclass(frozen=True)
class Config:
    """What to report and for which machines; None or empty where it is not told.

    ``level`` is then WARNING. ``torch`` and ``macos`` are the oldest to support. ``select`` and ``ignore`` are prefixes
    of codes, and the longer one wins; an empty ``select`` is every code. ``left_to_project`` are the keys that a
    project may settle where they are not told. ``explain`` appends the trail of a finding to its message.
    ``resolve_imports`` lets facts read the project's other files. ``per_path`` and ``exclude`` are patterns as in
    .gitignore, below the folder of the project's table; of ``per_path`` the last that matches wins. ``check_noqa`` is for
    ``flake8-mps check`` alone. The rest are the dotted names of ``FACTS``.
    """

    level: Severity | None = None
    torch: Version | None = None
    macos: Version | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    explain: bool = False
    resolve_imports: bool = False
    portable_devices: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    per_path: tuple[tuple[str, Config], ...] = ()
    exclude: tuple[str, ...] = ()
    check_noqa: bool = False
    left_to_project: tuple[str, ...] = field(default=SETTINGS, compare=False)
    around: Project | None = field(default=None, compare=False, repr=False)  # the project of the linted file

    @classmethod
    def from_strings(
        cls,
        level: str | None = None,
        torch: str | None = None,
        macos: str | None = None,
        select: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        *,
        explain: bool = False,
        resolve_imports: bool = False,
        prefix: str = "--",
        **facts: Sequence[str] | None,
    ) -> Config:
        """The options as people write them; ``prefix`` is how their names begin. Raises ConfigError."""

        def read(name: str, reader: Callable[[Any], Any], value: Any, default: Any) -> Any:
            try:
                return default if value is None else reader(value)
            except ValueError as error:
                raise ConfigError(f"{prefix}{name}: {error}") from None

        return cls(
            read("level", Severity.parse, level, cls.level),
            read("torch", _torch, torch, cls.torch),
            read("macos", _macos, macos, cls.macos),
            read("select", _codes, select, cls.select),
            read("ignore", _codes, ignore, cls.ignore),
            explain,
            resolve_imports,
            *(read(name, _dotted, facts.get(_attribute(name)), ()) for name in FACTS),
        )

    @classmethod
    def from_flake8(cls, options: argparse.Namespace) -> Config:
        """The options that flake8 has read; choosing codes is left to flake8. Raises ConfigError."""
        values = {option.name: getattr(options, f"mps_{option.name}") for option in OPTIONS}
        switches = {_attribute(switch.name): getattr(options, f"mps_{_attribute(switch.name)}") for switch in SWITCHES}
        config = cls.from_strings(**values, **switches, prefix="--mps-")
        return replace(config, left_to_project=tuple(key for key in SETTINGS if key not in CODES))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], file: str) -> Config:
        """What a project's table ``[tool.flake8-mps]`` says. Raises ConfigError naming the file and the key."""
        options = _options(table, KEYS, prefix := f"{file}: [tool.flake8-mps] ")
        settled = set(map(_attribute, SETTINGS))
        beyond = {name: options.pop(name) for name in map(_attribute, KEYS) if name in options and name not in settled}
        if per_path := beyond.get("per_path"):
            beyond["per_path"] = tuple(
                (pattern, cls.from_strings(**_options(said, PER_PATH, place), prefix=place))
                for pattern, said in per_path.items()
                if (place := f"{file}: [tool.flake8-mps.per-path] {pattern!r}: ")
            )
        return replace(cls.from_strings(**options, prefix=prefix), **beyond)

    def for_file(self, path: str) -> Config:
        """These options, and where they are not told, what the project that holds the file says.

        Raises ConfigError for a wrong table of that project.
        """
        from .project import project_of  # behind the gate

        project = project_of(path)
        said = _said_by(project.file)._at(path, project.file) if project.table else Config()
        left = map(_attribute, self.left_to_project)
        told = {name: getattr(said, name) for name in left if not getattr(self, name)}
        return replace(self, **told, exclude=said.exclude, check_noqa=said.check_noqa, around=project)

    def _at(self, path: str, file: str) -> Config:
        """What the table in a file says of one path: of the patterns that match it the last wins, and ignored codes add up."""
        config = self
        for pattern, said in self.per_path:
            if matches((pattern,), path, os.path.dirname(file)):
                told = {key: value for key in ("level", "select") if (value := getattr(said, key))}
                config = replace(config, **told, ignore=tuple(dict.fromkeys((*config.ignore, *said.ignore))))
        return config

    @functools.cached_property
    def oldest_torch(self) -> Version | None:
        """The oldest torch to support: the one told, else the one that the project requires."""
        requires = self.around.requires if self.around is not None and not self.torch else None
        return max(requires.floor, OLDEST_TORCH) if requires and requires.floor else self.torch

    def wants(self, finding: Finding) -> bool:
        """Whether to report a finding."""
        if finding.code == INTERNAL_ERROR:
            return True
        selected, ignored = _longest(self.select or ("",), finding.code), _longest(self.ignore, finding.code)
        return finding.severity >= (self.level or Severity.WARNING) and selected > ignored


@functools.cache
def _said_by(file: str) -> Config:
    """What the table in a file says, read once. Raises ConfigError."""
    from .project import project_of

    return Config.from_table(project_of(file).table, file)


def forget_projects() -> None:
    """Lets what projects say be read anew: a process that lives on sees their files change."""
    from .project import forget

    forget()
    _said_by.cache_clear()


def _as_written(key: str, value: Any) -> Any:
    """What ``from_strings`` takes for a key of the table. Raises ValueError for another type than the key's."""
    if key in ("resolve-imports", "check-noqa"):
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false; write true, without quotes")
        return value
    if key == "per-path":
        if not isinstance(value, dict) or not all(isinstance(said, dict) for said in value.values()):
            raise ValueError('is no table of tables; write "tests/" = { level = "error" }')
        return value
    is_list = key in (*CODES, *FACTS, "exclude")
    texts = value if is_list and isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is no text; write it in quotes")
    if key == "exclude":
        return tuple(texts)
    return (texts or None) if is_list else value


def _options(table: Mapping[str, Any], keys: Sequence[str], prefix: str) -> dict[str, Any]:
    """The keys and values of a table, as ``from_strings`` has them. Raises ConfigError."""
    options = {}
    for key, value in table.items():
        if key not in keys:
            raise ConfigError(f"{prefix}{key}: there is no such key; there are {', '.join(keys)}")
        try:
            options[_attribute(key)] = _as_written(key, value)
        except ValueError as error:
            raise ConfigError(f"{prefix}{key}: {error}") from None
    return options


def matches(patterns: tuple[str, ...], path: str, folder: str) -> bool:
    """Whether a path below a folder is one of those that patterns as in .gitignore name; others are none."""
    below = os.path.relpath(os.path.realpath(path), os.path.realpath(folder)).replace(os.sep, "/")
    below += "/" if path.endswith("/") else ""
    return not below.startswith("../") and bool(_spec(patterns).match_file(below))


@functools.cache
def _spec(patterns: tuple[str, ...]) -> Any:
    from pathspec import GitIgnoreSpec  # for projects with patterns alone

    return GitIgnoreSpec.from_lines(patterns)


def _attribute(key: str) -> str:
    """What an option or a key is called in ``Config``."""
    return key.replace("-", "_")


def _longest(prefixes: Sequence[str], code: str) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


def _version(text: str, form: str, example: str) -> Version:
    if not (match := re.fullmatch(form, text.strip(), re.ASCII)):
        raise ValueError(f"{text!r} is not a version; write it like {example}")
    return int(match[1]), int(match[2] or 0)


def _torch(text: str) -> Version:
    return max(_version(text, r"(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?", "2.6 or 2.6.1"), OLDEST_TORCH)


def _macos(text: str) -> Version:
    return _version(text, r"(\d{1,4})(?:\.(\d{1,4})(?:\.\d{1,4})?)?", "14 or 14.4")


def _codes(texts: Sequence[str]) -> tuple[str, ...]:
    """The codes of a list whose items may hold several, split at commas and spaces. Raises ValueError."""
    codes = re.split(r"[,\s]+", ",".join(texts).strip(", \t\n"))
    for code in codes:
        if not re.fullmatch(r"MPS\d{0,3}", code, re.ASCII):
            raise ValueError(f"{code!r} is not a code or the beginning of one; write codes like MPS102 or MPS1")
    return tuple(dict.fromkeys(codes))


def _dotted(texts: Sequence[str]) -> tuple[str, ...]:
    """Names of functions or classes with their modules. Raises ValueError."""
    for text in texts:
        parts = text.split(".")
        if len(parts) < 2 or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
            raise ValueError(f"{text!r} is not a dotted name; write its module too, like unet.utils.pick_device")
    return tuple(dict.fromkeys(texts))

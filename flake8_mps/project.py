"""What the project that holds a file says: the torch that it requires, and its table ``[tool.flake8-mps]``.

Looked for upwards from the file, as far as the root of a repository, never from the working directory. A file of a
project that cannot be read says nothing: whoever installs the project will tell.
"""

from __future__ import annotations

import ast
import configparser
import functools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .source import Unreadable, parse

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.requirements import Requirement

NAMELESS = frozenset({"-", "stdin", "<unknown>"})
"""What a text without a file is called: it belongs to no project."""

ROOTS = (".git", ".hg")
MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg")
TABLE = "flake8-mps"

MACS = tuple(
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.0",
        "platform_machine": machine,
        "platform_system": "Darwin",
        "sys_platform": "darwin",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for minor in range(8, 16)
    for machine in ("arm64", "x86_64")
)
"""The machines that the marker of a requirement may mean: the Python that lints is not the one that will run."""


class Requires(NamedTuple):
    """That a project requires torch: from which release on, None for any."""

    floor: tuple[int, int] | None


class Project(NamedTuple):
    """``folder`` is that of the linted file; ``table`` is empty without one, and ``file`` is where it is.
    ``root`` is the nearest folder that is one of a project or of a repository, empty without one."""

    folder: Path | None
    table: dict[str, Any]
    file: str
    root: str

    @property
    def requires(self) -> Requires | None:
        """None where nothing names torch. Found out when somebody asks: what reads requirements is slow to load."""
        return _requires(self.folder) if self.folder is not None else None


NOWHERE = Project(None, {}, "", "")


def project_of(path: str) -> Project:
    """What the project around a file says, which need not exist: an editor may give no more than its name."""
    if path in NAMELESS:
        return NOWHERE
    try:
        return _around(Path(os.path.abspath(path)).parent)
    except OSError:  # a relative name, and the working directory is gone
        return NOWHERE


@functools.cache
def _around(folder: Path) -> Project:
    """What is said in a folder, and where it says nothing, above it."""
    file = folder / "pyproject.toml"
    table = _dig(_toml(file), "tool", TABLE)
    is_root = _is_root(folder)
    above = NOWHERE if is_root else _around(folder.parent)
    told = (table, str(file)) if isinstance(table, dict) else (above.table, above.file)
    begins = is_root and folder != folder.parent or any(os.path.exists(folder / name) for name in MANIFESTS)
    return Project(folder, *told, str(folder) if begins else above.root)


@functools.cache
def _requires(folder: Path) -> Requires | None:
    """The torch that a folder requires, and where it names none, the one above it."""
    required = _required(folder, _toml(folder / "pyproject.toml"))
    return required if required is not None or _is_root(folder) else _requires(folder.parent)


def _is_root(folder: Path) -> bool:
    return folder == folder.parent or any(os.path.exists(folder / name) for name in ROOTS)


# --- where a folder names torch --------------------------------------------------------------------------------------


def _required(folder: Path, document: dict[str, Any]) -> Requires | None:
    return next((requires for requires in _statements(folder, document) if requires is not None), None)


def _statements(folder: Path, document: dict[str, Any]) -> Iterator[Requires | None]:
    """What each place says of torch, the most binding first."""
    yield _all_of(_texts(_dig(document, "project", "dependencies")))
    extras = _dig(document, "project", "optional-dependencies")
    yield _lowest(_all_of(_texts(extra)) for extra in (extras.values() if isinstance(extras, dict) else ()))
    yield _lowest(_poetry(_dig(document, "tool", "poetry", "dependencies", "torch")))
    yield _all_of(_requirements_lines(_text(folder / "requirements.txt")))
    yield _all_of(_setup_cfg(_text(folder / "setup.cfg")))
    yield _all_of(_setup_py(_text(folder / "setup.py")))


def _requirements_lines(text: str) -> list[str]:
    """The lines of requirements.txt without comments, hashes and other options of pip."""
    lines = text.replace("\\\n", " ").splitlines()
    return [re.split(r"(?:^|\s)(?:#|--)", line)[0].strip() for line in lines]


def _setup_cfg(text: str) -> list[str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    return parser.get("options", "install_requires", fallback="").splitlines()


def _setup_py(text: str) -> list[str]:
    """``install_requires`` of setup.py where it is a list written there, or a name for one."""
    try:
        tree = parse(text, "setup.py")
    except Unreadable:
        return []
    names = {
        target.id: node.value
        for node in tree.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            if keyword.arg == "install_requires":
                value = keyword.value
                return _elements(names.get(value.id) if isinstance(value, ast.Name) else value)
    return []


def _elements(node: ast.expr | None) -> list[str]:
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return _texts([element.value for element in nodes if isinstance(element, ast.Constant)])


def _poetry(constraints: Any) -> Iterator[Requires | None]:
    """What Poetry's constraint says, or each of several for different machines."""
    for constraint in constraints if isinstance(constraints, list) else [constraints]:
        table = constraint if isinstance(constraint, dict) else {"version": constraint}
        if table.get("platform", "darwin") == "darwin" and isinstance(version := table.get("version"), str):
            choices = re.split(r"\|\|?", version)
            yield _lowest(_all_of([_in_pep_440(choice, table.get("markers"))]) for choice in choices)


def _in_pep_440(constraint: str, marker: Any) -> str:
    """The requirement of torch that has the same floor: ``^2.1`` and ``~2.1`` become ``>=2.1``, and 2.1 ``==2.1``."""
    parts = re.findall(r"([\^~<>=!]*)\s*(\d[\w.*+]*)", constraint)
    specifiers = ",".join(f"{'>=' if sign in ('^', '~') else sign or '=='}{version}" for sign, version in parts)
    return f"torch {specifiers}" + (f"; {marker}" if isinstance(marker, str) else "")


# --- from requirements to a floor ------------------------------------------------------------------------------------


_NAMED = re.compile(r"\s*torch(?![\w.-])", re.IGNORECASE)
# What most projects write says all by itself, and packaging takes longer to load than a file to lint.
_PLAIN = re.compile(r"\s*torch\s*(?:(?:>=|==)\s*(\d{1,4})(?:\.(\d{1,4})(?:\.\d+)*)?\s*)?", re.IGNORECASE)


def _all_of(texts: Iterable[str]) -> Requires | None:
    """What requirements that hold together say of torch, on the Mac on which they ask for least."""
    named = [text for text in texts if _NAMED.match(text)]
    if len(named) == 1 and (plain := _PLAIN.fullmatch(named[0])):
        return Requires((int(plain[1]), int(plain[2] or 0)) if plain[1] else None)
    requirements = [found for text in named if (found := _torch(text))]
    floors = []
    for mac in MACS if requirements else ():
        here = [_floor(requirement) for requirement in requirements if _holds(requirement.marker, mac)]
        if here:
            floors.append(max(filter(None, here), default=None))
    return Requires(None if None in floors else min(floors)) if floors else None


def _lowest(alternatives: Iterable[Requires | None]) -> Requires | None:
    """What requirements say of which one or the other holds; one without a floor leaves it to the rest."""
    told = [requires for requires in alternatives if requires is not None]
    return Requires(min((found.floor for found in told if found.floor), default=None)) if told else None


def _torch(text: str) -> Requirement | None:
    """The requirement that a text is, if it is one of torch."""
    from packaging.requirements import Requirement

    try:
        requirement = Requirement(text)
    except ValueError:
        return None
    return requirement if requirement.name.lower() == "torch" else None


def _holds(marker: Marker | None, machine: dict[str, str]) -> bool:
    try:
        return marker is None or marker.evaluate(machine)
    except ValueError:  # a marker that compares what cannot be compared
        return False


def _floor(requirement: Requirement) -> tuple[int, int] | None:
    """Major and minor version of the oldest torch that satisfies a requirement; None for any."""
    from packaging.version import Version

    floors = []
    for specifier in requirement.specifier:
        if specifier.operator in (">=", ">", "==", "~=", "==="):
            try:
                release = Version(specifier.version.removesuffix(".*")).release
            except ValueError:  # no version, or one of thousands of digits
                continue
            floors.append((*release, 0)[:2])
    return max(floors, default=None)


# --- reading files that people write ---------------------------------------------------------------------------------


def _text(path: Path) -> str:
    """The text of a file, empty where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    except (OSError, ValueError):
        return ""


@functools.cache
def _toml(path: Path) -> dict[str, Any]:
    if not (text := _text(path)):
        return {}
    import tomllib  # most folders have no such file

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _dig(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def forget() -> None:
    """Lets every project be read anew: a process that lives on sees its files change."""
    for cached in _around, _requires, _toml:
        cached.cache_clear()

"""Which module an import means, and which file of the project is that module: found by names, nothing is executed."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

from .project import NAMELESS, project_of
from .source import Source, Unreadable, read_source

LONGEST = 400_000
"""Bytes of a file that is read for another one: longer ones are written by programs, and cost more than they tell."""


class Place(NamedTuple):
    """Where a file stands: ``module`` is its dotted name, ``package`` what ``from . import`` means in it, ``roots`` the
    folders in which absolute imports are looked for, the first that has one wins."""

    module: str
    package: str
    roots: tuple[str, ...]

    def absolute(self, level: int, module: str) -> str | None:
        """The module that ``from ..module import`` names; None for one beyond the top."""
        parts = self.package.split(".") if self.package else []
        if not level:
            return module
        if level > len(parts):
            return None
        return ".".join([*parts[: len(parts) + 1 - level], *([module] if module else [])])


NOWHERE = Place("", "", ())


class Found(NamedTuple):
    """The file of a module, and its place."""

    path: str
    place: Place


@functools.lru_cache(maxsize=1024)
def place_of(path: str) -> Place:
    """The place of a file that need not exist: an editor may give no more than its name."""
    if path in NAMELESS:
        return NOWHERE
    try:
        folder, name = os.path.split(os.path.abspath(path))
    except OSError:  # a relative name, and the working directory is gone
        return NOWHERE
    root = project_of(path).root
    top, src = folder, os.path.join(root, "src")
    while top != root and os.path.isfile(os.path.join(top, "__init__.py")):
        top = os.path.dirname(top)
    if top == folder:  # a script, or a package without __init__.py
        top = next((base for base in (src, root) if root and _is_within(folder, base)), folder)
    package = os.path.relpath(folder, top).replace(os.sep, ".").strip(".")
    stem = name.removesuffix(".py")
    module = package if stem == "__init__" else f"{package}.{stem}".lstrip(".")
    is_script = not os.path.isfile(os.path.join(folder, "__init__.py"))
    roots = [*([folder] if is_script else []), top, *([src, root] if root else [])]
    return Place(module, package, tuple(dict.fromkeys(roots)))


def _is_within(folder: str, base: str) -> bool:
    return folder == base or folder.startswith(base.rstrip(os.sep) + os.sep)


@functools.lru_cache(maxsize=4096)
def module_file(place: Place, module: str) -> Found | None:
    """The file of a module within the project; None for one of other people, or a folder without ``__init__.py``."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for root in place.roots:
        base = os.path.join(root, *parts)
        for path in (os.path.join(base, "__init__.py"), f"{base}.py"):
            if os.path.isfile(path):
                package = module if path.startswith(base + os.sep) else module.rpartition(".")[0]
                return Found(path, Place(module, package, place.roots))
        first = os.path.join(root, parts[0])
        if os.path.isfile(os.path.join(first, "__init__.py")) or os.path.isfile(f"{first}.py"):
            return None  # this root has the package, though not that module of it
    return None


@functools.lru_cache(maxsize=256)
def parsed(path: str) -> Source | None:
    """The text and tree of a file, parsed once; None for one that Python would refuse."""
    try:
        return read_source(path) if os.path.getsize(path) <= LONGEST else None
    except (OSError, Unreadable):
        return None


def forget() -> None:
    """Lets the files of a project be found and read anew."""
    for cached in place_of, module_file, parsed:
        cached.cache_clear()

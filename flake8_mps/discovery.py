"""Which files a run reads: those that its paths name, and those in the folders among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .config import Config, ConfigError, matches
from .project import ROOTS, project_of
from .source import Unreadable

SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Folders of copies and of installed packages, as are hidden ones; not skipped when named on the command line."""

VENDORED_FOLDERS = frozenset({"3rdparty", "_vendor", "extern", "third-party", "third_party", "thirdparty", "vendor", "vendored"})
"""Folders of other people's code, which nobody mends in place; skipped as well, and the summary says so."""

TEST_FOLDERS = frozenset({"test", "tests"})
"""Folders of tests, in which nobody's warnings are urgent; see ``File.is_test``."""


class File(NamedTuple):
    """A file to read; ``is_test`` where it was met in a folder of tests below a folder that was named."""

    path: str
    is_test: bool = False


class Discovery:
    """The files that paths name, and what was left out on the way.

    ``exclude`` are patterns as in .gitignore, below the working directory; the project's own add to them. Of folders,
    what .gitignore names is left out too, if ``gitignore``. What is named itself is read in any case.
    """

    def __init__(
        self, complain: Callable[[Unreadable], None], exclude: tuple[str, ...] = (), gitignore: bool = True
    ) -> None:
        self.complain = complain
        self.exclude = exclude
        self.gitignore = gitignore
        self.vendored: set[str] = set()
        self._ignores: dict[tuple[str, str], list[tuple[str, Any]]] = {}

    def files(self, paths: Iterable[str]) -> list[File]:
        """The files, sorted by path, each once however often and by whatever path it is named. Raises ConfigError."""
        found: dict[str, File] = {}
        for path in sorted(set(paths)):
            folder = os.path.isdir(path)
            there = path == "-" or os.path.exists(path)
            files = sorted(self._walk(path)) if folder else [File(path)] if there else []
            if not files:
                what = "holds no .py or .ipynb file to check" if folder else "does not exist"
                self.complain(Unreadable(path, 1, 0, f"{what}; check the path"))
            for file in files:
                key = "-" if file.path == "-" else os.path.realpath(file.path)
                if key not in found or found[key].is_test:
                    found[key] = file
        return sorted(found.values())

    def _walk(self, named: str) -> Iterator[File]:
        def refused(error: OSError) -> None:
            self.complain(Unreadable(str(error.filename), 1, 0, f"cannot be listed: {error.strerror}; check its permissions"))

        top = self._top(os.path.realpath(named))
        for root, folders, names in os.walk(named, onerror=refused):
            leaves_out = self._filter(root, top)
            folders[:] = [name for name in folders if self._enters(root, name, leaves_out)]
            is_test = not TEST_FOLDERS.isdisjoint(os.path.relpath(root, named).split(os.sep))
            for name in names:
                path = os.path.join(root, name)
                if name.endswith((".py", ".ipynb")) and not leaves_out(path):
                    yield File(path, is_test)

    def _enters(self, root: str, name: str, leaves_out: Callable[[str], bool]) -> bool:
        path = os.path.join(root, name)
        if name.startswith(".") or name in SKIPPED_FOLDERS or leaves_out(path + "/"):
            return False
        if name in VENDORED_FOLDERS:
            self.vendored.add(path)
            return False
        return True

    def _filter(self, folder: str, top: str) -> Callable[[str], bool]:
        """Which paths right in a folder are left out; a folder's path ends in a slash."""
        project = project_of(os.path.join(folder, "any"))
        excluded = Config().for_file(os.path.join(folder, "any")).exclude if project.table else ()
        ignores = self._gitignores(os.path.realpath(folder), top) if self.gitignore else []

        def leaves_out(path: str) -> bool:
            if self.exclude and matches(self.exclude, path, os.curdir):
                return True
            if excluded and matches(excluded, path, os.path.dirname(project.file)):
                return True
            return bool(ignores) and _is_ignored(path, ignores)

        return leaves_out

    def _top(self, named: str) -> str:
        """From which folder down .gitignore holds: that of the repository, unless it leaves out the folder that was named."""
        top = named
        while not any(os.path.exists(os.path.join(top, name)) for name in ROOTS):
            if top == os.path.dirname(top):
                return named
            top = os.path.dirname(top)
        above = self._gitignores(os.path.dirname(named), top) if top != named and self.gitignore else []
        return named if _is_ignored(named + "/", above) else top

    def _gitignores(self, folder: str, top: str) -> list[tuple[str, Any]]:
        """The .gitignore files that hold in a folder, the nearest first, each with the folder that its patterns begin at."""
        if (folder, top) not in self._ignores:
            exclude = os.path.join(folder, ".git", "info", "exclude")
            here = [*_gitignore(os.path.join(folder, ".gitignore")), *(_gitignore(exclude) if folder == top else [])]
            above = [] if folder in (top, os.path.dirname(folder)) else self._gitignores(os.path.dirname(folder), top)
            self._ignores[folder, top] = [*((folder, spec) for spec in here), *above]
        return self._ignores[folder, top]


def _gitignore(file: str) -> list[Any]:
    """The patterns of a file, in a list; an empty list where there are none."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            patterns = [line for line in lines.read().splitlines() if line.strip() and not line.startswith("#")]
    except OSError:
        return []
    if not patterns:
        return []
    from pathspec import GitIgnoreSpec  # for folders with a .gitignore alone

    try:
        return [GitIgnoreSpec.from_lines(patterns)]
    except ValueError as error:
        raise ConfigError(f"{file}: {error}; correct it, or write --no-gitignore") from None


def _is_ignored(path: str, ignores: list[tuple[str, Any]]) -> bool:
    """What the nearest .gitignore that knows the path says of it."""
    real = os.path.join(os.path.realpath(os.path.dirname(path.rstrip("/"))), os.path.basename(path.rstrip("/")))
    for folder, spec in ignores:
        below = os.path.relpath(real, folder).replace(os.sep, "/") + ("/" if path.endswith("/") else "")
        decision = spec.check_file(below).include
        if decision is not None:
            return decision
    return False

"""Which files a run reads: those that its paths name, and those in the folders among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from .source import Unreadable

SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Folders of other people's code and of copies, as are hidden ones; not skipped when named on the command line."""


def discover(paths: Iterable[str], complain: Callable[[Unreadable], None]) -> list[str]:
    """The files that the paths name, sorted, each once however often and by whatever path it is named."""
    found: dict[str, str] = {}
    for path in sorted(set(paths)):
        folder = os.path.isdir(path)
        files = sorted(_walk(path, complain)) if folder else [path] if path == "-" or os.path.exists(path) else []
        if not files:
            what = "holds no .py or .ipynb file" if folder else "does not exist"
            complain(Unreadable(path, 1, 0, f"{what}; check the path"))
        for file in files:
            found.setdefault(file if file == "-" else os.path.realpath(file), file)
    return sorted(found.values())


def _walk(folder: str, complain: Callable[[Unreadable], None]) -> Iterator[str]:
    def refused(error: OSError) -> None:
        complain(Unreadable(str(error.filename), 1, 0, f"cannot be listed: {error.strerror}; check its permissions"))

    for root, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED_FOLDERS]
        yield from (os.path.join(root, name) for name in files if name.endswith((".py", ".ipynb")))

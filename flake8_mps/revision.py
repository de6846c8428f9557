"""Which lines changed since a revision of git: ``flake8-mps check --since main``."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Container
from dataclasses import dataclass, field

from .config import ConfigError
from .notebook import notebook_of
from .source import Source, Unreadable

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class _EveryLine:
    def __contains__(self, line: object) -> bool:
        return True


EVERY_LINE: Container[int] = _EveryLine()


@dataclass(frozen=True)
class Changes:
    """The changed lines of files, by real path; ``EVERY_LINE`` of a new one. Files without changes are not there.

    ``before`` has what changed notebooks held at the revision: their lines are those of cells, not of the file.
    """

    by_path: dict[str, Container[int]] = field(default_factory=dict)
    before: dict[str, bytes] = field(default_factory=dict)

    def touch(self, path: str) -> bool:
        """Whether anything in a file changed."""
        return os.path.realpath(path) in self.by_path

    def lines(self, source: Source) -> Container[int]:
        """The changed lines of a source, as it counts them."""
        path = os.path.realpath(source.path)
        if path not in self.before or not source.origins:
            return self.by_path.get(path, ())
        try:
            old = notebook_of(self.before[path], source.path).lines
        except Unreadable:  # at the revision it was no notebook yet
            return EVERY_LINE
        blocks = difflib.SequenceMatcher(None, old, source.lines, autojunk=False).get_matching_blocks()
        same = {line for block in blocks for line in range(block.b + 1, block.b + block.size + 1)}
        return frozenset(range(1, len(source.lines) + 1)) - same


def changes_since(revision: str, paths: list[str]) -> Changes:
    """What changed in files since they and ``revision`` parted, committed or not, in every repository that they are in.

    Raises ConfigError where git cannot tell: a revision it does not know, or a file of no repository.
    """
    changes = Changes()
    for root in sorted({_root(os.path.dirname(os.path.realpath(path))) for path in paths}):
        base = _base(revision, root)
        diff = ["diff", "--no-ext-diff", "--no-color", "-U0", "-M", "--src-prefix=a/", "--dst-prefix=b/", base, "--"]
        _read_diff(_git(root, *diff), root, base, changes)
        for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")[:-1]:
            changes.by_path[os.path.realpath(os.path.join(root, os.fsdecode(name)))] = EVERY_LINE
    return changes


def _base(revision: str, root: str) -> str:
    """Where the work in a repository parted from a revision: what came there since is nobody's change here."""
    if revision.startswith("-"):
        raise ConfigError(f"--since: {revision!r} is no revision")
    _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", unless=f"git knows no revision {revision!r}; fetch it first")
    common = f"{revision!r} and HEAD have no common commit; fetch the whole history (in GitHub's checkout: fetch-depth: 0)"
    return _git(root, "merge-base", revision, "HEAD", unless=common).decode().strip()


def _root(folder: str) -> str:
    root = _git(folder, "rev-parse", "--show-toplevel", unless=f"{folder} is in no repository of git")
    return os.fsdecode(root.rstrip(b"\n"))


def _git(folder: str, *arguments: str, unless: str = "") -> bytes:
    """What git says. Raises ConfigError, with the text of ``unless`` or of git, where it fails."""
    command = ["git", "-c", "core.quotePath=false", "-C", folder, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise ConfigError(f"--since: git cannot be run: {error.strerror}") from None
    if done.returncode:
        raise ConfigError(f"--since: {unless or ' '.join(done.stderr.decode(errors='replace').split())}")
    return done.stdout


def _read_diff(diff: bytes, root: str, base: str, changes: Changes) -> None:
    path, old, lines = "", "", set[int]()
    left = 0  # lines of the hunk still to come: one of them may look like a heading
    for text in diff.split(b"\n"):
        if left and text[:1] in (b"+", b"-"):
            left -= 1
        elif text.startswith(b"--- "):
            old = _name(text[4:])
        elif text.startswith(b"+++ ") and (name := _name(text[4:])):
            path, lines = os.path.realpath(os.path.join(root, name)), set()
            changes.by_path[path] = lines if old else EVERY_LINE
            if old and name.endswith(".ipynb"):
                changes.before[path] = _git(root, "show", f"{base}:{old}")
        elif match := _HUNK.match(text):
            gone, first, new = int(match[1] or 1), int(match[2]), int(match[3] or 1)
            left = gone + new
            lines.update(range(first, first + new))


def _name(text: bytes) -> str:
    """The path in a heading of a diff, without its prefix; empty for /dev/null."""
    name = text.rstrip(b"\t\r")
    if name.startswith(b'"'):
        name = name[1:-1].decode("unicode_escape").encode("latin-1")
    return "" if name == b"/dev/null" else os.fsdecode(name[2:])

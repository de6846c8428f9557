"""Findings that a project knows and has put off: they stay quiet, and new ones show.

A finding is known by its code, its source line and the function or class around it, and how often that is found; not by
line number or path, so that it survives lines inserted above it and folders renamed. The files are kept as hints: which
of several alike is the new one, and what a run of a part of the project can say of the rest.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config import INTERNAL_ERROR, ConfigError
from .reports import Located

_VERSION = 1
Kind = tuple[str, str, str]


@dataclass
class Baseline:
    """The known findings: for each kind, in which files, relative to the baseline's own folder, and how often."""

    file: str
    known: dict[Kind, Counter[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: str) -> Baseline:
        """What a file says. Raises ConfigError for one that is none of ours."""
        try:
            document = json.loads(Path(file).read_text(encoding="utf-8"))
            if document["version"] != _VERSION:
                raise ConfigError(f"--baseline: {file} is of version {document['version']!r}; write it anew: --write-baseline")
            entries = [((row["code"], row["scope"], row["line"]), _files(row["files"])) for row in document["findings"]]
        except FileNotFoundError:
            raise ConfigError(f"--baseline: {file} does not exist; write it first, with --write-baseline") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"--baseline: {file} cannot be read as a baseline: {error!r}; write it anew: --write-baseline") from None
        return cls(file, dict(entries))

    @classmethod
    def of(cls, findings: Iterable[Located], file: str) -> Baseline:
        """The baseline that knows all these findings."""
        baseline = cls(file)
        for located in findings:
            if located.finding.code == INTERNAL_ERROR:
                continue  # a failure of ours is never put off
            baseline.known.setdefault(located.kind, Counter())[baseline._name(located.path)] += 1
        return baseline

    def new(self, findings: list[Located]) -> list[Located]:
        """The findings that are more than the known ones; of several alike those in files that had fewer."""
        left = {kind: files.copy() for kind, files in self.known.items()}
        elsewhere = []
        for number, located in enumerate(findings):
            files, name = left.get(located.kind, Counter()), self._name(located.path)
            if files[name] > 0:
                files[name] -= 1
            else:
                elsewhere.append((number, located))
        budget = {kind: files.total() for kind, files in left.items()}
        new = []
        for _, located in elsewhere:
            if budget.get(located.kind, 0) > 0:
                budget[located.kind] -= 1
            else:
                new.append(located)
        return new

    def gone(self, findings: list[Located], checked: Iterable[str]) -> Baseline:
        """What is known and was not found again, of the files that were checked and of those that are no more."""
        here = {self._name(path) for path in checked}
        found = Counter(located.kind for located in findings)
        gone = Baseline(self.file)
        for kind, files in self.known.items():
            more = files.total() - found[kind]
            for name in sorted(files, key=lambda name: self._exists(name)):
                if more > 0 and (name in here or not self._exists(name)):
                    gone.known.setdefault(kind, Counter())[name] = min(more, files[name])
                    more -= gone.known[kind][name]
        return gone

    def without(self, gone: Baseline) -> Baseline:
        """The baseline without findings that are gone."""
        left = {kind: files - gone.known.get(kind, Counter()) for kind, files in self.known.items()}
        return Baseline(self.file, {kind: files for kind, files in left.items() if files})

    def __len__(self) -> int:
        return sum(files.total() for files in self.known.values())

    def write(self) -> None:
        """Writes the file, one line for each kind, in an order that keeps differences small. Raises ConfigError."""
        rows = [
            json.dumps({"code": code, "scope": scope, "line": line, "files": dict(sorted(files.items()))}, ensure_ascii=False)
            for (code, scope, line), files in sorted(self.known.items(), key=lambda item: (min(item[1]), item[0]))
        ]
        about = "findings of flake8-mps that are known; see flake8-mps check --help"
        text = f'{{"about": {json.dumps(about)}, "version": {_VERSION}, "findings": [\n' + ",\n".join(rows) + "\n]}\n"
        try:
            Path(self.file).write_text(text, encoding="utf-8", errors="surrogatepass", newline="\n")
        except OSError as error:
            raise ConfigError(f"--baseline: {self.file} cannot be written: {error.strerror}") from None

    def _name(self, path: str) -> str:
        return os.path.relpath(path, os.path.dirname(os.path.abspath(self.file))).replace(os.sep, "/")

    def _exists(self, name: str) -> bool:
        return os.path.exists(os.path.join(os.path.dirname(os.path.abspath(self.file)), name))


def _files(value: Any) -> Counter[str]:
    return Counter({str(name): int(number) for name, number in value.items()})

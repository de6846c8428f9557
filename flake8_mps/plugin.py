"""flake8's adapter, and nothing else."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from . import __version__
from .config import FLAKE8_OPTIONS, Config, ConfigError
from .linter import lint
from .source import Source


class Plugin:
    """What flake8 makes for each file; see its documentation of plugin parameters."""

    name = "flake8-mps"
    version = __version__
    config: ClassVar[Config] = Config()

    def __init__(self, tree: ast.Module, lines: list[str], filename: str = "stdin") -> None:
        self.source = Source("".join(lines), tree, filename)

    @classmethod
    def add_options(cls, option_manager: Any) -> None:
        for name, keywords in FLAKE8_OPTIONS:
            option_manager.add_option(name, **keywords)

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Takes flake8's options. Raises flake8's ExecutionError for a wrong one, before any file is read."""
        with _as_flake8_says_it():
            cls.config = Config.from_flake8(options)

    def run(self) -> Iterator[tuple[int, int, str, type]]:
        """Lines from 1 and columns from 0: flake8 adds one to the column itself.

        Raises flake8's ExecutionError for a wrong table ``[tool.flake8-mps]`` of the project that holds the file.
        """
        with _as_flake8_says_it():
            findings = lint(self.source, self.config)
        for finding in findings:
            yield finding.span.line, finding.span.column, f"{finding.code} {finding.message}", type(self)


@contextmanager
def _as_flake8_says_it() -> Iterator[None]:
    """A wrong option ends flake8 with one line and no traceback."""
    try:
        yield
    except ConfigError as error:
        from flake8.exceptions import ExecutionError

        raise ExecutionError(str(error)) from error

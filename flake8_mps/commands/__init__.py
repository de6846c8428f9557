"""What ``flake8-mps`` can be told to do: one file a command, read by ``load_commands``.

A command's file has one public function, ``add(commands)``: it adds a parser and sets ``run``, called with the arguments,
and ``parser``, which tells of wrong ones. ``run`` returns the exit status: CLEAN for nothing found, FINDINGS, or TROUBLE for
wrong use and for whatever could not be read, findings or not. What is heavy is imported when it runs, not at the top.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from ..config import ConfigError

CLEAN, FINDINGS, TROUBLE = 0, 1, 2


def load_commands() -> list[Any]:
    """The modules of this folder, by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def write_file(path: str, text: str, option: str) -> None:
    """What an option told to write. Raises ConfigError where the file cannot be written."""
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{option}: {path} cannot be written: {error.strerror}") from None

"""The command ``flake8-mps``: its options, and what becomes of errors. What it does is in ``commands/``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from . import __version__
from .commands import load_commands
from .config import ConfigError

_INTERRUPTED, _PIPE_CLOSED = 130, 141  # what a shell reports for a process ended by SIGINT and by SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except ConfigError as error:
        arguments.parser.error(str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush fails again
        return _PIPE_CLOSED


def _parser() -> argparse.ArgumentParser:
    description = "Find what breaks, or silently runs on the CPU, in PyTorch code on a Mac's GPU."
    parser = argparse.ArgumentParser(prog="flake8-mps", description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in load_commands():
        command.add(commands)
    return parser

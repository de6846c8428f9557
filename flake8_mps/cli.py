"""The command ``flake8-mps``.

Exit status: 0 for nothing found, 1 for findings, 2 for wrong use and for whatever could not be read, findings or not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from . import __version__
from .config import CODES, INTERNAL_ERROR, NO_REASON, OPTIONS, SWITCHES, Config, ConfigError
from .notebook import NotPython, read_notebook
from .reports import Located, text
from .source import Source, Unreadable, read_source

CLEAN, FINDINGS, TROUBLE = 0, 1, 2
_INTERRUPTED, _PIPE_CLOSED = 130, 141  # what a shell reports for a process ended by SIGINT and by SIGPIPE

SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Folders of other people's code and of copies, as are hidden ones; not skipped when named on the command line."""


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
    for add in _COMMANDS:
        add(commands)
    return parser


# --- check -----------------------------------------------------------------------------------------------------------


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="report what a Mac would refuse, or run on the CPU", allow_abbrev=False)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a .py or .ipynb file, a folder, or - for stdin")
    for option in OPTIONS:
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    for name, effect in ("select", "report only"), ("ignore", "do not report"):
        parser.add_argument(f"--{name}", metavar="CODES", action="append", help=f"{effect} these: MPS102, MPS3, ...")
    for switch in SWITCHES:
        parser.add_argument(f"--{switch.name}", action="store_true", help=switch.help)
    parser.set_defaults(run=_check, parser=parser)


def _check(arguments: argparse.Namespace) -> int:
    names = [option.name.replace("-", "_") for option in (*OPTIONS, *SWITCHES)]
    config = Config.from_strings(**{name: getattr(arguments, name) for name in (*names, *CODES)})
    _refuse_unknown_codes(config, "--")

    problems: list[Unreadable] = []
    findings: list[Located] = []
    files = 0

    def complain(problem: Unreadable) -> None:
        print(problem, file=sys.stderr)
        problems.append(problem)

    for path in _discover(arguments.paths, complain):
        try:
            source = read_notebook(path) if path.endswith(".ipynb") else read_source(path)
        except NotPython as foreign:
            print(foreign, file=sys.stderr)
            continue
        except Unreadable as problem:
            complain(problem)
            continue
        files += 1
        for located in _findings(source, config):
            findings.append(located)
            print(text.line(located))
        sys.stdout.flush()
        for problem in source.unreadable_cells:
            complain(problem)
    print(text.summary(findings, files, len(problems)), file=sys.stderr)
    return TROUBLE if problems or not files else FINDINGS if findings else CLEAN


def _findings(source: Source, config: Config) -> Iterator[Located]:
    from .linter import concerns, lint  # behind the options: a wrong one is told before the engine is loaded
    from .project import project_of

    if concerns(source.text):
        _refuse_unknown_codes(config.for_file(source.path), f"{project_of(source.path).file}: [tool.flake8-mps] ")
    for finding in lint(source, config):
        if not source.suppressed(finding):
            cell, span = source.locate(finding.span)
            yield Located(source.path, cell, replace(finding, span=span))


def _refuse_unknown_codes(config: Config, place: str) -> None:
    """Raises ConfigError for a choice that no rule answers to: it would find nothing and look like success.

    ``place`` is where the choice is written, up to its name.
    """
    if not (config.select or config.ignore):
        return
    from .rule import load_rules

    codes = [INTERNAL_ERROR, NO_REASON, *(rule.code for rule in load_rules())]
    for name, prefixes in ("select", config.select), ("ignore", config.ignore):
        for prefix in prefixes:
            if not any(code.startswith(prefix) for code in codes):
                raise ConfigError(f"{place}{name}: no rule has the code {prefix!r}; there are {', '.join(codes[1:])}")


# --- which files -----------------------------------------------------------------------------------------------------


def _discover(paths: Iterable[str], complain: Callable[[Unreadable], None]) -> list[str]:
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


# --- explain ---------------------------------------------------------------------------------------------------------


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser("explain", help="print the page of a rule", allow_abbrev=False)
    parser.add_argument("code", metavar="CODE", help="MPS102, or its name: cuda-method")
    parser.set_defaults(run=_explain, parser=parser)


def _explain(arguments: argparse.Namespace) -> int:
    from .rule import load_rules

    for rule in load_rules():
        if arguments.code.upper() == rule.code or arguments.code == rule.name:
            heading = f"{rule.code} {rule.name} ({rule.severity.name.lower()}, {rule.world.value})"
            print(f"{heading}\n\n{rule.documentation()}")
            return CLEAN
    known = ", ".join(rule.code for rule in load_rules())
    raise ConfigError(f"no rule is called {arguments.code!r}; there are {known}")


_COMMANDS = (_add_check, _add_explain)

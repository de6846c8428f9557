"""``flake8-mps check PATH...``: what flake8 reports, without flake8."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..config import CODES, INTERNAL_ERROR, NO_REASON, OPTIONS, SWITCHES, Config, ConfigError
from ..discovery import discover
from ..notebook import NotPython, read_notebook
from ..reports import Located, text
from ..source import Source, Unreadable, read_source
from . import CLEAN, FINDINGS, TROUBLE


def add(commands: Any) -> None:
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
    refuse_unknown_codes(config, "--")

    problems: list[Unreadable] = []
    findings: list[Located] = []
    files = 0

    def complain(problem: Unreadable) -> None:
        print(problem, file=sys.stderr)
        problems.append(problem)

    for path in discover(arguments.paths, complain):
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
    from ..linter import concerns, lint  # behind the options: a wrong one is told before the engine is loaded
    from ..project import project_of

    if concerns(source.text):
        refuse_unknown_codes(config.for_file(source.path), f"{project_of(source.path).file}: [tool.flake8-mps] ")
    for finding in lint(source, config):
        if not source.suppressed(finding):
            cell, span = source.locate(finding.span)
            yield Located(source.path, cell, replace(finding, span=span))


def refuse_unknown_codes(config: Config, place: str) -> None:
    """Raises ConfigError for a choice that no rule answers to: it would find nothing and look like success.

    ``place`` is where the choice is written, up to its name.
    """
    if not (config.select or config.ignore):
        return
    from ..rule import load_rules

    codes = [INTERNAL_ERROR, NO_REASON, *(rule.code for rule in load_rules())]
    for name, prefixes in ("select", config.select), ("ignore", config.ignore):
        for prefix in prefixes:
            if not any(code.startswith(prefix) for code in codes):
                raise ConfigError(f"{place}{name}: no rule has the code {prefix!r}; there are {', '.join(codes[1:])}")

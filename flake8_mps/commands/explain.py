"""``flake8-mps explain CODE``: the page of a rule."""

from __future__ import annotations

import argparse
from typing import Any

from ..config import ConfigError
from . import CLEAN


def add(commands: Any) -> None:
    parser = commands.add_parser("explain", help="print the page of a rule", allow_abbrev=False)
    parser.add_argument("code", metavar="CODE", help="MPS102, or its name: cuda-method")
    parser.set_defaults(run=_explain, parser=parser)


def _explain(arguments: argparse.Namespace) -> int:
    from ..rule import load_rules

    for rule in load_rules():
        if arguments.code.upper() == rule.code or arguments.code == rule.name:
            print(f"{rule.heading()}\n\n{rule.documentation()}")
            return CLEAN
    known = ", ".join(rule.code for rule in load_rules())
    raise ConfigError(f"no rule is called {arguments.code!r}; there are {known}")

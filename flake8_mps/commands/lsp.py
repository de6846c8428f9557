"""``flake8-mps lsp``: a language server for editors, on standard input and output."""

from __future__ import annotations

import argparse
from typing import Any

from ..config import CODES, OPTIONS, SWITCHES, Config, ConfigError
from ..rule import refuse_unknown_codes
from . import CLEAN


def add(commands: Any) -> None:
    parser = commands.add_parser("lsp", help="serve an editor: findings while typing, pages, fixes", allow_abbrev=False)
    for option in OPTIONS:
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    for name, effect in ("select", "report only"), ("ignore", "do not report"):
        parser.add_argument(f"--{name}", metavar="CODES", action="append", help=f"{effect} these: MPS102, MPS3, ...")
    for switch in SWITCHES:
        parser.add_argument(f"--{switch.name}", action="store_true", help=switch.help)
    parser.add_argument("--stdio", action="store_true", help="what some editors say; there is no other way")
    parser.set_defaults(run=_serve, parser=parser)


def _serve(arguments: argparse.Namespace) -> int:
    names = [option.name.replace("-", "_") for option in (*OPTIONS, *SWITCHES)]
    config = Config.from_strings(**{name: getattr(arguments, name) for name in (*names, *CODES)})
    refuse_unknown_codes(config, "--")
    try:
        from ..lsp import serve

        serve(config)
    except ModuleNotFoundError as error:
        raise ConfigError(f"the language server needs pygls ({error}); pip install 'flake8-mps[lsp]'") from None
    return CLEAN

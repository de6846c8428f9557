"""``flake8-mps rules``: what is looked for, for people or for programs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..config import OWN_CODES
from . import CLEAN


def add(commands: Any) -> None:
    parser = commands.add_parser("rules", help="list the rules", allow_abbrev=False)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text (the default) or json")
    parser.set_defaults(run=_rules, parser=parser)


def _rules(arguments: argparse.Namespace) -> int:
    rows = _rows()
    if arguments.format == "json":
        print(json.dumps(rows, indent=1))
        return CLEAN
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['code']}  {row['name']:<{width}}  {row['severity'] or '':<7}  {row['summary']}")
    return CLEAN


def _rows() -> list[dict[str, Any]]:
    """Each code once; those that no rule has carry no severity, world or page."""
    from ..rule import load_rules

    own = [
        {"code": code, "name": name, "severity": None, "world": None, "since": "0.1.0", "summary": summary, "page": None}
        for code, (name, summary) in OWN_CODES.items()
    ]
    return own + [
        {
            "code": rule.code,
            "name": rule.name,
            "severity": rule.severity.name.lower(),
            "world": rule.world.value,
            "since": rule.since,
            "summary": rule.documentation().split("\n", 1)[0].rstrip(" ."),
            "page": rule.documentation(),
        }
        for rule in load_rules()
    ]

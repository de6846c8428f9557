"""``flake8-mps operators [NAME...]``: what the releases of PyTorch implement for MPS."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..config import Config, ConfigError
from . import CLEAN, write_file


def add(commands: Any) -> None:
    parser = commands.add_parser("operators", help="what each release of PyTorch implements for MPS", allow_abbrev=False)
    parser.add_argument("names", metavar="NAME", nargs="*", help="a public name, or an operator of aten: linalg.eigh, aten::mode")
    parser.add_argument("--torch", metavar="VERSION", help="what this release does with them (default: the newest in the table)")
    parser.add_argument("--missing", action="store_true", help="only what that release does not support, or not in every form")
    parser.add_argument("--since", metavar="VERSION", help="only what is supported since this release or a later one")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text (the default) or json")
    parser.add_argument(
        "--table", metavar="FILE", nargs="?", const="-",
        help="write all, aten's operators too, as one page to FILE or standard output",
    )
    parser.set_defaults(run=_operators, parser=parser)


def _operators(arguments: argparse.Namespace) -> int:
    return _list(arguments) if arguments.table is None else _table(arguments)


def _table(arguments: argparse.Namespace) -> int:
    from ..operators.table import render

    if arguments.names or arguments.missing or arguments.torch or arguments.since or arguments.format != "text":
        raise ConfigError("--table writes all names and releases, and the page filters them: give it nothing but FILE")
    if arguments.table == "-":
        sys.stdout.write(render())
    else:
        write_file(arguments.table, render(), "--table")
    return CLEAN


def _list(arguments: argparse.Namespace) -> int:
    from .. import operators
    from ..operators.forms import release_of, version

    release = release_of(Config.from_strings(torch=arguments.torch).torch)
    least = Config.from_strings(torch=arguments.since, prefix="--since, a release of ").torch
    entries = [_found(name) for name in arguments.names] or list(operators.apis())
    if arguments.missing:
        entries = [entry for entry in entries if _state(entry, release) in ("fallback", "missing", "refused", "partial")]
    if least:
        since = ((entry, operators.added(entry.states)) for entry in entries)
        entries = [entry for entry, first in since if first is not None and version(first) >= least]
    if arguments.format == "json":
        print(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return CLEAN
    for line in _lines(entries, release):
        print(line)
    print(f"{len(entries)} names; state with torch {release}; read from PyTorch's releases, never run on a Mac", file=sys.stderr)
    return CLEAN


def _found(name: str) -> Any:
    """A public name as it is written, or without its module; else an overload. Raises ConfigError."""
    from .. import operators

    spellings = (name, f"torch.{name}", f"torch.nn.functional.{name.removeprefix('F.')}", f"torch.{name.removeprefix('F.')}")
    for spelling in spellings:
        if (found := operators.api(spelling)) is not None:
            return found
    if (found := operators.operator(name)) is not None:
        return found
    raise ConfigError(f"the table has no {name!r}; {_near(name)}")


def _near(name: str) -> str:
    import difflib

    from .. import operators

    known = [entry.name for entry in (*operators.apis(), *operators.operators())]
    last = name.rpartition(".")[2].lower()
    near = [one for one in known if last and one.rpartition(".")[2].lower() == last][:5]
    near = near or difflib.get_close_matches(f"torch.{name.removeprefix('torch.')}", known, 5)
    return f"is it {', '.join(near)}?" if near else "flake8-mps operators prints all names"


def _state(entry: Any, release: str) -> str:
    return entry.states[release].value


def _by(entry: Any, release: str) -> tuple[str, ...]:
    """The operators for which a public name is not supported."""
    by: Mapping[str, tuple[str, ...]] = getattr(entry, "operators", {})
    return by.get(release, ())


def _lines(entries: list[Any], release: str) -> Iterator[str]:
    from ..operators import added

    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        since = added(entry.states)
        reason = f"  aten: {', '.join(_by(entry, release))}" if _by(entry, release) else ""
        yield f"{entry.name:<{width}}  {_state(entry, release):<8}  {f'since {since}' if since else 'not yet':<10}{reason}".rstrip()


def _as_json(entry: Any) -> dict[str, Any]:
    from ..operators import added

    return {
        "name": entry.name,
        "since": added(entry.states),
        "states": {release: state.value for release, state in entry.states.items()},
        "operators": {release: list(names) for release in entry.states if (names := _by(entry, release))},
    }

"""``flake8-mps probe PATH...``: runs what each finding claims, on an emulated Mac beside a control."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..config import CODES, OPTIONS, Config, ConfigError
from ..discovery import Discovery
from ..notebook import NotPython, read_notebook
from ..rule import refuse_unknown_codes
from ..source import Source, Unreadable, read_source
from . import CLEAN, FINDINGS, TROUBLE

if TYPE_CHECKING:
    from ..probe.verdicts import Claim, Judged


def add(commands: Any) -> None:
    parser = commands.add_parser("probe", help="run what findings claim, and say which hold", allow_abbrev=False)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a .py or .ipynb file, or a folder")
    for option in OPTIONS:
        parser.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    for name, effect in ("select", "probe only"), ("ignore", "do not probe"):
        parser.add_argument(f"--{name}", metavar="CODES", action="append", help=f"{effect} these: MPS102, MPS3, ...")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json: one object a finding")
    parser.add_argument("--show-slice", action="store_true", help="print the program that decided")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="how long one run may take (default: 20)")
    parser.add_argument("--no-sandbox", action="store_true", help="run with your own rights; for code that you trust")
    parser.set_defaults(run=_probe, parser=parser)


def _probe(arguments: argparse.Namespace) -> int:
    config = Config.from_strings(**{name: getattr(arguments, name) for name in (*(one.name for one in OPTIONS), *CODES)})
    refuse_unknown_codes(config, "--")
    problems: list[Unreadable] = []
    claims = list(_claims(arguments.paths, config, problems))
    if not claims:
        print("no findings to probe", file=sys.stderr)
        return TROUBLE if problems else CLEAN
    counts: Counter[str] = Counter()
    for one in _judged(claims, arguments):
        counts[one.verdict.value] += 1
        print(json.dumps(_as_json(one)) if arguments.format == "json" else _line(one))
        if arguments.show_slice and arguments.format == "text" and one.slice:
            print("\n".join(f"    {line}" for line in one.slice.text.splitlines()))
    total = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{counts.total()} findings probed on an emulated Mac: {total}", file=sys.stderr)
    return TROUBLE if problems else FINDINGS


def _judged(claims: list[Claim], arguments: argparse.Namespace) -> Iterator[Judged]:
    from ..probe.runner import Limits, NotStarted, Runner, Walls
    from ..probe.verdicts import judged

    if importlib.util.find_spec("torch") is None:
        raise ConfigError("the probe needs PyTorch; pip install 'flake8-mps[probe]'")
    try:
        walls = Walls.NONE if arguments.no_sandbox else Walls.AUTO
        with Runner(limits=Limits(seconds=arguments.seconds), walls=walls) as runner:
            yield from judged(claims, runner)
    except NotStarted as error:
        raise ConfigError(f"the probe does not start: {error}") from None


def _claims(paths: list[str], config: Config, problems: list[Unreadable]) -> Iterator[Claim]:
    from ..linter import lint
    from ..probe.verdicts import claims
    from ..rule import load_rules

    def complain(problem: Unreadable) -> None:
        print(problem, file=sys.stderr)
        problems.append(problem)

    for path in (file.path for file in Discovery(complain).files(paths)):
        try:
            source = read_notebook(path) if path.endswith(".ipynb") else read_source(path)
        except NotPython as foreign:
            print(foreign, file=sys.stderr)
        except Unreadable as problem:
            complain(problem)
        else:
            yield from claims(source, (one for one in lint(source, config) if not source.suppressed(one)), load_rules())


def _place(source: Source, one: Judged) -> tuple[str, int, int]:
    cell, span = source.locate(one.finding.span)
    return (source.path if cell is None else f"{source.path}:cell {cell}"), span.line, span.column + 1


def _line(one: Judged) -> str:
    path, line, column = _place(one.source, one)
    verdict = one.verdict.value + (f" if {'; '.join(one.assumptions)}" if one.assumptions else "")
    return f"{path}:{line}:{column}: {one.finding.code} {verdict} ({one.finding.world.value}): {one.reason}"


def _as_json(one: Judged) -> dict[str, Any]:
    import importlib.metadata

    path, line, column = _place(one.source, one)
    mac = one.mac
    return {
        "path": path, "line": line, "col": column, "code": one.finding.code, "world": one.finding.world.value,
        "verdict": one.verdict.value, "backend": "emulated", "torch": importlib.metadata.version("torch"),
        "error": f"{mac.raised}: {mac.text}" if mac is not None and mac.raised else None,
        "assumptions": list(one.assumptions), "reason": one.reason, "walls": mac.walls if mac is not None else None,
        "made": [f"{item.name} = {item.expression}" for item in one.slice.made] if one.slice else [],
        "slice": one.slice.text if one.slice else None,
    }

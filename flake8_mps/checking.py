"""From paths to findings, on all cores: what ``flake8-mps check`` does with each file.

Results come in the order of the paths, whatever the number of processes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from .config import INTERNAL_ERROR, Config
from .discovery import File
from .finding import Finding, Severity
from .notebook import NotPython, read_notebook
from .reports import Located, Place
from .revision import Changes
from .source import Source, Unreadable, read_source

CONTEXT = 3  # lines above and below a finding that reports may show
WORTH_A_PROCESS = 12  # files: a process takes as long to start as these take to read


@dataclass(frozen=True)
class Request:
    """What to do with each file. ``display_name`` is what standard input is called.

    ``check_noqa`` is told by the command line; a project may tell it too. Without ``changes`` every line counts.
    """

    config: Config = Config()
    display_name: str | None = None
    check_noqa: bool = False
    changes: Changes | None = None


class Checked(NamedTuple):
    """What came of one file. ``passed_over`` says why nobody looked; ``warnings`` are lines for people.

    ``in_tests`` counts what a folder of tests was spared: findings below error where nobody told a level.
    """

    path: str
    findings: tuple[Located, ...] = ()
    problems: tuple[Unreadable, ...] = ()
    passed_over: str = ""
    warnings: tuple[str, ...] = ()
    in_tests: int = 0


def check_files(files: list[File], request: Request, jobs: int) -> Iterator[Checked]:
    """What came of each file, in order. Raises ConfigError for a wrong table of a project."""
    check = partial(check_file, request=request)
    jobs = min(jobs, len(files) // WORTH_A_PROCESS)
    if jobs < 2 or any(file.path == "-" for file in files):
        yield from map(check, files)
        return
    _warm_up()  # where processes are forked, they share it
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield from pool.map(check, files, chunksize=max(1, min(16, len(files) // (jobs * 8))))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check_file(file: File, request: Request) -> Checked:
    """What one file comes to."""
    try:
        source = _read(file.path, request.display_name)
    except NotPython as foreign:
        return Checked(file.path, passed_over=str(foreign))
    except Unreadable as problem:
        return Checked(file.path, problems=(problem,))
    config = for_source(source, request.config)
    found = _findings(source, config)
    hidden = {finding for finding in found if source.suppressed(finding)}
    shown, warnings = _of_noqa(source, found, hidden, request.check_noqa or config.check_noqa)
    shown = [*(finding for finding in found if finding not in hidden), *shown]
    kept = [finding for finding in shown if config.wants(finding)]
    if request.changes is not None:
        lines = request.changes.lines(source)
        kept = [finding for finding in kept if any(line in lines for line in _lines_of(finding))]
    urgent = [finding for finding in kept if finding.severity >= _least(file, config) or finding.code == INTERNAL_ERROR]
    located = tuple(locate(source, finding) for finding in sorted(urgent, key=lambda finding: finding.sort_key))
    return Checked(file.path, located, source.unreadable_cells, "", warnings, len(kept) - len(urgent))


def for_source(source: Source, config: Config) -> Config:
    """The options that hold for a file. Raises ConfigError for a wrong table of its project, and for unknown codes there."""
    from .linter import concerns

    if not concerns(source.text):
        return config
    from .project import project_of
    from .rule import refuse_unknown_codes

    settled = config.for_file(source.path)
    refuse_unknown_codes(settled, f"{project_of(source.path).file}: [tool.flake8-mps] ")
    return settled


def locate(source: Source, finding: Finding) -> Located:
    """A finding as reports show it, with the lines around it and its story."""
    cell, span = source.locate(finding.span)
    line, last = finding.span.line, len(source.lines)
    start, end = max(1, line - CONTEXT), min(last, finding.span.end_line + CONTEXT, line + 3 * CONTEXT)
    around = [number for number in range(start, end + 1) if _cell(source, number) == cell]
    first, context = _place(source, around[0]).line, tuple(source.lines[number - 1] for number in around)
    trail = tuple(_place(source, step.line, step.text) for step in finding.trail)
    cause = None if finding.cause is None else _place(source, finding.cause)
    return Located(source.path, cell, replace(finding, span=span), context, first, source.scope(line), trail, cause)


def _findings(source: Source, config: Config) -> list[Finding]:
    """All findings, whatever ``config`` wants to see: a # noqa for any of them is one that somebody needs."""
    from .linter import lint  # behind the options: a wrong one is told before the engine is loaded

    return lint(source, replace(config, level=Severity.INFO, select=(), ignore=(), left_to_project=()))


def _of_noqa(source: Source, found: list[Finding], hidden: set[Finding], wanted: bool) -> tuple[list[Finding], tuple[str, ...]]:
    """What is wrong with the file's # noqa: findings where they are wanted, and otherwise a warning for the worst."""
    if "noqa" not in source.text.lower():
        return [], ()
    from .suppressions import about_noqa, blanket_noqa

    if wanted:
        return about_noqa(source, found, hidden), ()
    return [], tuple(_warning(source, finding) for finding in blanket_noqa(source, found, hidden))


def _warning(source: Source, finding: Finding) -> str:
    from .reports.text import line

    return line(locate(source, finding)).replace(f" {finding.code} ", " warning: ", 1)


def _lines_of(finding: Finding) -> range:
    return range(finding.span.line, finding.span.end_line + 1)


def _least(file: File, config: Config) -> Severity:
    """Below which severity a finding is spared: tests that run on the CPU are no reason to stop anybody."""
    return Severity.ERROR if file.is_test and config.level is None else Severity.INFO


def _read(path: str, display_name: str | None) -> Source:
    name = (display_name or "stdin") if path == "-" else path
    return read_notebook(path, name) if name.endswith(".ipynb") else read_source(path, name)


def _place(source: Source, line: int, text: str = "") -> Place:
    if not source.origins:
        return Place(None, line, text)
    return Place(*source.origins[line - 1], text)


def _cell(source: Source, line: int) -> int | None:
    return source.origins[line - 1].cell if source.origins and line <= len(source.origins) else None


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _warm_up() -> None:
    from .linter import search
    from .rule import load_rules

    load_rules(), search()

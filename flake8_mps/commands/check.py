"""``flake8-mps check PATH...``: what flake8 reports, without flake8, and all that a large project needs around it."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..checking import Checked, Request, check_files
from ..config import CODES, OPTIONS, SWITCHES, Config, ConfigError
from ..discovery import Discovery, File
from ..finding import Severity
from ..reports import FORMATS, Report, format_named, text
from ..revision import changes_since
from ..rule import load_rules, refuse_unknown_codes
from ..source import Unreadable
from ..terminal import Progress
from . import CLEAN, FINDINGS, TROUBLE, write_file

_EPILOG = "exit status: 0 nothing found, 1 findings, 2 wrong use or a file that could not be read"


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "check", help="report what a Mac would refuse, or run on the CPU", epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a .py or .ipynb file, a folder, or - for stdin")
    what = parser.add_argument_group("what to report")
    for option in OPTIONS:
        what.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)
    for name, effect in ("select", "report only"), ("ignore", "do not report"):
        what.add_argument(f"--{name}", metavar="CODES", action="append", help=f"{effect} these: MPS102, MPS3, ...")
    for switch in SWITCHES:
        what.add_argument(f"--{switch.name}", action="store_true", help=switch.help)
    what.add_argument("--check-noqa", action="store_true", help="report # noqa that hide nothing, too much, or say no reason")
    what.add_argument("--fail-on", metavar="LEVEL", help="exit with 1 only for this severity and above")
    _add_files(parser.add_argument_group("which files and lines"))
    known = parser.add_argument_group("findings that are put off")
    known.add_argument("--baseline", metavar="FILE", help="report only findings that FILE does not know")
    known.add_argument("--write-baseline", action="store_true", help="write all findings of now to the baseline")
    known.add_argument("--prune-baseline", action="store_true", help="take findings that are gone out of the baseline")
    report = parser.add_argument_group("how to report")
    report.add_argument("--format", choices=FORMATS, default="text", help="text (the default), json, sarif, github, ...")
    report.add_argument("--output", metavar="FILE", help="write the report to FILE")
    report.add_argument("--statistics", action="store_true", help="count findings and files by code at the end")
    report.add_argument("--jobs", metavar="N", type=_jobs, default=_cores(), help="processes (default: all cores)")
    parser.set_defaults(run=_check, parser=parser)


def _add_files(group: Any) -> None:
    pattern = "leave out what matches, as in .gitignore; may be repeated"
    group.add_argument("--exclude", metavar="PATTERN", action="append", default=[], help=pattern)
    group.add_argument("--no-gitignore", action="store_true", help="read what .gitignore leaves out, too")
    group.add_argument("--since", metavar="REV", help="only lines changed since the work parted from a git revision")
    group.add_argument("--stdin-display-name", metavar="NAME", help="what to call standard input (default: stdin)")


def _jobs(number: str) -> int:
    if not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"{number!r} is no number of processes; write 1 or more")
    return int(number)


def _cores() -> int:
    with suppress(AttributeError):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    run = _Run(arguments)
    discovery = Discovery(run.complain, tuple(arguments.exclude), not arguments.no_gitignore)
    files = discovery.files(arguments.paths)
    changes = None
    if arguments.since:
        changes = changes_since(arguments.since, [file.path for file in files])
        files = [file for file in files if changes.touch(file.path)]
    request = Request(config, arguments.stdin_display_name, arguments.check_noqa, changes)
    run.over(files, check_files(files, request, arguments.jobs))
    run.passed_over(sorted(discovery.vendored))
    return run.end(nothing_changed=bool(changes) and not files)


def _config(arguments: argparse.Namespace) -> Config:
    """The options, all of them checked. Raises ConfigError."""
    names = [option.name.replace("-", "_") for option in (*OPTIONS, *SWITCHES)]
    config = Config.from_strings(**{name: getattr(arguments, name) for name in (*names, *CODES)})
    refuse_unknown_codes(config, "--")
    try:
        arguments.fail_on = Severity.parse(arguments.fail_on or "info")
    except ValueError as error:
        raise ConfigError(f"--fail-on: {error}") from None
    for name in "write", "prune":
        if getattr(arguments, f"{name}_baseline") and not arguments.baseline:
            raise ConfigError(f"--{name}-baseline: say which file: --baseline FILE")
    if arguments.since and "-" in arguments.paths:
        raise ConfigError("--since: standard input has no revision; name the file instead")
    return config


@dataclass
class _Run:
    """One run, from the first result to the exit status."""

    arguments: argparse.Namespace
    report: Report = field(default_factory=Report)
    checked: list[str] = field(default_factory=list)
    in_tests: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.progress = Progress(0)
        wanted = self.arguments
        self.streams = wanted.format == "text" and not (wanted.output or wanted.baseline)
        self.baseline = None
        if wanted.baseline and not wanted.write_baseline:
            from ..baseline import Baseline

            self.baseline = Baseline.read(wanted.baseline)

    def complain(self, problem: Unreadable) -> None:
        self.say(str(problem))
        self.report.problems.append(problem)

    def say(self, line: str) -> None:
        self.progress.clear()
        print(line, file=sys.stderr)

    def over(self, files: list[File], results: Any) -> None:
        """Takes the results as they come."""
        self.progress = Progress(len(files))
        for checked in self.progress.over(results):
            self._take(checked)

    def _take(self, checked: Checked) -> None:
        for line in (checked.passed_over, *checked.warnings):
            if line:
                self.say(line)
        self.in_tests += checked.in_tests
        self.report.findings += checked.findings
        if checked.findings and self.streams:
            self.progress.clear()
            for located in checked.findings:
                print(text.line(located))
            sys.stdout.flush()
        for problem in checked.problems:
            self.complain(problem)
        if not checked.passed_over and not any(problem.cell is None for problem in checked.problems):
            self.report.files += 1
            self.checked.append(checked.path)

    def passed_over(self, vendored: list[str]) -> None:
        """Notes what was left out by default, so that nobody takes it for clean."""
        if self.in_tests:
            what = text.count(self.in_tests, "warning", "warnings")
            self.notes.append(f"{what} in tests left out; --level warning shows them")
        if vendored:
            self.notes.append(f"passed over as other people's code: {', '.join(vendored)}; name a folder to check it")

    def end(self, nothing_changed: bool) -> int:
        """Writes what is left to write, and gives the exit status."""
        if self.arguments.baseline:
            self._compare()
        if not self.streams:
            self._write(format_named(self.arguments.format).render(self.report))
        if self.arguments.statistics and (table := text.statistics(self.report, {rule.code: rule.name for rule in load_rules()})):
            self.say(table)
        for note in self.notes:
            self.say(note)
        self.say(f"nothing changed since {self.arguments.since}" if nothing_changed else text.summary(self.report))
        if self.report.problems or not (self.report.files or nothing_changed):
            return TROUBLE
        worst = max((located.finding.severity for located in self.report.findings), default=None)
        return CLEAN if worst is None or worst < self.arguments.fail_on else FINDINGS

    def _compare(self) -> None:
        """Takes known findings out of the report, or writes them down."""
        from ..baseline import Baseline

        file, found = self.arguments.baseline, self.report.findings
        if self.baseline is None:
            new = Baseline.of(found, file)
            new.write()
            self.report.findings = new.new(found)
            self.notes.append(f"{file}: {text.count(len(new), 'finding', 'findings')} written down as known")
            return
        self.report.findings = self.baseline.new(found)
        gone = self.baseline.gone(found, self.checked)
        if hidden := len(found) - len(self.report.findings):
            self.notes.append(f"{text.count(hidden, 'known finding', 'known findings')} left out ({file})")
        if gone and self.arguments.prune_baseline:
            self.baseline.without(gone).write()
            self.notes.append(f"{file}: {text.count(len(gone), 'finding', 'findings')} taken out, which are gone")
        elif gone:
            are = "is gone" if len(gone) == 1 else "are gone"
            self.notes.append(f"{text.count(len(gone), 'known finding', 'known findings')} {are}; --prune-baseline takes them out")

    def _write(self, report: str) -> None:
        if self.arguments.output:
            write_file(self.arguments.output, report, "--output")
            return
        sys.stdout.write(report)
        sys.stdout.flush()

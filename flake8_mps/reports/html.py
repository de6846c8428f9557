"""One page for people, with nothing outside it: what to change in which order, then each finding with its code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from string import Template

from .. import __version__
from ..config import OWN_CODES
from ..finding import Severity, World
from ..rule import load_rules
from . import Located, Place, Report
from .text import count, severities

STEPS = (
    ("MPS0", "Say what is left out, and why"),
    ("MPS1", "Let the program choose the Mac's GPU"),
    ("MPS2", "Load checkpoints on any machine"),
    ("MPS6", "Guard or take out what only CUDA has"),
    ("MPS3", "Stay within the dtypes that MPS has"),
    ("MPS4", "Bring what meets onto one device"),
    ("MPS5", "Replace what MPS cannot compute"),
    ("MPS7", "Settle speed, workers and settings"),
)
"""The order of work: what stops or misleads the program as written comes before what shows once it runs on MPS."""

OPEN = 40  # findings whose code is unfolded from the start: more make a page that nobody can scroll


def render(report: Report) -> str:
    page = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    style = files("flake8_mps").joinpath("page.css").read_text(encoding="utf-8")
    numbered = list(enumerate(report.findings))
    return page.substitute(
        style=style,
        summary=_summary(report),
        problems=_problems(report),
        todo=_todo(numbered),
        findings=_by_file(numbered),
        filters=_filters(report),
        version=escape(__version__),
    )


def _summary(report: Report) -> str:
    looked = f"{count(report.files, 'file', 'files')} checked"
    if not report.findings:
        return f"No findings; {looked}."
    found_in = len({located.path for located in report.findings})
    return f"{count(len(report.findings), 'finding', 'findings')} in {count(found_in, 'file', 'files')}; {looked}: {severities(report.findings)}."


def _problems(report: Report) -> str:
    if not report.problems:
        return ""
    rows = "".join(f"<li><code>{_text(str(problem))}</code></li>" for problem in report.problems)
    return f'<section class="problems"><h2>Could not be read</h2><p>Nothing in these was checked.</p><ul>{rows}</ul></section>'


# --- the to-do list --------------------------------------------------------------------------------------------------


def _todo(numbered: list[tuple[int, Located]]) -> str:
    if not numbered:
        return '<p class="done">Nothing to do.</p>'
    steps = []
    for prefix, title in STEPS:
        mine = [(number, located) for number, located in numbered if located.finding.code.startswith(prefix)]
        if mine:
            world = {located.finding.world for _, located in mine}
            when = "as the code stands" if World.AS_WRITTEN in world else "shows once the steps above are done"
            items = "".join(_item(code, found) for code, found in _by_code(mine))
            steps.append(f"<li><h3>{title} <small>{count(len(mine), 'finding', 'findings')}, {when}</small></h3><ul>{items}</ul></li>")
    return f'<ol class="steps">{"".join(steps)}</ol>'


def _by_code(numbered: Iterable[tuple[int, Located]]) -> list[tuple[str, list[tuple[int, Located]]]]:
    """Errors first, and of them what is found most often."""
    codes: dict[str, list[tuple[int, Located]]] = {}
    for number, located in numbered:
        codes.setdefault(located.finding.code, []).append((number, located))
    return sorted(codes.items(), key=lambda item: (-max(each.finding.severity for _, each in item[1]), -len(item[1]), item[0]))


def _item(code: str, found: list[tuple[int, Located]]) -> str:
    """One thing to do: a code, the advice of its first finding, and the places; consequences stand behind their causes."""
    ordered = sorted(found, key=lambda each: (each[1].cause is not None, each[0]))
    places = "".join(
        f'<li><a href="#f{number}">{_text(_where(located))}</a>{_after(located)}</li>' for number, located in ordered
    )
    worst = max(located.finding.severity for _, located in found)
    return (
        f"<li>{_badge(worst)} <b>{code}</b> {_text(_title(code))}"
        f"<details{' open' if len(found) <= 5 else ''}><summary>{count(len(found), 'place', 'places')}: "
        f"{_text(found[0][1].finding.message)}</summary><ul>{places}</ul></details></li>"
    )


def _after(located: Located) -> str:
    return f" <small>after {_line(located.cause)}</small>" if located.cause else ""


def _title(code: str) -> str:
    titles = {rule.code: rule.documentation().split("\n", 1)[0].rstrip(" .") for rule in load_rules()}
    return titles.get(code) or OWN_CODES.get(code, ("", ""))[1]


# --- the findings ----------------------------------------------------------------------------------------------------


def _by_file(numbered: list[tuple[int, Located]]) -> str:
    paths: dict[str, list[tuple[int, Located]]] = {}
    for number, located in numbered:
        paths.setdefault(located.path, []).append((number, located))
    unfolded = len(numbered) <= OPEN
    return "".join(
        f'<section class="file"><h3>{_text(path)} <small>{severities(each for _, each in found)}</small></h3>'
        f'{"".join(_article(number, located, unfolded) for number, located in found)}</section>'
        for path, found in paths.items()
    )


def _article(number: int, located: Located, unfolded: bool) -> str:
    finding = located.finding
    severity = finding.severity.name.lower()
    trail = "".join(f"<li>{_line(place)}: {_text(place.text)}</li>" for place in located.trail)
    return (
        f'<article id="f{number}" data-severity="{severity}" data-code="{_text(finding.code)}">'
        f"<details{' open' if unfolded else ''}><summary>{_badge(finding.severity)} <b>{_text(finding.code)}</b> "
        f'<span class="where">{_text(_place(located))}</span> {_text(finding.message)}</summary>'
        f"<p><small>{finding.world.value}{_after(located)}</small></p>"
        f"<pre>{''.join(_code(located))}</pre>"
        + (f'<p>How the value came about:</p><ol class="trail">{trail}</ol>' if trail else "")
        + "</details></article>"
    )


def _code(located: Located) -> Iterator[str]:
    span, told = located.finding.span, {place.line for place in located.trail if place.cell == located.cell}
    for number, line in enumerate(located.context, located.first):
        kind = "hit" if span.line <= number <= span.end_line else "told" if number in told else ""
        yield f'<span class="line {kind}"><i>{number:>5}</i> {_marked(line, number, located)}\n</span>'


def _marked(line: str, number: int, located: Located) -> str:
    span = located.finding.span
    if number != span.line or span.end_line != span.line or span.end_column <= span.column:
        return _text(line)
    before, hit, behind = line[: span.column], line[span.column : span.end_column], line[span.end_column :]
    return f"{_text(before)}<mark>{_text(hit)}</mark>{_text(behind)}"


def _filters(report: Report) -> str:
    there = sorted({located.finding.severity for located in report.findings}, reverse=True)
    return "".join(
        f'<label><input type="checkbox" checked value="{each.name.lower()}"> {each.name.lower()}</label>' for each in there
    ) if len(there) > 1 else ""


def _where(located: Located) -> str:
    return f"{located.path}, {_place(located)}"


def _place(located: Located) -> str:
    return _line(Place(located.cell, located.finding.span.line))


def _line(place: Place) -> str:
    return f"line {place.line}" if place.cell is None else f"cell {place.cell}, line {place.line}"


def _badge(severity: Severity) -> str:
    name = severity.name.lower()
    return f'<span class="badge {name}">{name}</span>'


def _text(text: str) -> str:
    """For a page in UTF-8: what no file name or line can carry there is written as an escape."""
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))

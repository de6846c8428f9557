"""Writes docs/rules/ and the table of rules in README.md from the rules: ``python tools/generate_docs.py``.

With ``--check`` it writes nothing, names what differs and exits with 1.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from flake8_mps.rule import Example, Expectation, Raises, Rule, Runs, RunsOnCpu, Warns, load_rules

ROOT = Path(__file__).resolve().parents[1]
PAGES, README = Path("docs", "rules"), Path("README.md")
TABLE = re.compile(r"(?<=<!-- rules -->\n).*?(?=<!-- /rules -->)", re.DOTALL)
WRITTEN_BY = "<!-- Written by tools/generate_docs.py from the rule; change the rule, then run: make docs -->"


# --- one page --------------------------------------------------------------------------------------------------------


def page(rule: Rule) -> str:
    """The page of a rule in Markdown."""
    title, _, sections = rule.documentation().partition("\n")
    parts = [
        f"# {rule.code} {rule.name}",
        WRITTEN_BY,
        title.strip(),
        table(("severity", "world", "since"), [(_severity(rule), rule.world.value, rule.since)]),
        sections.strip(),
        "## What is reported",
        _fenced(marked(rule.bad[0])),
        f"{on_a_mac(rule.bad[0].expect or rule.expect)}.",
        "## What is not",
        _fenced(marked(rule.good[0])),
    ]
    return "\n\n".join(parts) + "\n"


def marked(example: Example) -> str:
    """The program of an example; a comment behind a line names the code and the token that is reported there.

    Where no comment can stand, in a string or behind a backslash, the notes come last and name their lines.
    """
    source = example.source
    lines = source.split("\n")
    tokens = [lines[mark.line - 1][mark.column : mark.column + mark.width] for mark in example.marks]
    for mark, token in zip(example.marks, tokens, strict=True):
        lines[mark.line - 1] += f"  # {mark.code}: {token}"
    if _same_program(text := "\n".join(lines), source):
        return text
    notes = zip(example.marks, tokens, strict=True)
    return source + "".join(f"# {mark.code} on line {mark.line}: {token}\n" for mark, token in notes)


def _same_program(one: str, other: str) -> bool:
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except SyntaxError:
        return False


def on_a_mac(expect: Expectation) -> str:
    """What a Mac does with an example, in words."""
    match expect:
        case Raises(kind, text):
            return f"A Mac raises {_code(kind.__name__)}: {_code(text)}"
        case Warns(kind, text):
            return f"A Mac runs this and warns, {_code(kind.__name__)}: {_code(text)}"
        case RunsOnCpu():
            return "A Mac runs this on the CPU and says nothing"
        case Runs(but):
            return f"A Mac runs this and says nothing, but {but.rstrip('.')}"
    raise TypeError(f"say in {__file__} what {type(expect).__name__} means")


def _severity(rule: Rule) -> str:
    return rule.severity.name.lower()


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _fenced(code: str) -> str:
    return f"```python\n{code}```"


# --- the table -------------------------------------------------------------------------------------------------------


def index(rules: Iterable[Rule]) -> str:
    """One row for each rule."""
    heads = ("code", "name", "what it finds", "severity", "world")
    return table(heads, [_row(rule) for rule in rules]) + "\n"


def _row(rule: Rule) -> tuple[str, ...]:
    title = rule.documentation().split("\n", 1)[0].rstrip(" .")
    link = f"[{rule.code}]({PAGES.as_posix()}/{rule.code}.md)"
    return link, f"`{rule.name}`", title, _severity(rule), rule.world.value


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# --- files -----------------------------------------------------------------------------------------------------------


def generated(root: Path) -> dict[Path, str]:
    """What every generated file has to hold, by its path below ``root``. Raises ValueError without the two markers."""
    rules = load_rules()
    readme = (root / README).read_text(encoding="utf-8")
    if not TABLE.search(readme):
        raise ValueError(f"{README} has no <!-- rules --> and <!-- /rules --> around its table")
    pages = {PAGES / f"{rule.code}.md": page(rule) for rule in rules}
    return {**pages, README: TABLE.sub(lambda _: index(rules), readme)}


def drift(root: Path, files: dict[Path, str]) -> Iterator[Path]:
    """The files that differ, are missing, or belong to no rule."""
    for path, text in files.items():
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text:
            yield path
    for path in sorted((root / PAGES).glob("*.md")):
        if path.relative_to(root) not in files:
            yield path.relative_to(root)


def write(root: Path, path: Path, text: str | None) -> None:
    """Writes a file, or takes away one that belongs to no rule."""
    if text is None:
        (root / path).unlink()
    else:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8", newline="\n")


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file differs")
    arguments = parser.parse_args(argv)
    files = generated(root)
    differing = list(drift(root, files))
    for path in differing:
        if arguments.check:
            print(f"{path}: differs from the rules; run: make docs")
        else:
            write(root, path, files.get(path))
            print(path)
    return 1 if arguments.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())

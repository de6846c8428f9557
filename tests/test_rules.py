"""Every rule reports its bad examples at the marked tokens, however they are spelled, and its good ones never.

Bad examples are also rewritten: another alias, other quotes, other line breaks, and so on. A rewrite moves the marks
along with the text, so the findings are expected at the very same tokens: the spellings that rules of shape miss.
"""

from __future__ import annotations

import ast
import bisect
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
from evidence import Case, cases

from flake8_mps.config import Config
from flake8_mps.finding import Finding, Severity
from flake8_mps.linter import lint
from flake8_mps.source import Source

BAD, GOOD = cases("bad"), cases("good")


def findings(text: str, torch: tuple[int, int] | None = None) -> list[Finding]:
    """Of no project: for the newest torch, or what the example says."""
    return lint(Source(text, ast.parse(text)), Config(level=Severity.INFO, torch=torch))


# --- a program with marked tokens ------------------------------------------------------------------------------------


class Spot(NamedTuple):
    """A marked token, by offsets into the text."""

    start: int
    end: int
    code: str


class Edit(NamedTuple):
    """A piece of the text and what takes its place."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Program:
    """A text and the tokens in it that have to be reported."""

    text: str
    spots: frozenset[Spot]
    torch: tuple[int, int] | None = None

    @classmethod
    def of(cls, case: Case) -> Program:
        starts = line_starts(case.example.source)
        marks = [(starts[mark.line - 1] + mark.column, mark) for mark in case.example.marks]
        return cls(case.example.source, frozenset(Spot(at, at + mark.width, mark.code) for at, mark in marks), case.example.torch)

    def edited(self, edits: Iterable[Edit]) -> Program | None:
        """The program after these edits, its marks moved along; None for no edits: the rewrite does not apply."""
        ordered = sorted(edits)
        if not ordered:
            return None
        text, done = "", 0
        for edit in ordered:
            assert done <= edit.start, "edits overlap"
            text, done = text + self.text[done:edit.start] + edit.new, edit.end
        moved = (Spot(_moved(spot.start, ordered), _moved(spot.end, ordered, True), spot.code) for spot in self.spots)
        return Program(text + self.text[done:], frozenset(moved), self.torch)

    def expected(self) -> set[tuple[int, int, int, int, str]]:
        """Where findings have to be: line, column, end line, end column and code."""
        starts = line_starts(self.text)
        return {(*position(starts, spot.start), *position(starts, spot.end), spot.code) for spot in self.spots}


def _moved(offset: int, edits: list[Edit], is_end: bool = False) -> int:
    """What is inserted right before a token shifts it; what is inserted right after it does not make it longer."""
    before = [edit for edit in edits if (edit.start < offset if is_end else edit.end <= offset)]
    return offset + sum(len(edit.new) - (edit.end - edit.start) for edit in before)


def line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def position(starts: list[int], offset: int) -> tuple[int, int]:
    line = bisect.bisect_right(starts, offset)
    return line, offset - starts[line - 1]


# --- looking at a program --------------------------------------------------------------------------------------------


class Nodes:
    """The nodes of a program by offsets, without the inside of f-strings, where positions differ by Python version."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.f_strings = [node for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr)]
        self._source = Source(text, self.tree)
        self._starts = line_starts(text)

    def of(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        inside = {node for f_string in self.f_strings for node in ast.walk(f_string)}
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds) and node not in inside)

    def ends(self, node: ast.AST) -> tuple[int, int]:
        """The offsets of a node."""
        span = self._source.span(node)
        return self._starts[span.line - 1] + span.column, self._starts[span.end_line - 1] + span.end_column

    def torch(self) -> list[ast.Name]:
        """Every use of the name torch; none if one of them is inside an f-string."""
        uses = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and node.id == "torch"]
        seen = [node for node in self.of(ast.Name) if node.id == "torch"]
        return seen if len(seen) == len(uses) else []

    def names(self) -> set[str]:
        """Every name that the program itself gives to something, or uses."""
        named = self.of(ast.Name, ast.arg, ast.FunctionDef, ast.ClassDef, ast.ExceptHandler, ast.alias)
        return {getattr(node, field, "") for node in named for field in ("id", "arg", "name", "asname")}


class Token(NamedTuple):
    type: int
    text: str
    start: int
    end: int
    opens_line: bool


def tokens(text: str) -> list[Token]:
    """The tokens that matter, by offsets; ``opens_line``: the first of a logical line."""
    starts, found, opens = line_starts(text), [], True
    silent = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            opens = True
        elif token.type not in silent:
            start, end = (starts[line - 1] + column for line, column in (token.start, token.end))
            found.append(Token(token.type, token.string, start, end, opens))
            opens = False
    return found


def calls_with_arguments(program: Program) -> Iterator[tuple[ast.Call, Token, Token, Token]]:
    """Each call with its opening bracket, the last token of its arguments and its closing bracket."""
    nodes, stack, closing = Nodes(program.text), [], {}
    all_tokens = tokens(program.text)
    for index, token in enumerate(all_tokens):
        if token.text in ("(", "[", "{"):
            stack.append(token)
        elif token.text in (")", "]", "}"):
            closing[token.end] = stack.pop(), all_tokens[index - 1], token
    for call in nodes.of(ast.Call):
        if (call.args or call.keywords) and nodes.ends(call)[1] in closing:
            yield call, *closing[nodes.ends(call)[1]]


# --- rewrites that only spell otherwise: the tree stays the same -----------------------------------------------------


def crlf(program: Program) -> Program | None:
    return program.edited(Edit(start - 1, start, "\r\n") for start in line_starts(program.text)[1:])


def comments_above(program: Program) -> Program | None:
    starts = line_starts(program.text)
    first = {position(starts, token.start)[0] for token in tokens(program.text) if token.opens_line}
    return program.edited(Edit(starts[line - 1], starts[line - 1], "\n# Zwölf → twelve 🙂\n") for line in first)


def torch_in_parentheses(program: Program) -> Program | None:
    nodes = Nodes(program.text)
    read = [node for node in nodes.torch() if isinstance(node.ctx, ast.Load)]
    return program.edited(Edit(*nodes.ends(node), "(torch)") for node in read)


def calls_over_lines(program: Program) -> Program | None:
    calls = calls_with_arguments(program)
    places = [at for _, opening, _, closing in calls for at in (opening.end, closing.start)]
    return program.edited(Edit(at, at, "\n") for at in places)


def trailing_commas(program: Program) -> Program | None:
    calls = list(calls_with_arguments(program))
    bare = {call for call, *_ in calls if len(call.args) == 1 and isinstance(call.args[0], ast.GeneratorExp)}
    lasts = [last for call, _, last, _ in calls if last.text != "," and call not in bare]
    return program.edited(Edit(last.end, last.end, ",") for last in lasts)


def chains_over_lines(program: Program) -> Program | None:
    """``(torch\\n.load("x"))``: of a dotted name over lines, its last name is the token to report."""
    nodes, edits, broken = Nodes(program.text), [], {}
    for call in nodes.of(ast.Call):
        if isinstance(call.func, ast.Attribute):
            (start, end), dot = nodes.ends(call), nodes.ends(call.func.value)[1]
            edits += [Edit(start, start, "("), Edit(dot, dot, "\n"), Edit(end, end, ")")]
            broken[nodes.ends(call.func)[1]] = len(call.func.attr)
    narrowed = (
        spot._replace(start=spot.end - broken[spot.end]) if spot.end in broken else spot for spot in program.spots
    )
    return replace(program, spots=frozenset(narrowed)).edited(edits)


def _respelled(program: Program, spell: Callable[[str, str], str]) -> Program | None:
    """The plain strings, each written anew from its quote and what is in it."""
    edits = []
    for token in tokens(program.text):
        quote, body = token.text[:1], token.text[1:-1]
        if token.type == tokenize.STRING and quote in "'\"" and not re.search(r"['\"\\\n]", body):
            edits.append(Edit(token.start, token.end, spell(quote, body)))
    return program.edited(edits)


def other_quotes(program: Program) -> Program | None:
    return _respelled(program, lambda quote, body: body.join("\"'"[quote == '"'] * 2))


def triple_quotes(program: Program) -> Program | None:
    return _respelled(program, lambda quote, body: body.join([quote * 3] * 2))


def split_strings(program: Program) -> Program | None:
    return _respelled(program, lambda quote, body: f"{quote}{body[:2]}{quote} {quote}{body[2:]}{quote}")


# --- rewrites of the program itself ----------------------------------------------------------------------------------


def unicode_strings(program: Program) -> Program | None:
    return _respelled(program, lambda quote, body: f"u{quote}{body}{quote}")


def wide_text_before(program: Program) -> Program | None:
    """A statement that is not ASCII on the line of each mark: its columns differ in bytes, characters and UTF-16."""
    nodes, starts = Nodes(program.text), line_starts(program.text)
    marked = {position(starts, spot.start)[0] for spot in program.spots}
    simple = nodes.of(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Assert, ast.Raise, ast.Import)
    firsts = [nodes.ends(node)[0] for node in simple if node.lineno in marked]
    blank = [at for at in firsts if not program.text[starts[position(starts, at)[0] - 1]:at].strip()]
    return program.edited(Edit(at, at, '"Zwölf → twelve 🙂"; ') for at in blank)


def in_a_function(program: Program) -> Program | None:
    """The whole program as the body of a function."""
    nodes, starts = Nodes(program.text), line_starts(program.text)
    outer = any(True for _ in nodes.of(ast.Global, ast.Nonlocal))
    module_only = any(node.module == "__future__" or node.names[0].name == "*" for node in nodes.of(ast.ImportFrom))
    multiline = any(token.type != tokenize.OP and "\n" in token.text for token in tokens(program.text))
    if outer or module_only or multiline:
        return None
    head, end = "def run_example():\n", len(program.text)
    lines = [start for start in starts if program.text[start:].partition("\n")[0].strip()]
    indents = [Edit(start, start, "    " if start else head + "    ") for start in lines]
    return program.edited([*indents, Edit(end, end, "\n\nrun_example()\n")])


def tabs_in_a_function(program: Program) -> Program | None:
    """The same, with tabs for the indentation of every logical line."""
    if not (wrapped := in_a_function(program)):
        return None
    starts = line_starts(wrapped.text)
    places = [(token.start, position(starts, token.start)[1]) for token in tokens(wrapped.text) if token.opens_line]
    if any(column % 4 for _, column in places):
        return None
    return wrapped.edited(Edit(at - column, at, "\t" * (column // 4)) for at, column in places if column)


def torch_renamed(program: Program) -> Program | None:
    """``import torch as th``, and every use of torch with it."""
    nodes = Nodes(program.text)
    aliases = [alias for alias in nodes.of(ast.alias) if alias.asname is None]
    plain = [alias for alias in aliases if alias.name == "torch"]
    if not plain or "th" in nodes.names() or any(alias.name.startswith("torch.") for alias in aliases):
        return None
    if not (uses := nodes.torch()):
        return None
    renamed = [Edit(*nodes.ends(alias), "torch as th") for alias in plain]
    return program.edited(renamed + [Edit(*nodes.ends(node), "th") for node in uses])


def names_imported(program: Program) -> Program | None:
    """``from torch import load``, and ``load`` for every ``torch.load``."""
    nodes = Nodes(program.text)
    imports = [node for node in nodes.tree.body if isinstance(node, ast.Import) and ast.unparse(node) == "import torch"]
    roots = {id(node) for node in nodes.torch()}
    uses = [node for node in nodes.of(ast.Attribute) if id(node.value) in roots]
    names = {node.attr for node in uses}
    one_line = all(node.lineno == node.end_lineno and isinstance(node.ctx, ast.Load) for node in uses)
    if len(imports) != 1 or not uses or not one_line or names & nodes.names():
        return None
    end = nodes.ends(imports[0])[1]
    added = Edit(end, end, f"\nfrom torch import {', '.join(sorted(names))}")
    return program.edited([added, *(Edit(*nodes.ends(node), node.attr) for node in uses)])


# --- the tests -------------------------------------------------------------------------------------------------------

Rewrite = Callable[[Program], Program | None]

SPELLINGS: list[Rewrite] = [
    crlf, comments_above, torch_in_parentheses, calls_over_lines, trailing_commas, chains_over_lines, other_quotes,
    triple_quotes, split_strings,
]
REWRITES: list[Rewrite] = [
    *SPELLINGS, unicode_strings, wide_text_before, in_a_function, tabs_in_a_function, torch_renamed, names_imported,
]


def reported(program: Program, codes: set[str]) -> set[tuple[int, int, int, int, str]]:
    return {(*finding.span, finding.code) for finding in findings(program.text, program.torch) if finding.code in codes}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_bad_example_is_reported_at_its_marks(case: Case) -> None:
    program = Program.of(case)
    codes = {case.rule.code} | {spot.code for spot in program.spots}
    assert reported(program, codes) == program.expected()


@pytest.mark.parametrize("case", GOOD, ids=str)
def test_a_good_example_is_silent_for_every_rule(case: Case) -> None:
    assert findings(case.example.source, case.example.torch) == []


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_message_says_what_breaks_and_what_to_write(case: Case) -> None:
    for finding in findings(case.example.source, case.example.torch):
        assert re.fullmatch(r"[^;\n]+[^;\s]; [^;\s][^;\n]+", finding.message)
        assert len(finding.message) < 100
        assert finding.message == finding.message.strip() and not finding.message.endswith(".")


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_rewritten_example_keeps_its_findings(case: Case, rewrite: Rewrite) -> None:
    program = rewrite(Program.of(case))
    if program is None:
        pytest.skip(f"{rewrite.__name__} does not apply")
    if rewrite in SPELLINGS:
        assert ast.dump(ast.parse(program.text)) == ast.dump(ast.parse(case.example.source)), "not a mere spelling"
    codes = {case.rule.code} | {spot.code for spot in program.spots}
    assert reported(program, codes) == program.expected(), program.text


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_a_rewrite_applies_to_some_example(rewrite: Rewrite) -> None:
    assert any(rewrite(Program.of(case)) for case in BAD)

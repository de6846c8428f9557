"""What rules put fixes together with: small edits of a call, an argument, a statement.

Builders take ``ast`` nodes and give edits in characters. Where the text does not allow a clean edit they raise NoFix, which
says why. New text may hold the slots of ``finding``: the fixer fills them in when it knows all that is to be done.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..finding import CHOICE, CHOICE_TYPE, DEVICE, DEVICE_TYPE, TORCH, Edit, Fix, Safety, Span

if TYPE_CHECKING:
    from ..facts import Facts
    from ..source import Source

SAFE, UNSAFE, DISPLAY = Safety.SAFE, Safety.UNSAFE, Safety.DISPLAY
HAS_CUDA = f"{TORCH}.cuda.is_available()"
HAS_MPS = f"{TORCH}.backends.mps.is_available()"

_PRIMARY = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict, ast.Tuple)
_INDENTED = re.compile(r"^\S[^\n]*:[ \t]*(?:#[^\n]*)?\n+([ \t]+)\S", re.MULTILINE)


class NoFix(Exception):
    """The text does not allow a clean edit, or it is for the author to say; the reason, in words."""


class _Token(NamedTuple):
    text: str
    span: Span


# --- pieces of text --------------------------------------------------------------------------------------------------


def text(source: Source, node: ast.AST) -> str:
    """The source of a node. Raises NoFix inside an f-string, where Python before 3.12 does not know positions."""
    return source.at(span(source, node))


def span(source: Source, node: ast.AST) -> Span:
    """Where a node stands. Raises NoFix where the text there is another."""
    found = source.span(node)
    if isinstance(node, ast.expr) and not _is_written(source.at(found), node):
        raise NoFix("it is inside an f-string")
    return found


def _is_written(written: str, node: ast.expr) -> bool:
    try:
        return ast.dump(ast.parse(f"({written}\n)", mode="eval").body) == ast.dump(_as_read(node))
    except (SyntaxError, ValueError):
        return isinstance(node, ast.Starred)


def _as_read(node: ast.expr) -> ast.expr:
    """The node as the right side of an assignment has it."""
    if not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return node
    return type(node)(**{**{name: getattr(node, name) for name in node._fields}, "ctx": ast.Load()})


def before(place: Span, text: str) -> Edit:
    return Edit(Span(place.line, place.column, place.line, place.column), text)


def behind(place: Span, text: str) -> Edit:
    return Edit(Span(place.end_line, place.end_column, place.end_line, place.end_column), text)


def _tokens(source: Source, place: Span) -> Iterator[_Token]:
    """The tokens of a piece of an expression, without comments and line breaks."""
    silent = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    readline = io.StringIO(f"({source.at(place)}\n)").readline
    found = [token for token in tokenize.generate_tokens(readline) if token.type not in silent]
    for token in found[1:-1]:
        (line, column), (end_line, end_column) = token.start, token.end
        column += place.column - 1 if line == 1 else 0
        end_column += place.column - 1 if end_line == 1 else 0
        yield _Token(token.string, Span(line + place.line - 1, column, end_line + place.line - 1, end_column))


# --- expressions -----------------------------------------------------------------------------------------------------


def replaced(source: Source, node: ast.AST, text: str) -> Edit:
    return Edit(span(source, node), text)


def renamed(source: Source, node: ast.Attribute, name: str) -> Edit:
    """``x.to`` for ``x.cuda``."""
    span(source, node)
    return Edit(source.attribute(node), name)


def followed(source: Source, node: ast.expr, text: str) -> tuple[Edit, ...]:
    """``text``, a method call as ``.cpu()``, behind an expression, in parentheses where it needs them."""
    place = span(source, node)
    if isinstance(node, _PRIMARY):
        return (behind(place, text),)
    return before(place, "("), behind(place, f"){text}")


def wrapped(source: Source, node: ast.expr, left: str, right: str) -> tuple[Edit, Edit]:
    place = span(source, node)
    return before(place, left), behind(place, right)


# --- calls -----------------------------------------------------------------------------------------------------------


def _brackets(source: Source, call: ast.Call) -> tuple[_Token, list[_Token], _Token]:
    """The opening bracket of a call's arguments, the tokens inside and the closing bracket."""
    whole, func = span(source, call), source.span(call.func)
    inside = list(_tokens(source, Span(func.end_line, func.end_column, whole.end_line, whole.end_column)))
    while inside and inside[0].text == ")":  # of a function in parentheses
        inside.pop(0)
    return inside[0], inside[1:-1], inside[-1]


def argument_added(source: Source, call: ast.Call, text: str) -> Edit:
    """A further argument, behind all others."""
    opening, inside, closing = _brackets(source, call)
    if len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.GeneratorExp):
        raise NoFix("a generator is its only argument")
    if not inside:
        return behind(opening.span, text)
    last = inside[-1]
    if last.text != ",":
        return behind(last.span, f", {text}")
    line = source.lines[last.span.line - 1]
    if line[last.span.end_column :].strip() or closing.span.line == last.span.line:
        return behind(inside[-2].span, f", {text}")
    return behind(last.span, f"\n{line[: len(line) - len(line.lstrip())]}{text},")


def argument_inserted(source: Source, call: ast.Call, text: str) -> Edit:
    """A further argument, before all others."""
    opening, inside, _ = _brackets(source, call)
    return behind(opening.span, f"{text}, " if inside else text)


def argument_deleted(source: Source, call: ast.Call, argument: ast.expr | ast.keyword) -> Edit:
    """The call without an argument and its comma, and without the line that was its own."""
    opening, inside, closing = _brackets(source, call)
    place, commas = source.span(argument), _commas(inside)
    earlier = [comma for comma in commas if comma.span[:2] < place[:2]]
    later = [comma for comma in commas if comma.span[:2] >= place[2:]]
    if later:
        end = later[0].span
        rest, lead = source.lines[end.end_line - 1][end.end_column :], source.lines[place.line - 1][: place.column]
        if not rest.strip() and not lead.strip() and end.end_line < len(source.lines):
            return Edit(Span(place.line, 0, end.end_line + 1, 0), "")
        blank = len(rest) - len(rest.lstrip()) if rest.strip() else 0
        return Edit(Span(place.line, place.column, end.end_line, end.end_column + blank), "")
    start = earlier[-1].span if earlier else opening.span._replace(line=opening.span.end_line, column=opening.span.end_column)
    return Edit(Span(start.line, start.column, place.end_line, place.end_column), "")


def _commas(inside: list[_Token]) -> list[_Token]:
    """The commas between arguments."""
    depth, commas = 0, []
    for token in inside:
        depth += (token.text in "([{") - (token.text in ")]}") if token.text else 0
        if token.text == "," and not depth:
            commas.append(token)
    return commas


def moved_to_device(source: Source, call: ast.Call) -> tuple[Edit, ...]:
    """``x.to(device)`` for ``x.cuda()``: another GPU than the first is kept for CUDA."""
    assert isinstance(call.func, ast.Attribute)
    named = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "device"), None)
    if len(call.args) > 2 or any(isinstance(one, ast.Starred) for one in call.args):
        raise NoFix("its arguments are not to be told apart")
    edits = [renamed(source, call.func, "to")]
    if len(call.args) == 2:  # .cuda(device, non_blocking)
        edits += wrapped(source, call.args[1], "non_blocking=", "")
    if named is None:
        edits.append(argument_inserted(source, call, DEVICE))
    else:
        edits.append(replaced(source, named, device_for(source, named)))
    asked = next((k.value for k in call.keywords if k.arg == "non_blocking"), None) or (call.args[1:] or [None])[0]
    if isinstance(asked, ast.Constant) and asked.value is True:
        if len(call.args) == 2:
            return (*edits[:1], *edits[3:], replaced(source, asked, f"non_blocking={HAS_CUDA}"))
        edits.append(replaced(source, asked, HAS_CUDA))
    return tuple(edits)


# --- devices ---------------------------------------------------------------------------------------------------------


def is_first(node: ast.expr) -> bool:
    """True for a device that names no GPU but the first: ``"cuda"``, ``"cuda:0"``, 0, None."""
    if isinstance(node, ast.Call) and node.args and not node.keywords:
        return all(is_first(one) for one in node.args)
    return isinstance(node, ast.Constant) and node.value in ("cuda", "cuda:0", "gpu", 0, None)


def device_for(source: Source, node: ast.expr) -> str:
    """The device at hand in place of one of CUDA; of several GPUs, that one stays where CUDA is."""
    if is_first(node):
        return DEVICE
    return f"{text(source, node)} if {HAS_CUDA} else {DEVICE}"


def choice_for(source: Source, node: ast.expr) -> str:
    """An expression that chooses the device of the machine, where a device of CUDA is given a name: a text where it was
    one."""
    is_text = not isinstance(node, ast.Call)
    if is_first(node):
        return CHOICE_TYPE if is_text else CHOICE
    written = text(source, node)
    if is_text:
        return f'{written} if {HAS_CUDA} else "mps" if {HAS_MPS} else "cpu"'
    assert isinstance(node, ast.Call)
    make = text(source, node.func)
    return f'{written} if {HAS_CUDA} else {make}("mps" if {HAS_MPS} else "cpu")'


def is_cuda(source: Source, device: ast.expr | None) -> str:
    """A condition that holds for CUDA, in the terms of a device where it certainly is a ``torch.device``."""
    if isinstance(device, ast.Attribute) and device.attr == "device" and isinstance(device.value, ast.Name):
        if device.value.id not in ("self", "cls", "args", "opt", "opts", "config", "cfg", "hparams", "params", "options"):
            return f'{text(source, device)}.type == "cuda"'
    return HAS_CUDA


# --- statements ------------------------------------------------------------------------------------------------------


def statement_of(facts: Facts, node: ast.AST) -> ast.stmt:
    """The statement that a node stands in."""
    for one in [node, *facts.around(node)]:
        if isinstance(one, ast.stmt):
            return one
    raise NoFix("its statement was not found")


def own_lines(source: Source, statement: ast.stmt) -> Span:
    """Where a statement stands. Raises NoFix when it shares a line with another."""
    place = source.span(statement)
    rest = source.lines[place.end_line - 1][place.end_column :].strip()
    if source.lines[place.line - 1][: place.column].strip() or rest and not rest.startswith("#"):
        raise NoFix("it shares its line with another statement")
    return place


def indent_of(source: Source, place: Span) -> str:
    return source.lines[place.line - 1][: place.column]


def indent_unit(source: Source) -> str:
    """What the file indents a block by."""
    found = _INDENTED.search(source.text)
    return found[1] if found else "    "


def guarded(source: Source, statement: ast.stmt, test: str) -> tuple[Edit, ...]:
    """The statement under ``if test:``."""
    place, unit = own_lines(source, statement), indent_unit(source)
    for node in ast.walk(statement):
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and getattr(node, "end_lineno", 0) != node.lineno:
            raise NoFix("it holds a text of several lines, which cannot be indented")
    lines = range(place.line + 1, place.end_line + 1)
    further = [Edit(Span(line, 0, line, 0), unit) for line in lines if source.lines[line - 1].strip()]
    return before(place, f"if {test}:\n{indent_of(source, place)}{unit}"), *further


def line_added(source: Source, statement: ast.stmt, text: str) -> Edit:
    """Lines behind those of a statement, as deep as it; ``text`` may hold several."""
    place = own_lines(source, statement)
    indent = indent_of(source, place)
    line = source.lines[place.end_line - 1]
    end = Span(place.end_line, len(line), place.end_line, len(line))
    return Edit(end, "".join(f"\n{indent}{one}" if one else "\n" for one in text.split("\n")))


def line_deleted(source: Source, statement: ast.stmt) -> Edit:
    place = own_lines(source, statement)
    return Edit(Span(place.line, 0, place.end_line + 1, 0), "")


# --- fixes -----------------------------------------------------------------------------------------------------------


def safe(*edits: Edit, near: str = "") -> Fix:
    return Fix(edits, SAFE, near=near)


def unsafe(*edits: Edit, imports: tuple[str, ...] = (), near: str = "") -> Fix:
    return Fix(edits, UNSAFE, imports, near)


__all__ = [
    "CHOICE", "CHOICE_TYPE", "DEVICE", "DEVICE_TYPE", "HAS_CUDA", "HAS_MPS", "NoFix", "TORCH", "argument_added",
    "argument_deleted", "argument_inserted", "before", "behind", "choice_for", "device_for", "followed", "guarded",
    "indent_of", "indent_unit", "is_cuda", "is_first", "line_added", "line_deleted", "moved_to_device", "own_lines",
    "renamed", "replaced", "safe", "span", "statement_of", "text", "unsafe", "wrapped",
]

"""Find by shape: where rules look, as one search of words and then of ast-grep over the code that holds such words.

A shape never reports. It names the nodes that are worth deciding, and so the functions that are worth following.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from .excerpts import Excerpts, Position
from .source import Source, is_text
from .words import NO_NAME, NO_PART, Form, Word, names_in, present, words_of

# --- where to look ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Where:
    """The places a rule wants to see. Sets are joined with ``|``; the engine compiles all rules' to one search.

    ``calls``, ``attributes`` and ``imports`` hold canonical dotted names, resolved by facts through every alias;
    ``methods``, ``keywords`` and ``statements`` (methods called for nothing else) hold bare names; ``conflicts`` holds
    kinds of events of ``facts/events.py``; ``literals`` holds pairs of one of the first kinds and a name,
    ``lists`` names whose attributes are given a list, ``beside`` keywords, each with the last name of a call.
    ``watched`` holds canonical names whose calls facts note where they run on the device.
    """

    calls: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()
    statements: frozenset[str] = frozenset()
    literals: frozenset[tuple[str, str]] = frozenset()
    lists: frozenset[str] = frozenset()
    beside: frozenset[tuple[str, str]] = frozenset()
    watched: frozenset[str] = frozenset()

    @cached_property
    def places(self) -> tuple[tuple[str, str], ...]:
        """The kind and the name of every shape, in a fixed order."""
        kinds = ("calls", "methods", "attributes", "keywords", "imports")
        plain = [(kind, name) for kind in kinds for name in sorted(getattr(self, kind))]
        return (*plain, *sorted(self.literals | {("keywords", name) for name, _ in self.beside}))

    def __or__(self, other: Where) -> Where:
        return Where(**{f.name: getattr(self, f.name) | getattr(other, f.name) for f in fields(self)})


def calls(*names: str) -> Where:
    """Calls of these canonical names: ``calls("torch.load")``."""
    return Where(calls=frozenset(names))


def methods(*names: str) -> Where:
    """Calls of a method of this name, on whatever object: ``methods("cuda")``."""
    return Where(methods=frozenset(names))


def attributes(*names: str) -> Where:
    """References to these canonical names, called or not: ``attributes("torch.cuda.FloatTensor")``."""
    return Where(attributes=frozenset(names))


def keywords(*names: str) -> Where:
    """Keyword arguments of this name, in whatever call: ``keywords("device")``."""
    return Where(keywords=frozenset(names))


def statements(*names: str) -> Where:
    """Statements that call a method of this name and keep nothing: ``statements("float")``."""
    return Where(statements=frozenset(names))


def lists(*names: str) -> Where:
    """Lists, tuples and dicts written down as an attribute of this name: ``lists("self")``."""
    return Where(lists=frozenset(names))


def literals(where: Where) -> Where:
    """The same calls, methods and keywords, where a text or a number is written behind them:
    ``literals(keywords("device"))`` sees ``device=0`` and passes ``device=device`` by."""
    kinds = ("calls", "methods", "keywords")
    return Where(literals=frozenset((kind, name) for kind in kinds for name in getattr(where, kind)))


def beside(call: str, where: Where) -> Where:
    """The same keywords, in files that call this, or rename it, as well:
    ``beside("torch.Generator", keywords("generator"))``."""
    return Where(beside=frozenset((name, call.rpartition(".")[2]) for name in where.keywords))


def imports(*names: str) -> Where:
    """Imports of these top-level packages: ``imports("flash_attn")``."""
    return Where(imports=frozenset(names))


def on_device(*names: str) -> Where:
    """Calls of these canonical names, of tensors' methods too, and layers, where they run on the device: events of kind
    ``on-device``. ``on_device("torch.linalg.eig", "torch.Tensor.mode", "torch.nn.CTCLoss")``."""
    return Where(watched=frozenset(names), conflicts=frozenset({"on-device"}))


def conflicts(*names: str) -> Where:
    """Places where facts saw values meet that cannot: ``conflicts("float64-moved")``."""
    return Where(conflicts=frozenset(names))


# --- the parts of a file ---------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A top-level statement, a method or another statement of a class: what is searched and followed as a whole."""

    start: int  # lines, 1-based, decorators included
    end: int
    node: ast.stmt


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def units_of(body: Iterable[ast.stmt]) -> list[Unit]:
    """The units of a body in order; classes are opened, functions are not, and a long text is none."""
    units: list[Unit] = []
    for node in body:
        if is_text(node):
            continue
        start = node.lineno
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.decorator_list:
            start = min(start, node.decorator_list[0].lineno)
        if isinstance(node, ast.ClassDef):
            inside = units_of(node.body)
            first = inside[0].start if inside and inside[0].node is node.body[0] else node.body[0].lineno
            units.append(Unit(start, max(node.lineno, first - 1), node))
            units += inside
        else:
            units.append(Unit(start, node.end_lineno or node.lineno, node))
    return units


class Hits:
    """What of a file is worth a look: the ``lines`` that are searched for shapes, the units ``followed`` by facts."""

    def __init__(self, source: Source) -> None:
        self.units = units_of(source.tree.body)
        self.lines: list[int] = []
        self.followed: set[int] = set()
        self.aliases: frozenset[str] = frozenset()
        self._text = source.text
        self._starts = [unit.start for unit in self.units]
        self._line_offsets = [0, *accumulate(map((1).__add__, map(len, source.lines)))][:-1]

    def unit_at(self, line: int) -> int:
        """The index of the unit that holds a line; -1 above the first."""
        return bisect_right(self._starts, line) - 1

    def class_of(self, unit: int) -> int:
        """The index of the innermost class around a unit, or that it heads; -1 outside of classes."""
        return self._classes[unit] if unit >= 0 else -1

    @cached_property
    def _classes(self) -> list[int]:
        found: list[int] = []
        around = [(-1, sys.maxsize)]  # the classes that are open, each with its last line
        for index, unit in enumerate(self.units):
            while unit.start > around[-1][1]:
                around.pop()
            if isinstance(unit.node, ast.ClassDef):
                around.append((index, unit.node.end_lineno or unit.end))
            found.append(around[-1][0])
        return found

    def lines_with(self, words: Iterable[Word]) -> list[int]:
        """The lines that hold one of the words, in order."""
        lines: set[int] = set()
        for word in words:
            position = word.find(self._text)
            while position >= 0:
                line = bisect_right(self._line_offsets, position)
                lines.add(line)
                position = word.find(self._text, self._line_offsets[line]) if line < len(self._line_offsets) else -1
        return sorted(lines)

    def marked(self, words: Iterable[Word]) -> set[int]:
        """The units that hold one of the words."""
        units: set[int] = set()
        for word in words:
            self.mark(units, word)
        return units

    def calling(self, names: Iterable[str]) -> set[int]:
        """The units that call one of these names, or something of it."""
        return self.marked([Word(name, Form(NO_NAME, r"\s*[.(]")) for name in sorted(names)])

    def mark(self, units: set[int], word: Word) -> None:
        """Adds the units that hold a word, and those that share a line with it, going on behind each."""
        position = word.find(self._text)
        while position >= 0:
            line = end = bisect_right(self._line_offsets, position)
            index = self.unit_at(line)
            while index >= 0 and self.units[index].end >= line:
                units.add(index)
                end = max(end, self.units[index].end) if self.units[index].start < line else end
                index -= 1
            if end >= len(self._line_offsets):
                return
            position = word.find(self._text, self._line_offsets[end])


# --- the search ------------------------------------------------------------------------------------------------------


class Search:
    """What all rules want to see, as words and as one ast-grep rule."""

    def __init__(self, where: Where, follow: Where, same_as: Mapping[str, str], in_classes: tuple[Where, Where]) -> None:
        """``where``: the shapes that rules decide. ``follow``: the shapes by which conflicts begin; their words say
        which code to follow, and facts do the rest. ``same_as`` gives the canonical name for other spellings of it.
        ``in_classes``: what to follow in a class that holds one of other shapes as well."""
        where |= calls(*(other for other, name in same_as.items() if name in where.calls))
        self.watched = where.watched
        self._searched = tuple(words_of(where))
        self._followed = tuple(words_of(follow))
        self._in_classes, self._beside = (tuple(words_of(of_classes)) for of_classes in in_classes)
        written = {kind: {name for of, name in where.literals if of == kind} for kind in ("calls", "methods", "keywords")}
        self._called = {name.rpartition(".")[2] for name in where.calls | written["calls"]}
        self._called |= where.methods | written["methods"]
        self._referred = {name.rpartition(".")[2] for name in where.attributes}
        self._keywords = where.keywords | written["keywords"] | {name for name, _ in where.beside}
        self._imports = where.imports
        self._last = frozenset(self._called | self._referred | {"cuda"})
        named = {*where.calls, *follow.calls, *(name for of_classes in in_classes for name in of_classes.calls)}
        self._of_module = rf"[\s)]*\.\s*(?:{'|'.join(sorted({name.rpartition('.')[2] for name in named}))})\b"
        owners = {name.rpartition(".")[0] for name in named if "." in name}
        self._owners = frozenset(owners)
        lasts = sorted({owner.rpartition(".")[2] for owner in owners})
        self._imported_as = re.compile(f" as (?:{'|'.join(map(_RENAMED.format, lasts, lasts))})")
        self._assigned = re.compile(rf"(?m)=[ \t]*\(?(?:{'|'.join(map(re.escape, sorted(owners)))})\)?[ \t]*(?:#|$)")

    def passes(self, text: str) -> bool:
        """The word gate: False when no rule can have anything to say of a text."""
        words = present(text, (*self._searched, *self._followed, *self._in_classes))
        renamed = self._imported_as, self._assigned
        return any(word.find(text) >= 0 for word in words) or any(pattern.search(text) for pattern in renamed)

    def hits(self, source: Source) -> Hits:
        """The lines and units that hold a word, or one of this file's names for a canonical name."""
        hits = Hits(source)
        hits.aliases, owners = _aliases(source, self._last, self._owners)
        renamed = [Word(alias, Form(NO_NAME, r"\b")) for alias in sorted(hits.aliases)]
        of_modules = [Word(owner, Form(NO_NAME, self._of_module)) for owner in sorted(owners)]
        hits.lines = hits.lines_with((*present(source.text, self._searched), *renamed, *of_modules))
        hits.followed = hits.marked((*present(source.text, self._followed), *of_modules))
        if in_classes := hits.marked(present(source.text, self._in_classes)):
            beside = hits.marked((*present(source.text, self._beside), *of_modules))
            helpers = {hits.units[index].node.name for index in beside if hits.class_of(index) < 0 and index >= 0
                       and isinstance(hits.units[index].node, FUNCTIONS)}
            beside |= hits.marked([Word(name, Form(NO_PART, r"\(")) for name in sorted(helpers)])
            classes = {hits.class_of(index) for index in beside}
            computing = classes & {hits.class_of(index) for index in in_classes}
            hits.followed |= {index for index in in_classes | beside if hits.class_of(index) in computing}
        return hits

    def candidates(self, source: Source, hits: Hits) -> list[ast.AST]:
        """The nodes of the searched shapes, in the order of the file.

        Raises LookupError for a match that is no node of the tree: the two parsers disagree on this text.
        """
        if not hits.lines:
            return []
        from ast_grep_py import SgRoot  # a file that fails the gate does not load it

        excerpts = Excerpts(source, hits.lines)
        wanted: dict[tuple, ast.AST | None] = {}
        holding: dict[ast.AST, None] = {}
        for match in SgRoot(excerpts.text, "python").root().find_all(self._config(names_in(source.text), hits.aliases)):
            found = match.range()
            start, end = (excerpts.position(place.line, place.column) for place in (found.start, found.end))
            stars = _leading_stars(source, start)
            wanted[_NODES[match.kind()], start.line, start.column + stars, end.line, end.column] = None
            holding[start.excerpt] = None
        _locate(list(holding), wanted)
        missing = [key for key, node in wanted.items() if node is None]
        if missing:
            raise LookupError(f"no {missing[0][0].__name__} at line {missing[0][1]}, byte {missing[0][2]}")
        return [node for node in wanted.values() if node is not None]

    def _config(self, names: frozenset[str], aliases: frozenset[str]) -> dict[str, Any]:
        """The shapes whose names the text holds, as one ast-grep rule.

        A name is looked for at the end of a call's function, so that parentheses and line breaks inside it do not
        matter. Names that are not there are left out, for building the rule costs more than most searches with it.
        """
        called, referred = sorted(self._called & names | aliases), sorted(self._referred & names)
        keywords, imported = sorted(self._keywords & names), sorted(self._imports & names)
        shapes: list[dict[str, Any]] = []
        if called:
            shapes.append({"kind": "call", "has": {"field": "function", "regex": _tail(called)}})
        if referred:
            shapes.append({"kind": "attribute", "regex": _tail(referred)})
        if keywords:
            shapes.append({"kind": "keyword_argument", "has": {"field": "name", "regex": f"^({'|'.join(keywords)})$"}})
        if imported:
            regex = rf"^(?:from|import)[ \t]+(?:[\w. \t]+,[ \t]*)*(?:{'|'.join(imported)})(?:[^A-Za-z0-9_]|$)"
            shapes += ({"kind": kind, "regex": regex} for kind in ("import_statement", "import_from_statement"))
        return {"rule": {"any": shapes or [{"kind": "call", "regex": "^$"}]}}


_NODES = {
    "call": ast.Call, "attribute": ast.Attribute, "keyword_argument": ast.keyword, "import_statement": ast.Import,
    "import_from_statement": ast.ImportFrom,
}


def _tail(words: Iterable[str]) -> str:
    return rf"(?:^|[^A-Za-z0-9_])(?:{'|'.join(words)})[ \t\r\n)]*$"


def _leading_stars(source: Source, start: Position) -> int:
    """ast-grep takes the star of ``a[*f()]`` into the call."""
    text = source.lines[start.line - 1].encode("utf-8", "surrogatepass")[start.column : start.column + 3]
    return len(text) - len(text.lstrip(b"*"))


def _locate(nodes: list[Any], wanted: dict[tuple, ast.AST | None]) -> None:
    """Finds the nodes of these types and positions, looking only where the lines can hold one."""
    lines = sorted({key[1] for key in wanted})
    types = {key[0] for key in wanted}
    todo = nodes
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind in types:
            key = (kind, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
            if key in wanted:
                wanted[key] = node
        for child in ast.iter_child_nodes(node):
            first = getattr(child, "lineno", None)
            if first is None:
                todo.append(child)
            else:
                index = bisect_right(lines, first - 1)
                if index < len(lines) and lines[index] <= child.end_lineno or getattr(child, "decorator_list", None):
                    todo.append(child)


# --- aliases ---------------------------------------------------------------------------------------------------------

_RENAMED = r"(?<=\b{} as )(?!{}\b)"
_IMPORT = re.compile(r"(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(?:\(([^)]*)\)|((?:[^\n#\\]|\\\n)+))")
_BOUND = re.compile(r"([\w.]+)(?:\s+as\s+(\w+))?")
_VALUE = r"[ \t]*\(?([\w.]+(?:\)\.[\w.]+)?)\)?[ \t]*"
_END = r"(?:#|\r?$)"
_ASSIGNED = re.compile(rf"(?m)={_VALUE}(?:{_END}|if\b.*\belse\b{_VALUE}{_END})")  # begins with what is quick to find
_TARGET = re.compile(r"[ \t]*(\w+)[ \t]*")


def _aliases(source: Source, last: frozenset[str], owners: frozenset[str]) -> tuple[frozenset[str], set[str]]:
    """The names under which a file may call what rules look for: ``from torch import load as l``, ``t = torch.load``,
    ``import torch.cuda as c``; and those of the modules that own it: ``import torch as t``. Too many do no harm, for
    facts confirm each candidate."""
    text, found, modules, imported = source.text, set(), set(), set()
    owned = {owner.rpartition(".")[2] for owner in owners}
    position = end = 0
    while (position := text.find("import ", max(position, end))) >= 0:
        match = _IMPORT.search(text, max(text.rfind("\n", 0, position) + 1, end))
        if match is None:
            break
        end = match.end()
        module, block, line = match.groups()
        for name, alias in _BOUND.findall(block or line):
            imported.add(name)
            ending = name.rpartition(".")[2]
            if alias and ending in last or "cuda" in f"{module}.{name}".split("."):
                found.add(alias or ending)
            elif alias and alias != ending and ending in owned:
                modules.add(alias)
    any_name = "import *" in text
    for match in _ASSIGNED.finditer(text):
        values = [value for value in match.groups() if value]
        is_called = any(
            value.rpartition(".")[2] in last and ("." in value or value in imported or any_name) for value in values
        )
        if is_called or owners.intersection(values):
            target = _TARGET.fullmatch(text, text.rfind("\n", 0, match.start()) + 1, match.start())
            if target is not None:
                (found if is_called else modules).add(target[1])
    return frozenset(found) - last, modules

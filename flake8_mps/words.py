"""Words: what of a shape can be found in a text before anything of it is parsed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .shapes import Where


class Form(NamedTuple):
    """What has to stand right before a word, as a lookbehind, and right behind it. Words of a kind share their forms:
    to compile a pattern for each costs more than most searches for it."""

    ahead: str
    behind: str


class Word:
    """A word of some rule: a text that is quick to find, the forms it may have there, and what may stand before it on
    its line. Without a form it is the same anywhere, also within a name."""

    def __init__(
        self, text: str, *forms: Form, before: re.Pattern[str] | None = None, beside: Word | None = None
    ) -> None:
        self.text = text
        name = text.strip(".(")
        self.name = name if forms and name.isidentifier() else ""  # "" for what may be a part of a name
        self.forms = forms
        self.before = before
        self.beside = beside  # what the text has to hold as well

    @functools.cached_property
    def _matches(self) -> list[tuple[Callable[..., object], Callable[..., object]]]:
        """Compiled where the word is met first: most words of a run never are."""
        return [(re.compile(form.ahead).match, re.compile(form.behind).match) for form in self.forms]

    def find(self, text: str, start: int = 0) -> int:
        """Where the word is, from ``start`` on; -1 where it is not."""
        position = text.find(self.text, start)
        while position >= 0 and not self._fits(text, position):
            position = text.find(self.text, position + 1)
        return position

    def _fits(self, text: str, position: int) -> bool:
        end = position + len(self.text)
        for ahead, behind in self._matches:
            if ahead(text, position) and behind(text, end):
                break
        else:
            if self.forms:
                return False
        return self.before is None or bool(self.before.fullmatch(text, text.rfind("\n", 0, position) + 1, position))


_STATEMENT = re.compile(r"\s*[\w.]+(?:\[[^\]]*\])*")  # the beginning of one that does nothing else
_NAMES = re.compile(r"(?:.*;)?[\w\s.,()]*")  # no text, no comment


def words_of(where: Where) -> Iterator[Word]:
    """One word for each name, but one for all of CUDA's."""
    names = [name for name in sorted(where.calls | where.attributes) if "cuda" in name.split(".")]
    if "cuda" in where.methods:
        yield Word("cuda")
    elif names:
        yield Word("cuda", Form("", r"[\s)]*[.\\]"))
    for name, owners in _owners(where.calls).items():
        yield Word(name, *_called(owners, r"[\s)]*\("))
    for name, owners in _owners(name for kind, name in where.literals if kind == "calls").items():
        yield Word(name, *_called(owners, rf"[\s)]*\({_LITERAL}"))
    attributes = {name.rpartition(".")[2] for name in where.attributes if "cuda" not in name.split(".")}
    for name in sorted(attributes | where.methods - {"cuda"}):
        yield Word(f".{name}", Form("", r"\b"))
    for kind, name in sorted(where.literals):
        if kind == "methods":
            yield Word(f".{name}", Form("", rf"[\s)]*\({_LITERAL}"))
        elif kind == "keywords":
            yield Word(name, Form(NO_PART, rf"(?:={_LITERAL_ON}|\s*=(?!=){_LITERAL_HERE})"))
    for name in sorted(where.keywords):
        yield Word(name, _GIVEN)
    for name, other in sorted(where.beside):
        yield Word(name, _GIVEN, beside=Word(other, Form(NO_NAME, r"(?:[\s)]*\(|\s+as\b)")))
    for name in sorted(where.statements):
        yield Word(f".{name}(", Form("", r"\)[ \t]*(?:#|\n|$)"), before=_STATEMENT)
    for name in sorted(where.lists):
        before = re.compile(rf"\s*{name}\.\w+\s*(?::[^=]+)?")
        for equals in ("= ", "="):
            yield Word(f"{equals}[", Form("", r"\s*[\]A-Za-z_]"), before=before)
            yield Word(f"{equals}(", Form("", r"\s*[A-Za-z_][\w.]*\("), before=before)
            yield Word(f"{equals}{{", Form("", r"\s*(?:\}|[^{}:]+:\s*[A-Za-z_])"), before=before)
    for name in sorted(where.imports):
        yield Word(name, Form(NO_PART, r"\b"), before=_NAMES)


NO_NAME, NO_PART = r"(?<!\w)", r"(?<![\w.])"  # no longer name ends here; nor is it an attribute
_LITERAL = r"(?:[^(),]|\(\))*?(?:[\"']|(?<![\w.])\d)"
# Behind a name and an equals sign: on this line, for it may be a statement; else where the next line goes on with it.
_LITERAL_HERE = r"(?:[^(),#\n]|\(\))*?(?:[\"']|(?<![\w.])\d)"
_LITERAL_ON = r"(?:[^(),#\n]|\(\)|\n\s*(?=if\b|else\b|or\b|and\b|\w?[\"']|\d))*?(?:[\"']|(?<![\w.])\d)"
_GIVEN = Form(NO_PART, r"\s*=(?!=)(?!\s*None\b)")


def _owners(names: Iterable[str]) -> dict[str, set[str]]:
    """The last parts of canonical names of others than CUDA, each with what they have before it."""
    owners: dict[str, set[str]] = {}
    for name in sorted(names):
        *parts, last = name.split(".")
        if "cuda" not in (*parts, last):
            owners.setdefault(last, set()).update(parts[-1:])
    return owners


def _called(owners: set[str], behind: str) -> tuple[Form, Form]:
    """A name that is called, or given another name."""
    of = "|".join(rf"(?<=\b{owner}[.])" for owner in sorted(owners)) or "(?!)"
    return Form(f"{_BARE}|{of}", rf"{behind}|\s+as\b"), Form(f"{_NAMED}|{of}", r"\)*[ \t]*(?:[#\n]|\Z|if\b)")


_BARE = r"(?<![\w.])|(?<=[^\w\]][.])"  # behind a bracket or at the begin of a line: whose it is, facts will see
_NAMED = r"(?<=\bimport )"  # a bare name that is handed on, as device is everywhere, is mostly a variable

_BETWEEN_NAMES = bytes(byte if byte > 127 or chr(byte).isalnum() or chr(byte) == "_" else ord(" ") for byte in range(256))


@functools.lru_cache(maxsize=1)
def names_in(text: str) -> frozenset[str]:
    """The names of a text, found once for all words: most words are in no text."""
    names = text.encode("utf-8", "surrogatepass").translate(_BETWEEN_NAMES)
    return frozenset(names.decode("utf-8", "surrogatepass").split())


def present(text: str, words: Iterable[Word]) -> list[Word]:
    """The words that are worth looking for in a text."""
    names = names_in(text)
    found = (word for word in words if not word.name or word.name in names)
    return [word for word in found if word.beside is None or word.beside.find(text) >= 0]

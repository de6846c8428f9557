"""Words: what of a shape can be found in a text before anything of it is parsed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .shapes import Where


class Word:
    """A word of some rule: a text that is quick to find, the form it has to have there, and what may stand before it
    on its line."""

    def __init__(self, text: str, form: str, before: re.Pattern[str] | None = None) -> None:
        self.text = text
        name = text.strip(".(")
        self.name = name if form != text and name.isidentifier() else ""  # "" for what may be a part of a name
        self.form = form
        self.before = before

    @functools.cached_property
    def _match(self) -> Callable[..., object] | None:
        """Compiled where the word is met first: most words of a run never are."""
        return re.compile(self.form).match if self.form != self.text else None

    def find(self, text: str, start: int = 0) -> int:
        """Where the word is, from ``start`` on; -1 where it is not."""
        position = text.find(self.text, start)
        while position >= 0 and not self._fits(text, position):
            position = text.find(self.text, position + 1)
        return position

    def _fits(self, text: str, position: int) -> bool:
        if self._match is not None and not self._match(text, position):
            return False
        return self.before is None or bool(self.before.fullmatch(text, text.rfind("\n", 0, position) + 1, position))


_STATEMENT = re.compile(r"\s*[\w.]+(?:\[[^\]]*\])*")  # the beginning of one that does nothing else
_NAMES = re.compile(r"(?:.*;)?[\w\s.,()]*")  # no text, no comment


def words_of(where: Where) -> Iterator[Word]:
    """One word for each name, but one for all of CUDA's."""
    names = [name for name in sorted(where.calls | where.attributes) if "cuda" in name.split(".")]
    if "cuda" in where.methods:
        yield Word("cuda", "cuda")
    elif names:
        yield Word("cuda", r"cuda[\s)]*[.\\]")
    for name, owners in _owners(where.calls).items():
        yield Word(name, rf"(?m)(?:{owners}){name}(?:[\s)]*\(|\s+as\b|\)*[ \t]*(?:#|$))")  # called, or given another name
    for name, owners in _owners(name for kind, name in where.literals if kind == "calls").items():
        yield Word(name, rf"(?m)(?:{owners}){name}(?:[\s)]*\({_LITERAL}|\s+as\b|\)*[ \t]*(?:#|$))")
    attributes = {name.rpartition(".")[2] for name in where.attributes if "cuda" not in name.split(".")}
    for name in sorted(attributes | where.methods - {"cuda"}):
        yield Word(f".{name}", rf"\.{name}\b")
    for kind, name in sorted(where.literals):
        if kind == "methods":
            yield Word(f".{name}", rf"\.{name}[\s)]*\({_LITERAL}")
        elif kind == "keywords":
            yield Word(name, rf"{name}\s*=(?!=){_LITERAL}")
    for name in sorted(where.keywords):
        yield Word(name, rf"{name}\s*=(?!=)(?!\s*None\b)")
    for name in sorted(where.statements):
        yield Word(f".{name}(", rf"\.{name}\(\)[ \t]*(?:#|\n|$)", before=_STATEMENT)
    for name in sorted(where.lists):
        before = re.compile(rf"\s*{name}\.\w+\s*(?::[^=]+)?")
        for equals in ("= ", "="):
            yield Word(f"{equals}[", rf"{equals}\[\s*[\]A-Za-z_]", before)
            yield Word(f"{equals}(", rf"{equals}\(\s*[A-Za-z_][\w.]*\(", before)
            yield Word(f"{equals}{{", rf"{equals}\{{\s*(?:\}}|[^{{}}:]+:\s*[A-Za-z_])", before)
    for name in sorted(where.imports):
        yield Word(name, rf"(?<![\w.]){name}\b", before=_NAMES)


_LITERAL = r"(?:[^(),]|\(\))*?(?:[\"']|(?<![\w.])\d)"


def _owners(names: Iterable[str]) -> dict[str, str]:
    """The last parts of canonical names of others than CUDA, each with a pattern for what stands before it: nothing,
    something with a bracket, or what the canonical name has there."""
    owners: dict[str, set[str]] = {}
    for name in sorted(names):
        *parts, last = name.split(".")
        if "cuda" not in (*parts, last):
            owners.setdefault(last, set()).update(parts[-1:])
    return {last: "|".join((_BARE, *(_OF.format(owner) for owner in sorted(found)))) for last, found in owners.items()}


_OF = r"(?<=\b{}[.])"
_BARE = r"(?<![\w.])|(?<=[^\w\]][.])"  # behind a bracket or at the begin of a line: whose it is, facts will see


_NAME = re.compile(r"[A-Za-z_]\w*")


@functools.lru_cache(maxsize=1)
def _names(text: str) -> frozenset[str]:
    """The names of a text, found once for all words: most words are in no text."""
    return frozenset(_NAME.findall(text))


def present(text: str, words: Iterable[Word]) -> list[Word]:
    """The words that are worth looking for in a text."""
    names = _names(text)
    return [word for word in words if not word.name or word.name in names]

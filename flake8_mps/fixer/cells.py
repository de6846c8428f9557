"""The JSON of a notebook by position: the text of its code cells is replaced, and not a character else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring
from typing import Any, NamedTuple

from ..source import universal_newlines

_BLANK = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"[^\s,\]}]+")


class _Value(NamedTuple):
    """A JSON value and where it stands; of an object ``inside`` has pairs of key and value, of an array its items."""

    start: int
    end: int
    inside: Any


class Cells:
    """The code cells of a notebook, counted from 1 as reports do."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sources = dict(enumerate(_code(_value(text, _blank(text, 0))), 1))
        self.texts = {number: universal_newlines(_joined(one)) for number, one in self._sources.items()}

    def edited(self, texts: Mapping[int, str]) -> str:
        """The JSON with other texts for some cells. Lines that stay keep the very characters they had."""
        text = self._text
        for number, new in sorted(texts.items(), reverse=True):
            place = self._sources[number]
            text = text[: place.start] + self._written(place, new) + text[place.end :]
        return text

    def _written(self, place: _Value, new: str) -> str:
        if isinstance(place.inside, str):
            return self._quoted(new)
        kept = {universal_newlines(item.inside): self._text[item.start : item.end] for item in place.inside}
        lines = [kept.get(line) or self._quoted(line) for line in new.splitlines(keepends=True)]
        items = place.inside
        lead = self._text[place.start + 1 : items[0].start] if items else ""
        between = self._text[items[0].end : items[1].start] if len(items) > 1 else "," + (lead or " ")
        tail = self._text[items[-1].end : place.end] if items else "]"
        return "[" + lead + between.join(lines) + tail

    def _quoted(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._text.isascii() and "\\u" in self._text)


def _code(document: _Value) -> Iterator[_Value]:
    """The text of each code cell, in nbformat 4 and in 3."""
    top = dict(document.inside)
    sheets = top["worksheets"].inside if "worksheets" in top else [document]
    for sheet in sheets:
        for cell in dict(sheet.inside)["cells"].inside:
            fields = dict(cell.inside)
            if fields["cell_type"].inside == "code":
                yield fields["source"] if "source" in fields else fields["input"]


def _joined(source: _Value) -> str:
    return source.inside if isinstance(source.inside, str) else "".join(item.inside for item in source.inside)


def _blank(text: str, at: int) -> int:
    return _BLANK.match(text, at).end()  # type: ignore[union-attr]


def _value(text: str, at: int) -> _Value:
    """The value that begins at a position of a text known to be JSON."""
    if text[at] == '"':
        string, end = scanstring(text, at + 1)
        return _Value(at, end, string)
    if text[at] not in "[{":
        end = _ATOM.match(text, at).end()  # type: ignore[union-attr]
        return _Value(at, end, None)
    items: list[Any] = []
    closing = "]" if text[at] == "[" else "}"
    here = _blank(text, at + 1)
    while text[here] != closing:
        item = _value(text, here)
        if closing == "}":
            value = _value(text, _blank(text, _blank(text, item.end) + 1))
            items.append((item.inside, value))
            item = value
        else:
            items.append(item)
        here = _blank(text, item.end)
        here = _blank(text, here + 1) if text[here] == "," else here
    return _Value(at, here + 1, items)

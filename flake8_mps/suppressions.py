"""What is wrong with a file's own ``# noqa``: one that hides more than it says, nothing at all, or nobody knows why.

flake8 reads codes only right behind ``# noqa:``. With other words there, ``# noqa: CUDA only``, it hides everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .config import BLANKET, UNEXPLAINED, UNUSED
from .finding import Finding, Severity, Span, World
from .source import Source

_OURS = re.compile(r"MPS\d*", re.IGNORECASE)
_ABOUT_US = re.compile(r"\b(?:cuda|mps\d*|gpu|mac|apple)\b", re.IGNORECASE)
_LONGEST = 30  # characters of somebody's words in a message


class _Noqa(NamedTuple):
    """One ``# noqa``: where it stands, the codes that it names, and the words behind them.

    ``hides`` are the findings of the lines that it belongs to, of any code.
    """

    span: Span
    codes: tuple[str, ...]
    words: str
    hides: tuple[Finding, ...]


def about_noqa(source: Source, found: list[Finding], hidden: set[Finding]) -> list[Finding]:
    """All that is wrong with the file's ``# noqa``: MPS002, MPS003 and MPS004. ``found`` has findings of any level."""
    return [*blanket_noqa(source, found, hidden), *_unused(source, found), *_unexplained(source, found)]


def blanket_noqa(source: Source, found: list[Finding], hidden: set[Finding]) -> list[Finding]:
    """Each ``# noqa: words`` that hides a finding of ours, or speaks of what is ours."""
    findings = []
    for noqa in _comments(source, found):
        named = not noqa.codes and noqa.words.lstrip().startswith(":")
        words = noqa.words.strip(": \t")
        silenced = sorted({finding.code for finding in noqa.hides if finding in hidden})
        if named and words and (silenced or _ABOUT_US.search(words)):
            code = f"{','.join(silenced)}  " if silenced else "<code>  "
            words = words if len(words) <= _LONGEST else words[: _LONGEST - 3] + "..."
            message = f"no code stands behind this noqa, so it hides everything; write # noqa: {code}{words}"
            findings.append(_finding(BLANKET, message, noqa.span))
    return findings


def _unused(source: Source, found: list[Finding]) -> list[Finding]:
    message = "nothing on this line is found under {}; take it out"
    return [
        _finding(UNUSED, message.format(code.upper()), noqa.span)
        for noqa in _comments(source, found)
        for code in noqa.codes
        if _OURS.fullmatch(code) and not any(finding.code.startswith(code.upper()) for finding in noqa.hides)
    ]


def _unexplained(source: Source, found: list[Finding]) -> list[Finding]:
    message = "nobody says why this is hidden; write the reason behind the code: # noqa: {}  <reason>"
    return [
        _finding(UNEXPLAINED, message.format(",".join(noqa.codes)), noqa.span)
        for noqa in _comments(source, found)
        if any(map(_OURS.fullmatch, noqa.codes)) and not noqa.words.strip(" \t#:,;.-–—")
    ]


def _finding(code: str, message: str, span: Span) -> Finding:
    return Finding(code, message, span, Severity.WARNING, World.AS_WRITTEN)


def _comments(source: Source, found: list[Finding]) -> Iterator[_Noqa]:
    """The file's comments ``# noqa`` and what each belongs to, as flake8 has it: the first of its lines counts."""
    from flake8.defaults import NOQA_INLINE_REGEXP

    for line, column, text in source.comments():
        if match := NOQA_INLINE_REGEXP.search(text):
            codes = tuple(re.split(r"[,\s]+", match["codes"].strip(", \t"))) if match["codes"] else ()
            span = Span(line, column + match.start(), line, column + match.end())
            belongs = source.noqa_text(line)
            hides = tuple(finding for finding in found if source.noqa_text(finding.span.line) is belongs)
            yield _Noqa(span, codes, text[match.end():], hides)

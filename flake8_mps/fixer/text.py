"""Edits put into lines of text: which can be made together, and what comes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..finding import Edit


def overlap(left: Edit, right: Edit) -> bool:
    """True for two edits that cannot both be made: they touch the same text, or insert at the same place."""
    if left == right:
        return False
    (a, b), (c, d) = (left.span[:2], left.span[2:]), (right.span[:2], right.span[2:])
    if a == b and c == d:
        return a == c
    if a == b:
        return c < a < d
    if c == d:
        return a < c < b
    return a < d and c < b


def fits(edits: Sequence[Edit], others: Iterable[Edit]) -> bool:
    """True where none of the edits overlaps with one of the others."""
    return not any(overlap(edit, other) for other in others for edit in edits)


def apply(lines: Sequence[str], ends: Sequence[str], edits: Iterable[Edit]) -> str:
    """The text of lines and their ends after edits that do not overlap; new lines end as the one that they stand in."""
    text = [line + end for line, end in zip(lines, ends, strict=True)]
    for edit in sorted(set(edits), key=lambda edit: (edit.span[:2], edit.span[2:]), reverse=True):
        first, column, last, end_column = edit.span
        new = edit.text.replace("\n", ends[first - 1] or _usual(ends))
        if last > len(text):  # to the end of the last line, and its end
            last, end_column = len(text), len(text[-1])
        text[first - 1 : last] = [text[first - 1][:column] + new + text[last - 1][end_column:], *[""] * (last - first)]
    return "".join(text)


def _usual(ends: Sequence[str]) -> str:
    return next((end for end in ends if end), "\n")

"""From a finding to small complete programs that reach it; the first that runs on the control is the one that counts.

    straight line   the statements before the flagged expression that it needs, out of their functions
    whole file      the file as it is, where the expression stands at its top
    whole call      the function or module around it as it is, called with made inputs: for what fails only later
"""

from __future__ import annotations

from collections.abc import Iterator

from ...finding import Finding
from ...source import Source
from ..flagged import flagged_expression
from .calls import whole_calls, whole_files
from .lines import straight_lines
from .slice import CannotSlice, Slice

__all__ = ["CannotSlice", "Slice", "slices"]


def slices(source: Source, finding: Finding, others: frozenset[int] = frozenset()) -> Iterator[Slice]:
    """Programs for a finding, smallest first. ``others`` are the lines of other findings that fail in the same world. Raises CannotSlice where there is none, with the first reason."""
    flagged = flagged_expression(source, finding.span)
    if flagged is None:
        raise CannotSlice("the flagged token is in no expression")
    reason: CannotSlice | None = None
    found = False
    for way in (straight_lines, whole_calls, whole_files):
        try:
            for one in way(source, flagged, others - {finding.span.line}):
                found = True
                yield one
        except CannotSlice as trouble:
            reason = reason or trouble
    if not found and reason is not None:
        raise reason

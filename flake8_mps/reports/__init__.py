"""What people and machines are shown: one module for each format."""

from __future__ import annotations

from typing import NamedTuple

from ..finding import Finding


class Located(NamedTuple):
    """A finding in its file; in a notebook ``finding.span`` lies within the cell."""

    path: str
    cell: int | None
    finding: Finding

"""What crosses folders: findings, and the spans, steps and edits that they carry.

Lines count from 1, columns are characters and count from 0, as editors and ``ast-grep`` have them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class World(enum.Enum):
    """The machine and the code in which a finding is decided; see "Two worlds" in CONTRIBUTING.md."""

    AS_WRITTEN = "as written"
    ONCE_PORTED = "once ported"


class Severity(enum.IntEnum):
    """How bad a finding is in its world; ordered, so that a level is a simple comparison."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @classmethod
    def parse(cls, text: str) -> Severity:
        """The severity of that name. Raises ValueError, naming the three, for any other text."""
        try:
            return cls[text.strip().upper()]
        except KeyError:
            raise ValueError(f"{text!r} is not one of info, warning, error") from None


class Span(NamedTuple):
    """A piece of source text; ``end_column`` is the column after its last character."""

    line: int
    column: int
    end_line: int
    end_column: int


class Step(NamedTuple):
    """One step in the story of a value: "float64 from np.linspace" on line 12; ``about`` its dtype, or its place."""

    line: int
    text: str
    about: str = "dtype"


@dataclass(frozen=True)
class Finding:
    """One thing a Mac would refuse, or run on the CPU, at one place.

    ``cause`` is the line of the finding that has to be mended before this one can be seen to fail.
    """

    code: str
    message: str
    span: Span
    severity: Severity
    world: World
    trail: tuple[Step, ...] = ()
    cause: int | None = None

    @property
    def sort_key(self) -> tuple[Span, str, str]:
        return self.span, self.code, self.message

"""What crosses folders: findings, and the spans, steps and edits that they carry.

Lines count from 1, columns are characters and count from 0, as editors and ``ast-grep`` have them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
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


class Safety(enum.IntEnum):
    """What becomes of a program that is fixed; ordered, so that what may be applied is a simple comparison.

    SAFE: on a CUDA machine it does what it did. UNSAFE: nearly always meant, but values, places or the text that users see
    may change. DISPLAY: shown and never applied, for a part of it is the author's to write.
    """

    DISPLAY = 1
    UNSAFE = 2
    SAFE = 3


class Edit(NamedTuple):
    """A piece of source text and what takes its place, in which slots stand for what the whole file decides."""

    span: Span
    text: str


TORCH, NN = "\0torch\0", "\0nn\0"
"""Slots: ``torch`` and ``torch.nn`` as the file calls them."""
DEVICE, DEVICE_TYPE = "\0device\0", "\0device type\0"
"""Slots: the device at hand, chosen at run time, and its type, a text: ``device`` and ``device.type``."""
CHOICE, CHOICE_TYPE = "\0choice\0", "\0choice of a type\0"
"""Slots: expressions that choose the device of the machine, a ``torch.device`` or a text."""
ANY_GPU = "\0any gpu\0"
"""Slot: a condition that holds where there is CUDA or MPS."""


@dataclass(frozen=True)
class Fix:
    """Edits that mend a finding, all of them or none.

    ``imports`` are modules that the new text uses, ``near`` an expression for the device at hand that goes before the
    file's own variables, such as ``x.device``. ``why`` says what speaks against applying it.
    """

    edits: tuple[Edit, ...]
    safety: Safety
    imports: tuple[str, ...] = ()
    near: str = ""
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing a Mac would refuse, or run on the CPU, at one place.

    ``cause`` is the line of the finding that has to be mended before this one can be seen to fail. ``fix`` is made only
    for those who ask for it.
    """

    code: str
    message: str
    span: Span
    severity: Severity
    world: World
    trail: tuple[Step, ...] = ()
    cause: int | None = None
    fix: Fix | None = field(default=None, compare=False)

    @property
    def sort_key(self) -> tuple[Span, str, str]:
        return self.span, self.code, self.message

"""What crosses the wall around a run: the program that goes in, and what was seen of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import Any

from ..finding import Span


@dataclass(frozen=True)
class Program:
    """A complete program, and the machine it runs on.

    ``machine`` is "mps" for a Mac, "cuda" for the control, "cpu" for this machine as it is. ``ported`` replays the world
    "once ported": what chooses CUDA gets the GPU of the Mac. ``setup`` is a program that runs before it, on a machine with
    CUDA, and makes the files that it reads; ``files`` are other modules, by name. ``flagged`` is the piece of it that a finding is about. ``fallback`` is what
    PYTORCH_ENABLE_MPS_FALLBACK says.
    """

    source: str
    name: str = "program.py"
    machine: str = "cpu"
    ported: bool = False
    setup: str = ""
    argv: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    flagged: Span | None = None
    fallback: bool = False

    def as_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Program:
        flagged = data["flagged"]
        return cls(**{**data, "argv": tuple(data["argv"]), "files": tuple(map(tuple, data["files"])), "flagged": Span(*flagged) if flagged else None})


class End(enum.Enum):
    """How a run ended."""

    FINISHED = "finished"
    RAISED = "raised"
    SETUP_FAILED = "the made inputs could not be made"
    TIME = "it ran longer than allowed"
    MEMORY = "it took more memory than allowed"
    PROCESSES = "it started more processes than allowed"
    DIED = "its process died"
    NO_WALLS = "nothing here keeps a program in"


@dataclass(frozen=True)
class Warned:
    """A warning: its type with the types it is one of, by name, its text, and its line if that is the program's."""

    types: tuple[str, ...]
    text: str
    line: int | None


@dataclass(frozen=True)
class Ran:
    """How often an operator ran for a line of the program, and on which device; ``fallback`` if the CPU stood in."""

    line: int | None
    operator: str
    device: str
    count: int
    fallback: bool = False


@dataclass(frozen=True)
class Observation:
    """What was seen of one run.

    ``types`` names the type of the exception and its bases; ``line`` is the innermost one in the program itself.
    ``reached``: the flagged piece began to run. ``devices``: where the tensors in its value lived. ``walls`` says what kept
    the program in, ``output`` is the end of what it printed.
    """

    end: End
    types: tuple[str, ...] = ()
    text: str = ""
    line: int | None = None
    reached: bool = False
    devices: tuple[str, ...] = ()
    warned: tuple[Warned, ...] = ()
    ran: tuple[Ran, ...] = ()
    output: str = ""
    seconds: float = 0.0
    walls: str = ""

    @property
    def raised(self) -> str:
        """The name of the exception's type, empty for none."""
        return self.types[0] if self.types else ""

    def as_json(self) -> dict[str, Any]:
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **data,
            "end": self.end.name,
            "warned": [vars(one) for one in self.warned],
            "ran": [vars(one) for one in self.ran],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Observation:
        """Raises KeyError, TypeError or ValueError for what is no observation: the program could have written it."""
        lists = {
            "end": End[data["end"]],
            "types": tuple(map(str, data["types"])),
            "devices": tuple(map(str, data["devices"])),
            "warned": tuple(Warned(tuple(one["types"]), str(one["text"]), one["line"]) for one in data["warned"]),
            "ran": tuple(Ran(**one) for one in data["ran"]),
        }
        return cls(**{**data, **lists})

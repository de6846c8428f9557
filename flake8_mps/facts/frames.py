"""What a running function has gathered, and the scopes around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .guards import Guards
from .values import Value

if TYPE_CHECKING:
    from .classes import ClassInfo

Env = dict  # names, dotted names such as "self.device", and the places that made modules, to values


class Frame:
    """What one running function has gathered: its results, and the scopes around it."""

    def __init__(self, outer: tuple[Env, ...] = (), info: ClassInfo | None = None, name: str = "") -> None:
        self.outer = outer
        self.receiver: str | None = None  # the name of self
        self.name = name
        self.info = info
        self.inputs: set[str] = set()  # parameters of a function that no call here has run
        self.in_forward = False  # what is not known here came from a module's inputs
        self.has_fields = False  # the body of a dataclass
        self.returns: list[tuple[Value, Guards]] = []
        self.exits: list[tuple[Env, Guards]] = []  # environments at break and continue, and what holds there
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

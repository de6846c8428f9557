"""What a rule is: where to look, how to decide, what a Mac does, and examples that prove it.

A rule is one file in ``rules/``. Dropping the file in registers it: ``load_rules`` reads the folder.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from .config import OWN_CODES, Config, ConfigError
from .finding import Finding, Fix, Severity, Span, Step, World
from .shapes import Where, attributes, beside, calls, conflicts, imports, keywords, literals, methods, on_device

if TYPE_CHECKING:
    from .facts import Facts

__all__ = [
    "Example", "Raises", "Rule", "Runs", "RunsOnCpu", "Severity", "Warns", "Where", "World", "attributes", "beside", "calls",
    "checkpoint", "conflicts", "imports", "keywords", "literals", "load_rules", "methods", "on_device",
]


# --- what a Mac does -------------------------------------------------------------------------------------------------


class Raises(NamedTuple):
    """A Mac raises ``type`` with ``text`` in its message, on the line an example marks.

    ``same_on_linux``: PyTorch's CPU build for Linux raises the very same, so the example proves itself there.
    """

    type: type[BaseException]
    text: str
    same_on_linux: bool = False


class RunsOnCpu(NamedTuple):
    """A Mac runs the example to its end, every tensor of it on the CPU, and says nothing."""

    same_on_linux: bool = True


class Warns(NamedTuple):
    """A Mac runs the example to its end and warns, with ``text`` in the message of a ``type``."""

    type: type[Warning]
    text: str
    same_on_linux: bool = False


class Runs(NamedTuple):
    """A Mac runs the example to its end and says nothing; ``but`` is what goes wrong all the same, in words."""

    but: str
    same_on_linux: bool = False


Expectation = Raises | RunsOnCpu | Warns | Runs


# --- examples --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class checkpoint:  # noqa: N801  read as a function in rules: given=checkpoint("unet.pth", device="cuda")
    """A file that an example reads: ``{"weight": zeros(2)}`` saved from a tensor on ``device``."""

    path: str
    device: str = "cuda"  # noqa: MPS101  CUDA only: the name in the file, for nobody to compute on


_MARK = re.compile(r"^\s*(\^+) (MPS\d{3})\s*$")


class Mark(NamedTuple):
    """A token that a rule has to report: 1-based line, 0-based column, width in characters."""

    line: int
    column: int
    width: int
    code: str


class Example:
    """A complete small program. Under a line, ``^^^^ MPS201`` marks the exact token to be reported.

    A line that ends in ``# raises`` is where the exception shows, when that is not the first marked line. ``torch`` is
    the oldest release that the program has to run on, as in ``--torch``; without it, the newest.
    """

    def __init__(
        self, text: str, given: checkpoint | None = None, expect: Expectation | None = None, torch: tuple[int, int] | None = None
    ) -> None:
        self.text = text
        self.given = given
        self.expect = expect
        self.torch = torch

    @functools.cached_property
    def _parsed(self) -> tuple[str, tuple[Mark, ...]]:
        lines: list[str] = []
        marks: list[Mark] = []
        for line in textwrap.dedent(self.text).strip("\n").split("\n"):
            if match := _MARK.match(line):
                marks.append(Mark(len(lines), match.start(1), len(match[1]), match[2]))
            else:
                lines.append(line)
        return "\n".join(lines).rstrip() + "\n", tuple(marks)

    @property
    def source(self) -> str:
        """The program, without the marks."""
        return self._parsed[0]

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The tokens to be reported, in order."""
        return self._parsed[1]

    @property
    def raising_line(self) -> int | None:
        """The line on which the exception of ``expect`` shows; None for an example without marks."""
        for number, line in enumerate(self.source.split("\n"), 1):
            if line.rstrip().endswith("# raises"):
                return number
        return self.marks[0].line if self.marks else None


# --- a rule ----------------------------------------------------------------------------------------------------------


class Rule:
    """Base class of rules. The docstring of the rule's module is its documentation page."""

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    world: ClassVar[World]
    since: ClassVar[str] = "0.1.0"
    where: ClassVar[Where]
    expect: ClassVar[Expectation]
    bad: ClassVar[list[Example]]
    good: ClassVar[list[Example]]

    def check(self, found: Any, facts: Facts) -> Iterable[Finding]:
        """Decides one place: an ``ast`` node for a shape, an event for a conflict."""
        raise NotImplementedError

    def fix(self, found: Any, finding: Finding, facts: Facts) -> Fix | None:
        """What mends a finding of this place, put together with ``edits``; None for what is the author's to say."""
        return None

    def finding(
        self,
        span: Span,
        message: str,
        *,
        severity: Severity | None = None,
        trail: tuple[Step, ...] = (),
        cause: int | None = None,
    ) -> Finding:
        """A finding of this rule; severity is the rule's unless given."""
        return Finding(self.code, message, span, severity or self.severity, self.world, trail, cause)

    @classmethod
    def documentation(cls) -> str:
        """The Markdown of the rule's module docstring."""
        return textwrap.dedent(importlib.import_module(cls.__module__).__doc__ or "").strip()

    @classmethod
    def heading(cls) -> str:
        """What stands above the documentation: code, name, severity and world."""
        return f"{cls.code} {cls.name} ({cls.severity.name.lower()}, {cls.world.value})"


# --- the registry is the folder --------------------------------------------------------------------------------------


def _rule_classes(module: Any) -> Iterator[type[Rule]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__:
            yield value


@functools.cache
def load_rules() -> tuple[Rule, ...]:
    """One instance of every rule in ``rules/``, by code. Raises ValueError when two share a code or a name."""
    from . import rules

    found: dict[str, Rule] = {}
    names: dict[str, str] = {}
    for info in sorted(pkgutil.iter_modules(rules.__path__), key=lambda info: info.name):
        for cls in _rule_classes(importlib.import_module(f"{rules.__name__}.{info.name}")):
            for key, seen in ((cls.code, found), (cls.name, names)):
                if key in seen:
                    raise ValueError(f"{key} is declared twice, again in {cls.__module__}")
            found[cls.code] = cls()
            names[cls.name] = cls.code
    return tuple(found[code] for code in sorted(found))


def refuse_unknown_codes(config: Config, place: str) -> None:
    """Raises ConfigError for a choice that no rule answers to: it would find nothing and look like success.

    ``place`` is where the choice is written, up to its name.
    """
    if not (config.select or config.ignore):
        return
    codes = [*OWN_CODES, *(rule.code for rule in load_rules())]
    for name, prefixes in ("select", config.select), ("ignore", config.ignore):
        for prefix in prefixes:
            if not any(code.startswith(prefix) for code in codes):
                raise ConfigError(f"{place}{name}: no rule has the code {prefix!r}; there are {', '.join(codes[1:])}")

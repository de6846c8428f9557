"""How far a long run is, on a terminal: one line on standard error that goes away again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_SILENT = 1.0  # seconds: what is over sooner needs no bar
_PERIOD = 0.1
_WIDTH = 30


class Progress:
    """Counts the files of a run; silent unless standard error is a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.begun = self.drawn = time.monotonic()
        self.visible = False
        self.wanted = sys.stderr.isatty() and total > 1

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, as they come. Whoever prints in between clears the line first."""
        for done, item in enumerate(items, 1):
            yield item
            self._draw(done)
        self.clear()

    def clear(self) -> None:
        if self.visible:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self.visible = False

    def _draw(self, done: int) -> None:
        now = time.monotonic()
        if not self.wanted or now - self.begun < _SILENT or now - self.drawn < _PERIOD or done == self.total:
            return
        self.drawn = now
        bar = "█" * (_WIDTH * done // self.total)
        left = (now - self.begun) / done * (self.total - done)
        line = f"{bar:░<{_WIDTH}} {done:,} of {self.total:,} files, {_time(left)} left"
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        self.visible = True


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"

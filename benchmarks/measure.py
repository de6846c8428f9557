"""The cost of a command, and how two commands compare when they are run in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """One finished flake8: CPU seconds (user and system, with children), peak memory in MB, lines reported."""

    seconds: float
    memory: float
    reports: int


def flake8(python: Path, prefix: str, tree: Path) -> Cost:
    """Runs flake8 over a tree in one process. Raises RuntimeError if it did anything but report."""
    command = [python, "-m", "flake8", "-j1", "--isolated", "--select", prefix, "."]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, cwd=tree, env=env, stdout=out, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        complaint = err.read()
        lines = out.read().splitlines()
    if child.returncode not in (0, 1) or "Traceback" in complaint or any("critical error" in line for line in lines):
        said = ["nothing said", *lines, *complaint.splitlines()]
        raise RuntimeError(f"{python} -m flake8 exited {child.returncode}: {said[-1]}")
    megabyte = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / megabyte, len(lines))


@dataclass(frozen=True)
class Comparison:
    """Runs of a base command and of another, A B A B …, compared pair by pair."""

    pairs: list[tuple[Cost, Cost]]

    def ratios(self) -> tuple[float, float, float]:
        """CPU seconds of the other over the base: least, median and greatest of the pairs."""
        ratios = sorted(other.seconds / base.seconds for base, other in self.pairs)
        return ratios[0], statistics.median(ratios), ratios[-1]

    def memory_ratio(self) -> float:
        return statistics.median(other.memory / base.memory for base, other in self.pairs)

    def seconds(self) -> tuple[float, float]:
        """Median CPU seconds of the base and of the other."""
        return statistics.median(base.seconds for base, _ in self.pairs), statistics.median(
            other.seconds for _, other in self.pairs
        )


def compare(base: Callable[[], Cost], other: Callable[[], Cost], pairs: int) -> Comparison:
    """Runs both once unmeasured, so that neither pays for cold files, and then in turn."""
    base(), other()
    return Comparison([(base(), other()) for _ in range(pairs)])

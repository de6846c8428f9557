"""What every test run says at its end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import evidence
from expectations import expected

from flake8_mps.rule import load_rules

FIXTURES = Path(__file__).parents[1] / "fixtures"


def pytest_terminal_summary(terminalreporter) -> None:
    """Names what nothing has proved or found yet: it neither passes nor vanishes."""
    try:
        line = evidence.pending()
    except Exception as error:  # a summary that raises would hide the reports of the tests themselves
        line = f"evidence pending: unknown, the rules do not load: {error!r}"
    if line:
        terminalreporter.write_line(line)
    pending = Counter(code for path in FIXTURES.rglob("*") for code in _marks(path))
    for rule in load_rules():
        pending.pop(rule.code, None)
    counts = ", ".join(f"{code}: {count}" for code, count in sorted(pending.items()))
    terminalreporter.write_line(f"fixture marks pending, their rules not built: {pending.total()} ({counts})")


def _marks(path: Path) -> list[str]:
    return [code for _, _, code in expected(path)] if path.suffix in (".py", ".ipynb") else []

"""What every test run says at its end."""

from __future__ import annotations

import evidence


def pytest_terminal_summary(terminalreporter) -> None:
    """Names the examples that nothing has proved yet: they neither pass nor vanish."""
    try:
        line = evidence.pending()
    except Exception as error:  # a summary that raises would hide the reports of the tests themselves
        line = f"evidence pending: unknown, the rules do not load: {error!r}"
    if line:
        terminalreporter.write_line(line)

"""flake8's formatters ``--format mps-json``, ``mps-sarif``, ``mps-github`` and ``mps-gitlab``.

flake8 loads this module in every run, so it imports nothing until a format is asked for. flake8 hands over a code, a line and
a column, of any plugin: severity is the rule's own, and there is no trail, no end of a token and no name of a function.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flake8.formatting.base import BaseFormatter


class _Formatter(BaseFormatter):
    kind: ClassVar[str]

    def after_init(self) -> None:
        self.violations: list[Any] = []

    def handle(self, error: Any) -> None:
        self.violations.append(error)

    def stop(self) -> None:
        from .reports import Report, format_named

        text = format_named(self.kind).render(Report([_located(each) for each in self.violations]))
        if text:
            self._write(text.removesuffix("\n"))
        super().stop()


class Json(_Formatter):
    kind = "json"


class Sarif(_Formatter):
    kind = "sarif"


class Github(_Formatter):
    kind = "github"


class Gitlab(_Formatter):
    kind = "gitlab"


def _located(violation: Any) -> Any:
    from .finding import Finding, Severity, Span, World
    from .reports import Located
    from .rule import load_rules

    rule = next((rule for rule in load_rules() if rule.code == violation.code), None)
    severity = rule.severity if rule else Severity.ERROR if violation.code.startswith(("E9", "MPS000")) else Severity.WARNING
    line, column = max(violation.line_number, 1), max(violation.column_number - 1, 0)
    world = rule.world if rule else World.AS_WRITTEN
    finding = Finding(violation.code, violation.text, Span(line, column, line, column), severity, world)
    context = (violation.physical_line.rstrip("\n"),) if violation.physical_line else ()
    return Located(violation.filename, None, finding, context, line)

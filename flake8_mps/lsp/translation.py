"""Findings, pages and fixes as the Language Server Protocol has them: lines from 0, columns in the client's units."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lsprotocol import types
from pygls.workspace import PositionCodec

from ..config import OWN_CODES
from ..finding import Finding, Severity, Span
from ..fixer.documents import lines_of
from ..rule import load_rules
from .opened import Mended, Opened

SOURCE = "flake8-mps"
SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}


class Translation:
    """The words for one text. ``with_stories`` puts where a value was made and moved beside the message."""

    def __init__(self, opened: Opened, uri: str, codec: PositionCodec, with_stories: bool) -> None:
        self._opened = opened
        self._uri = uri
        self._codec = codec
        self._with_stories = with_stories
        self.diagnostics = [(finding, self._diagnostic(finding)) for finding in opened.findings]

    def _range(self, span: Span) -> types.Range:
        start, end = types.Position(span.line - 1, span.column), types.Position(span.end_line - 1, span.end_column)
        return self._codec.range_to_client_units(self._opened.lines, types.Range(start, end))

    def _diagnostic(self, finding: Finding) -> types.Diagnostic:
        return types.Diagnostic(
            self._range(finding.span), finding.message, SEVERITIES[finding.severity], finding.code, source=SOURCE,
            related_information=list(self._story(finding)) if self._with_stories else None,
        )

    def _story(self, finding: Finding) -> Iterator[types.DiagnosticRelatedInformation]:
        steps = [(step.line, step.text) for step in finding.trail]
        if finding.cause is not None:
            steps.append((finding.cause, "what has to be mended first"))
        for line, text in steps:
            content = self._opened.lines[line - 1]
            span = Span(line, len(content) - len(content.lstrip()), line, len(content))
            yield types.DiagnosticRelatedInformation(types.Location(self._uri, self._range(span)), text)

    # --- pages -------------------------------------------------------------------------------------------------------

    def hover(self, position: types.Position) -> types.Hover | None:
        """The pages of the rules whose findings are at a position."""
        here = [one for _, one in self.diagnostics if one.range.start <= position <= one.range.end]
        if not here:
            return None
        pages = [_page(code) for code in dict.fromkeys(str(one.code) for one in here)]
        content = types.MarkupContent(types.MarkupKind.Markdown, "\n\n---\n\n".join(pages))
        return types.Hover(content, here[0].range)

    # --- fixes -------------------------------------------------------------------------------------------------------

    def actions(self, among: types.Range, kinds: list[str] | None) -> Iterator[types.CodeAction]:
        """The fixes of the findings in a range, and all that is safe; ``kinds`` are those that the editor wants."""
        here = [pair for pair in self.diagnostics if pair[1].range.start <= among.end and among.start <= pair[1].range.end]
        if _wants(kinds, types.CodeActionKind.QuickFix):
            for finding, diagnostic in here:
                if mended := self._opened.mended(finding):
                    title = f"Fix {finding.code} here{'' if mended.is_safe else ', unsafe: values or places may change'}"
                    kind = types.CodeActionKind.QuickFix
                    yield types.CodeAction(title, kind, [diagnostic], mended.is_safe, edit=self._edit(mended))
        kind = f"{types.CodeActionKind.SourceFixAll.value}.{SOURCE}"
        # asked for at every move of the cursor, so worked out only where it was asked for, or there is something to fix
        if (kinds or here) and _wants(kinds, kind) and (mended := self._opened.all_mended):
            yield types.CodeAction("Fix all MPS findings that are safe to fix", kind, edit=self._edit(mended))

    def _edit(self, mended: Mended) -> types.WorkspaceEdit:
        return types.WorkspaceEdit({self._uri: list(self._edits(mended.text))})

    def _edits(self, text: str) -> Iterator[types.TextEdit]:
        """What changes, in whole lines."""
        old, ends = lines_of(self._opened.written)
        before, after = _with_ends(old, ends), _with_ends(*lines_of(text))
        for what, first, last, start, end in difflib.SequenceMatcher(None, before, after).get_opcodes():
            if what != "equal":
                span = Span(first + 1, 0, last + 1, 0)
                if last == len(old):  # there is no line behind the last one
                    span = span._replace(end_line=last, end_column=len(old[-1]))
                yield types.TextEdit(self._range(span), "".join(after[start:end]))


def _with_ends(lines: list[str], ends: list[str]) -> list[str]:
    return [line + end for line, end in zip(lines, ends, strict=True)]


def _wants(kinds: list[str] | None, kind: str) -> bool:
    """Whether an editor that asks for these kinds asks for this one: ``source`` is ``source.fixAll`` too."""
    return not kinds or any(kind == wanted or kind.startswith(f"{wanted}.") for wanted in kinds)


def _page(code: str) -> str:
    """The page of a rule, or the line that one of our own codes has."""
    for rule in load_rules():
        if rule.code == code:
            return f"# {rule.heading()}\n\n{rule.documentation()}"
    name, text = OWN_CODES[code]
    return f"# {code} {name}\n\n{text}"

"""The server: what an editor tells and asks, and when a text is read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from .. import __version__
from ..config import Config, ConfigError, forget_projects
from ..imports import forget as forget_imports
from ..source import Unreadable
from .opened import Opened
from .translation import SOURCE, Translation

PAUSE = 0.2  # seconds without a key before a text is read again


class Server(LanguageServer):
    """One editor's server.

    Texts are sent whole: pygls cuts lines at form feeds too when it puts a change into a text, and editors do not.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(SOURCE, __version__, types.TextDocumentSyncKind.Full)
        self._config = config
        self._read: dict[str, Translation] = {}  # of each open text what was found when it last could be parsed
        self._current: set[str] = set()  # the texts that have not changed since
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._said = ""
        kinds = types.CodeActionOptions([types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll])
        features: list[tuple[str, Callable[[Any], Any], Any]] = [
            (types.TEXT_DOCUMENT_DID_OPEN, self._opens, None),
            (types.TEXT_DOCUMENT_DID_CHANGE, self._changes, None),
            (types.TEXT_DOCUMENT_DID_SAVE, self._opens, None),
            (types.TEXT_DOCUMENT_DID_CLOSE, self._closes, None),
            (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, self._project_changes, None),
            (types.TEXT_DOCUMENT_HOVER, self._hover, None),
            (types.TEXT_DOCUMENT_CODE_ACTION, self._actions, kinds),
        ]
        for name, answer, options in features:
            self.feature(name, options)(_as_function(answer))

    # --- what the editor tells ---------------------------------------------------------------------------------------

    def _opens(self, params: types.DidOpenTextDocumentParams | types.DidSaveTextDocumentParams) -> None:
        """A text is opened or saved: by now the files around it may say something else."""
        _forget()
        self._check(params.text_document.uri)

    def _changes(self, params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._current.discard(uri)
        self._stop_waiting(uri)
        self._waiting[uri] = asyncio.get_running_loop().call_later(PAUSE, self._check, uri)

    def _closes(self, params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._stop_waiting(uri)
        self._current.discard(uri)
        self._read.pop(uri, None)
        self._publish(uri, [])

    def _project_changes(self, _: types.DidChangeWatchedFilesParams) -> None:
        _forget()
        for uri in list(self._read):
            self._check(uri)

    # --- what the editor asks ----------------------------------------------------------------------------------------

    def _hover(self, params: types.HoverParams) -> types.Hover | None:
        self._catch_up(params.text_document.uri)
        read = self._read.get(params.text_document.uri)
        return read.hover(params.position) if read else None

    def _actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        self._catch_up(uri)
        if uri not in self._current:  # it does not parse: edits would land anywhere
            return []
        kinds = [getattr(kind, "value", kind) for kind in params.context.only or ()]
        return list(self._read[uri].actions(params.range, kinds or None))

    # --- reading -----------------------------------------------------------------------------------------------------

    def _catch_up(self, uri: str) -> None:
        if uri in self._waiting:
            self._check(uri)

    def _stop_waiting(self, uri: str) -> None:
        if waiting := self._waiting.pop(uri, None):
            waiting.cancel()

    def _check(self, uri: str) -> None:
        """Reads a text and publishes what is found; one that does not parse keeps what was found before."""
        self._stop_waiting(uri)
        document = self.workspace.get_text_document(uri)
        self._current.discard(uri)
        try:
            opened = Opened(document.source, _path(uri), self._config)
        except Unreadable:
            return
        except ConfigError as error:
            self._say(str(error))
            return
        self._said = ""
        stories = get_capability(self.client_capabilities, "text_document.publish_diagnostics.related_information", False)
        self._read[uri] = Translation(opened, uri, self.workspace.position_codec, bool(stories))
        self._current.add(uri)
        self._publish(uri, [diagnostic for _, diagnostic in self._read[uri].diagnostics], document.version)

    def _publish(self, uri: str, diagnostics: list[types.Diagnostic], version: int | None = None) -> None:
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    def _say(self, message: str) -> None:
        """Tells what is wrong with a project, once until it is right again."""
        if message != self._said:
            self._said = message
            self.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"{SOURCE}: {message}"))


def _path(uri: str) -> str:
    """The path of a text; one that was never saved belongs to no project."""
    return (to_fs_path(uri) if uri.startswith("file:") else None) or "<unknown>"


def _forget() -> None:
    forget_projects()
    forget_imports()


def _as_function(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """pygls marks what it calls, and a bound method cannot be marked."""
    return lambda params: method(params)

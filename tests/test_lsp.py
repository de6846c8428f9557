"""The language server, driven over its standard input and output by pygls' own client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from flake8_mps import cli
from flake8_mps.lsp import server
from flake8_mps.rule import load_rules

CUDA = "import torch\nx = torch.zeros(2).cuda()\n"
LOADS = """\
import torch
m = torch.nn.Linear(2, 2)
s = "🍎"; m.load_state_dict(torch.load("🍎"))
m.load_state_dict(torch.load("b"))
"""
LONGEST = 30  # seconds that an answer may take on a busy machine


class Editor:
    """What an editor does with one file."""

    def __init__(self, client: LanguageClient, path: Path) -> None:
        self.client = client
        self.path, self.uri = path, path.as_uri()
        self.text, self.version = "", 0
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: asyncio.Queue[types.ShowMessageParams] = asyncio.Queue()
        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: self.published.put_nowait(params))
        client.feature(types.WINDOW_SHOW_MESSAGE)(lambda params: self.messages.put_nowait(params))

    async def opens(self, text: str) -> list[types.Diagnostic]:
        self.text = text
        item = types.TextDocumentItem(self.uri, "python", 0, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.told()

    def types(self, text: str) -> None:
        self.text, self.version = text, self.version + 1
        identifier = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))

    def saves(self) -> None:
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(self.identifier))

    async def told(self) -> list[types.Diagnostic]:
        """The diagnostics that come next."""
        return list((await asyncio.wait_for(self.published.get(), LONGEST)).diagnostics)

    @property
    def identifier(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    async def hovers(self, line: int, character: int) -> types.Hover | None:
        place = types.Position(line, character)
        return await self.client.text_document_hover_async(types.HoverParams(self.identifier, place))

    async def actions(self, among: types.Range, *only: str) -> list[types.CodeAction]:
        context = types.CodeActionContext([], only=list(only) or None)
        params = types.CodeActionParams(self.identifier, among, context)
        return list(await self.client.text_document_code_action_async(params) or [])

    def after(self, action: types.CodeAction) -> str:
        """The text with an action's edits made as an editor makes them, by UTF-16 units."""
        units = self.text.encode("utf-16-le")
        lines = [line.encode("utf-16-le") for line in self.text.split("\n")]
        starts = [sum(len(line) + 2 for line in lines[:number]) for number in range(len(lines))]

        def at(place: types.Position) -> int:
            assert 2 * place.character <= len(lines[place.line])
            return starts[place.line] + 2 * place.character

        assert action.edit and action.edit.changes
        for edit in sorted(action.edit.changes[self.uri], key=lambda edit: at(edit.range.start), reverse=True):
            units = units[: at(edit.range.start)] + edit.new_text.encode("utf-16-le") + units[at(edit.range.end) :]
        return units.decode("utf-16-le")


def session(
    path: Path, plot: Callable[[Editor], Awaitable[Any]], *options: str, capabilities: types.ClientCapabilities | None = None
) -> None:
    """Starts a server, lets an editor do something with a file, and ends the server as editors do."""

    async def run() -> None:
        client = LanguageClient("test", "1")
        editor = Editor(client, path)
        await client.start_io(sys.executable, "-m", "flake8_mps", "lsp", *options)
        params = types.InitializeParams(capabilities or types.ClientCapabilities(), root_uri=path.parent.as_uri())
        await asyncio.wait_for(client.initialize_async(params), LONGEST)
        client.initialized(types.InitializedParams())
        await plot(editor)
        await asyncio.wait_for(client.shutdown_async(None), LONGEST)
        client.exit(None)
        await asyncio.wait_for(client.stop(), LONGEST)

    asyncio.run(run())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()  # the project ends here
    return tmp_path / "train.py"


def span(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


# --- diagnostics -----------------------------------------------------------------------------------------------------


def test_findings_come_when_opened_and_while_typing(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        (found,) = await editor.opens(CUDA)
        assert (found.code, found.source, found.range) == ("MPS102", "flake8-mps", span(1, 19, 23))
        assert found.severity is types.DiagnosticSeverity.Error and ".to(device)" in found.message
        editor.types(CUDA + "x.pin_memory()\n")
        assert [(one.code, one.severity) for one in await editor.told()] == [
            ("MPS102", types.DiagnosticSeverity.Error), ("MPS701", types.DiagnosticSeverity.Warning)
        ]
        editor.types("import torch\n")
        assert await editor.told() == []
        editor.types(CUDA)
        editor.saves()
        assert len(await editor.told()) == 1

    session(file, plot)


def test_a_text_that_does_not_parse_keeps_the_last_findings(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        assert len(await editor.opens(CUDA)) == 1
        editor.types(CUDA + "print(")
        assert await editor.actions(span(1, 0, 23)) == []
        page = await editor.hovers(1, 20)
        assert page is not None
        assert editor.published.empty()
        editor.types(CUDA + "print()\n" + "x.cuda()\n")
        assert len(await editor.told()) == 2

    session(file, plot)


def test_closing_takes_the_findings_away(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        await editor.opens(CUDA)
        editor.types(CUDA + "y = x.cuda()\n")
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(editor.identifier))
        assert await editor.told() == []
        await asyncio.sleep(2 * server.PAUSE)
        assert editor.published.empty()

    session(file, plot)


@pytest.mark.parametrize(
    ("encoding", "column"),
    [(None, 29), (types.PositionEncodingKind.Utf8, 31), (types.PositionEncodingKind.Utf32, 28)],
)
def test_columns_behind_an_emoji_are_in_the_units_of_the_editor(
    encoding: types.PositionEncodingKind | None, column: int, file: Path
) -> None:
    async def plot(editor: Editor) -> None:
        (found,) = await editor.opens('import torch\ns = "🍎"; x = torch.zeros(2).cuda()\n')
        assert found.range == span(1, column, column + 4)
        assert await editor.hovers(1, column + 4) is not None
        assert await editor.hovers(1, column - 1) is None

    general = types.GeneralClientCapabilities(position_encodings=[encoding]) if encoding else None
    session(file, plot, capabilities=types.ClientCapabilities(general=general))


def test_the_story_of_a_value_is_beside_the_message_where_editors_show_it(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        (found,) = await editor.opens(text)
        (story, *_) = found.related_information or ()
        assert (story.location.range, story.message) == (span(3, 0, 24), "float64 from np.linspace")

    text = 'import numpy as np\nimport torch\nd = torch.device("mps")\na = np.linspace(0, 1, 3)\nx = torch.from_numpy(a).to(d)\n'
    shows = types.PublishDiagnosticsClientCapabilities(related_information=True)
    document = types.TextDocumentClientCapabilities(publish_diagnostics=shows)
    session(file, plot, capabilities=types.ClientCapabilities(text_document=document))


# --- options, the project, noqa --------------------------------------------------------------------------------------


def test_noqa_is_honoured(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        assert await editor.opens(CUDA.replace("cuda()", "cuda()  # noqa: MPS102 (the CI has CUDA)")) == []

    session(file, plot)


def test_options_of_the_command_are_honoured(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        assert [one.code for one in await editor.opens(CUDA + "x.pin_memory()\n")] == ["MPS701"]

    session(file, plot, "--ignore", "MPS102", "--stdio")


def test_the_project_is_honoured_and_read_again(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        table = file.parent / "pyproject.toml"
        table.write_text('[tool.flake8-mps]\nignore = ["MPS1"]\n', encoding="utf-8")
        assert await editor.opens(CUDA) == []
        table.write_text("[tool.flake8-mps]\n", encoding="utf-8")
        editor.saves()
        assert len(await editor.told()) == 1
        table.write_text('[tool.flake8-mps]\nlevel = "loud"\n', encoding="utf-8")
        editor.saves()
        message = await asyncio.wait_for(editor.messages.get(), LONGEST)
        assert "pyproject.toml: [tool.flake8-mps] level: 'loud'" in message.message
        table.write_text('[tool.flake8-mps]\nexclude = ["train.py"]\n', encoding="utf-8")
        editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([]))
        assert await editor.told() == []

    session(file, plot)


# --- pages and fixes -------------------------------------------------------------------------------------------------


def test_a_finding_shows_the_page_of_its_rule(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        await editor.opens(CUDA)
        page = await editor.hovers(1, 20)
        assert page is not None and isinstance(page.contents, types.MarkupContent)
        assert page.contents.kind is types.MarkupKind.Markdown and page.range == span(1, 19, 23)
        rule = next(rule for rule in load_rules() if rule.code == "MPS102")
        assert page.contents.value == f"# MPS102 cuda-method (error, as written)\n\n{rule.documentation()}"
        assert await editor.hovers(0, 2) is None

    session(file, plot)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_finding_is_fixed_and_the_others_stay(end: str, file: Path) -> None:
    async def plot(editor: Editor) -> None:
        (found, _) = await editor.opens(text)
        (fix,) = await editor.actions(found.range, "quickfix")
        assert (fix.title, fix.is_preferred, list(fix.diagnostics or ())) == ("Fix MPS201 here", True, [found])
        assert editor.after(fix) == text.replace('("🍎")', '("🍎", map_location="cpu")')
        assert await editor.actions(span(0, 0, 3)) == []

    text = LOADS.rstrip("\n").replace("\n", end)
    session(file, plot)


def test_all_that_is_safe_is_fixed_at_once(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        (found, _) = await editor.opens(LOADS)
        (fix,) = await editor.actions(span(0, 0, 0), "source.fixAll")
        assert fix.kind == "source.fixAll.flake8-mps"
        assert editor.after(fix) == LOADS.replace('")', '", map_location="cpu")')
        both = await editor.actions(found.range)
        assert [one.kind for one in both] == ["quickfix", fix.kind]
        assert await editor.actions(found.range, "refactor") == []

    session(file, plot)


def test_an_unsafe_fix_says_so_and_is_not_preferred(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        (found,) = await editor.opens('import torch\n\nstate = torch.load("a", map_location="cuda")\n')
        (fix,) = await editor.actions(found.range)
        assert (fix.title, fix.is_preferred) == ("Fix MPS202 here, unsafe: values or places may change", False)
        assert "map_location=device)" in editor.after(fix)

    session(file, plot)


def test_a_fix_is_of_the_text_as_it_is_now(file: Path) -> None:
    async def plot(editor: Editor) -> None:
        await editor.opens(CUDA)
        editor.types("# coding: latin-1\n" + LOADS)
        (fix,) = await editor.actions(span(3, 0, 90), "quickfix")
        assert editor.after(fix) == editor.text.replace('("🍎")', '("🍎", map_location="cpu")')

    session(file, plot)


def test_without_pygls_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "flake8_mps.lsp.server")
    monkeypatch.setitem(sys.modules, "pygls.lsp.server", None)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["lsp"])
    assert "pip install 'flake8-mps[lsp]'" in capsys.readouterr().err

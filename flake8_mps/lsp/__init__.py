"""A language server: findings, the pages of rules and fixes in an editor, while people type.

    editor ──server (pygls)──> Opened: text, findings, fixes ──translation──> what the protocol calls them

``opened`` knows nothing of the protocol. ``serve`` runs until the editor ends it.
"""

from __future__ import annotations

from ..config import Config

__all__ = ["serve"]


def serve(config: Config) -> None:
    """Speaks the Language Server Protocol on standard input and output. Raises ImportError without pygls."""
    from .server import Server

    Server(config).start_io()

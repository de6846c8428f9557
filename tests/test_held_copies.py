"""MPS407 warns where a copy may be overtaken, and hints where what is copied to the device stays where it was."""

from __future__ import annotations

import ast

import pytest

from flake8_mps.config import Config
from flake8_mps.finding import Severity
from flake8_mps.linter import lint
from flake8_mps.source import Source

HELD = [
    "return self.frames[index].to(self.device, non_blocking=True)",
    "frame = self.frames.get(index)\n        return frame.to(self.device, non_blocking=True)",
    "for name, frame in self.frames.items():\n            self.moved[name] = frame.to(self.device, non_blocking=True)",
    "for pair in pairs:\n            self.moved.append(pair['frame'].to(self.device, non_blocking=True))",
    "return self.start.reshape(1, -1).expand(2, -1).to(device=self.device, non_blocking=True)",
]
OVERTAKEN = [
    "self.frames = self.frames.to(self.device, non_blocking=True)",
    "return self.frames[index].to('cpu', non_blocking=True)",
    "return torch.ones(index).to(self.device, non_blocking=True)",
    "return self.encoder(index).to(self.device, non_blocking=True)",
    "index = index.to(self.device, non_blocking=True)\n        return index.squeeze(0)",
    "for images, labels in self.loader:\n            yield images.to(self.device, non_blocking=True)",
    "for batch in loader:\n            yield batch['image'].to(self.device, non_blocking=True)",
]


def severities(body: str) -> list[Severity]:
    text = f"import torch\n\nclass Video:\n    def get(self, index, loader, pairs: list[dict]):\n        {body}\n"
    found = lint(Source(text, ast.parse(text), "example.py"), Config(level=Severity.INFO))
    return [finding.severity for finding in found if finding.code == "MPS407"]


@pytest.mark.parametrize("body", HELD)
def test_what_is_held_is_there_to_be_read(body: str) -> None:
    assert severities(body) == [Severity.INFO]


@pytest.mark.parametrize("body", OVERTAKEN)
def test_what_nobody_holds_may_be_gone(body: str) -> None:
    assert severities(body) == [Severity.WARNING]

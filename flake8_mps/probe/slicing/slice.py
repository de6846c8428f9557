"""A slice: the text of a program, where the flagged piece is in it, and what was made up to complete it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from ...finding import Span
from ...source import Source


class CannotSlice(Exception):
    """No complete program can be made; the message says what is missing."""


@dataclass(frozen=True)
class Made:
    """One made input: its name, the expression that makes it, and the assumption a verdict rests on, if it rests on it."""

    name: str
    expression: str
    assumption: str = ""


@dataclass(frozen=True)
class Slice:
    """A complete program; ``lines`` gives for each of its lines the line of the file it stands for, 0 for none."""

    text: str
    flagged: Span
    lines: tuple[int, ...]
    made: tuple[Made, ...] = ()
    checkpoints: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    complete: bool = False  # all that stands before the flagged piece is in it

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What has to be true for a verdict on this program to hold for the file."""
        return (*(one.assumption for one in self.made if one.assumption), *self.conditions)

    @property
    def argv(self) -> tuple[str, ...]:
        """What the program's argparse wants: positional arguments, and options that are required."""
        given: list[str] = []
        for call in ast.walk(ast.parse(self.text)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument" and call.args:
                given += _argument(call)
        return tuple(given)

    @property
    def setup(self) -> str:
        """The program that makes its files, on a machine with CUDA."""
        paths = [*self.checkpoints, *(word for word in self.argv if word.endswith(".pth"))]
        return _CHECKPOINTS.format(paths=paths) if paths else ""


_CHECKPOINTS = """
import os
import torch

for path in {paths}:
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    weights = {{"weight": torch.zeros(2, 2, device="cuda"), "bias": torch.zeros(2, device="cuda")}}
    names = ("model", "state_dict", "model_state_dict", "net", "ema", "optimizer")
    torch.save({{**weights, **{{name: dict(weights) for name in names}}, "epoch": 1, "args": {{}}}}, path)
"""


def _argument(call: ast.Call) -> list[str]:
    """The words that one argument of a command line needs; none for an option that may be left out."""
    names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    more = {one.arg: one.value for one in call.keywords}
    option = bool(names) and names[0].startswith("-")
    if not names or option and not (isinstance(more.get("required"), ast.Constant) and more["required"].value):
        return []
    if isinstance(choices := more.get("choices"), (ast.List, ast.Tuple)) and choices.elts:
        word = str(getattr(choices.elts[0], "value", "made"))
    else:
        word = {"int": "2", "float": "0.5"}.get(ast.unparse(more["type"]) if "type" in more else "", "made.pth")
    count = getattr(more.get("nargs"), "value", 1)
    words = [word] * (count if isinstance(count, int) else 0 if count in ("?", "*") else 1)
    return [names[-1], *words] if option else words


@dataclass
class Writer:
    """Puts a slice together: made inputs with their comments, and statements with the lines they come from."""

    flagged: ast.AST
    text: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    place: Span | None = None

    def made(self, one: Made) -> None:
        self.text.append(f"{one.name} = {one.expression}  # made{': ' + one.assumption if one.assumption else ''}")
        self.lines.append(0)

    def statement(self, node: ast.stmt) -> None:
        """Writes a statement, and finds the flagged expression in what was written: both trees have the same shape."""
        piece = ast.unparse(node)
        written = ast.parse(piece)
        source = Source(piece, written, "slice.py")
        for old, new in zip(ast.walk(ast.Module([node], [])), ast.walk(written)):
            if old is self.flagged:
                line, column, end_line, end_column = source.span(new)
                self.place = Span(line + len(self.text), column, end_line + len(self.text), end_column)
        numbers = dict.fromkeys(range(1, piece.count("\n") + 2), 0)
        for old, new in zip(ast.walk(ast.Module([node], [])), ast.walk(written)):
            if hasattr(new, "lineno") and hasattr(old, "lineno") and not numbers[new.lineno]:
                numbers[new.lineno] = old.lineno
        self.text += piece.split("\n")
        self.lines += numbers.values()

    def slice(self, made: list[Made], checkpoints: list[str], conditions: list[str], files: dict[str, str]) -> Slice:
        """What was written. Raises CannotSlice when the flagged piece is not in it."""
        if self.place is None:
            raise CannotSlice("the flagged expression is not among the statements that can run")
        return Slice(
            "\n".join(self.text) + "\n", self.place, tuple(self.lines), tuple(made), tuple(checkpoints), tuple(conditions),
            tuple(files.items()),
        )

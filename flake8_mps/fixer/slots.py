"""Slots filled in: what the new text calls torch and the device at hand, and what has to be brought into the file for it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from ..config import Config
from ..finding import ANY_GPU, CHOICE, CHOICE_TYPE, DEVICE, DEVICE_TYPE, NN, TORCH, Edit, Fix, Safety, Span
from ..source import Source
from .scopes import AtHand, Scopes

_ACCELERATOR_SINCE = (2, 6)  # torch.accelerator
_CUDA, _MPS = f"{TORCH}.cuda.is_available()", f"{TORCH}.backends.mps.is_available()"
_QUOTES = re.compile(r"""('{3}|"{3}|['"])(?:[^'"\\\n]|\\.)*?\1""")
_TYPES = f'"cuda" if {_CUDA} else "mps" if {_MPS} else "cpu"'
_ACCELERATOR, _IS_THERE = f"{TORCH}.accelerator.current_accelerator()", f"{TORCH}.accelerator.is_available()"

_WITH_ACCELERATOR = {
    # Built with CUDA, current_accelerator() gives CUDA on a machine without a GPU too (torch/accelerator/__init__.py, 2.13).
    CHOICE: f'{_ACCELERATOR} if {_IS_THERE} else {TORCH}.device("cpu")',
    CHOICE_TYPE: _TYPES,
    ANY_GPU: _IS_THERE,
}
_WITHOUT = {CHOICE: f"{TORCH}.device({_TYPES})", CHOICE_TYPE: _TYPES, ANY_GPU: f"({_CUDA} or {_MPS})"}


class Ready(NamedTuple):
    """A fix with every slot filled in, and what it wants brought into the file: imports, and a device of the module."""

    fix: Fix
    imports: frozenset[str]
    device: str | None


class Slots:
    """What fills the slots of one file's fixes."""

    def __init__(self, source: Source, config: Config) -> None:
        self._source = source
        self._scopes = Scopes(source)
        newer = (config.oldest_torch or _ACCELERATOR_SINCE) >= _ACCELERATOR_SINCE
        self._choices = _WITH_ACCELERATOR if newer else _WITHOUT
        self._new: str | None = None

    def prepare(self, fixes: Iterable[Fix]) -> None:
        """Settles the name of a device of the module, one for all who have none at hand."""
        places = [edit.span[:2] for fix in fixes for edit in fix.edits if DEVICE in edit.text or DEVICE_TYPE in edit.text]
        self._new = self._scopes.new_name(places)

    def fill(self, fix: Fix) -> Ready:
        imports, device = set(fix.imports), None
        edits = []
        for edit in fix.edits:
            text, wants_device, named = self._filled(edit, fix.near)
            safety = fix.safety if named is None or named.chosen else min(fix.safety, Safety.UNSAFE)
            fix = replace(fix, safety=safety)
            device = device or wants_device
            if TORCH in text or NN in text:
                text, missing = self._modules(text, *edit.span[:2])
                imports |= missing
            edits.append(Edit(edit.span, self._quoted(text)))
        return Ready(replace(fix, edits=tuple(edits)), frozenset(imports), device)

    def _quoted(self, text: str) -> str:
        """New text in the quotes that the file uses."""
        return text.replace('"', "'") if self._single and "'" not in text and "\\" not in text else text

    @cached_property
    def _single(self) -> bool:
        """True where most short texts of the file stand in single quotes."""
        short = [word for word in _QUOTES.findall(self._source.text) if len(word) == 1]
        return short.count("'") > short.count('"')

    def _filled(self, edit: Edit, near: str) -> tuple[str, str | None, AtHand | None]:
        text, new, at_hand = edit.text, None, None
        for slot, choice in self._choices.items():
            text = text.replace(slot, choice)
        if DEVICE in text or DEVICE_TYPE in text:
            at_hand = AtHand(near, True, False) if near else self._scopes.device(*edit.span[:2])
            if at_hand is None:
                new, at_hand = self._new, AtHand(self._new or "device", True, True)
            kind = f"{at_hand.text}.type" if at_hand.is_device else f"{TORCH}.device({at_hand.text}).type"
            text = text.replace(DEVICE_TYPE, kind).replace(DEVICE, at_hand.text)
        return text, new, at_hand

    def _modules(self, text: str, line: int, column: int) -> tuple[str, set[str]]:
        missing = set()
        nn = self._scopes.module_name("torch.nn", line, column)
        text = text.replace(NN, nn or f"{TORCH}.nn")
        torch = self._scopes.module_name("torch", line, column)
        if TORCH in text and (torch is None or not torch.isidentifier()):
            torch = "torch"
            missing.add("torch")
        return text.replace(TORCH, torch or ""), missing

    # --- what is brought into the file -------------------------------------------------------------------------------

    def brought(self, imports: Iterable[str], device: str | None, first: int) -> list[Edit]:
        """The edits that bring modules, and a device of the module, into the file, above its ``first`` line to use them."""
        wanted = {name for name in imports if self._scopes.module_name(name, 1, 0) != name}
        if device is not None and not (torch := self._scopes.module_name("torch", 1, 0) or "").isidentifier():
            wanted, torch = wanted | {"torch"}, "torch"
        block = _imports(self._source.tree, first)
        edits: dict[Span, str] = {}
        for name in sorted(wanted):
            span, text = self._import(name, block)
            edits[span] = edits.get(span, "") + text
        if device is not None:
            last = max((one.end_lineno or 0 for one in (*block, *_tried(self._source.tree, first))), default=0)
            line = last or _behind_docstring(self._source.tree)
            follows = self._source.lines[line : line + 1]
            apart = "\n" if follows and follows[0].strip() else ""
            span, chosen = self._end_of(line), self._quoted(self._choices[CHOICE].replace(TORCH, torch))
            edits[span] = edits.get(span, "") + f"\n\n{device} = {chosen}{apart}"
        return [Edit(span, text) for span, text in edits.items()]

    def _import(self, name: str, block: list[ast.stmt]) -> tuple[Span, str]:
        """Where an import belongs, among those of whole modules in the first group that has any, by the alphabet."""
        plain = [one for one in block if isinstance(one, ast.Import)]
        if name not in sys.stdlib_module_names:
            first = next((one for one in block if _of_torch(one)), None)
            if first is not None:
                return Span(first.lineno, 0, first.lineno, 0), f"import {name}\n"
            plain = [one for one in plain if one.names[0].name.partition(".")[0] not in sys.stdlib_module_names] or block[-1:]
        pairs = zip(plain, [None, *plain], strict=False)
        close = takewhile(lambda pair: pair[1] is None or _is_close(self._source, pair[1], pair[0]), pairs)
        group = [one for one, _ in close]
        own = name in sys.stdlib_module_names
        after = (lambda one: one > name or own and one.partition(".")[0] not in sys.stdlib_module_names)
        later = next((one for one in group if isinstance(one, ast.Import) and after(one.names[0].name)), None)
        if later is not None and later.lineno == later.end_lineno:
            return Span(later.lineno, 0, later.lineno, 0), f"import {name}\n"
        last = (group or [None])[-1]
        if last is None and block:
            first_line = block[0].lineno
            return Span(first_line, 0, first_line, 0), f"import {name}\n\n"
        line = last.end_lineno if last is not None else _behind_docstring(self._source.tree)
        apart = "\n" if last is not None and not own and _root(last) in sys.stdlib_module_names else ""
        return (self._end_of(line), f"\n{apart}import {name}") if line else (Span(1, 0, 1, 0), f"import {name}\n\n")

    def _end_of(self, line: int) -> Span:
        end = len(self._source.lines[line - 1]) if line else 0
        return Span(max(line, 1), end, max(line, 1), end)


def _imports(tree: ast.Module, first: int) -> list[ast.stmt]:
    """The import statements at the top of the file, above its first function, class or line, without those of the future."""
    found: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or statement.lineno >= first:
            break
        if isinstance(statement, (ast.Import, ast.ImportFrom)) and getattr(statement, "module", "") != "__future__":
            found.append(statement)
    return found


def _tried(tree: ast.Module, first: int) -> list[ast.stmt]:
    """``try: import torch`` and the like."""
    blocks = [one for one in tree.body if isinstance(one, (ast.Try, ast.If)) and (one.end_lineno or 0) < first]
    return [one for one in blocks if any(isinstance(inner, ast.Import) and _of_torch(inner) for inner in one.body)]


def _of_torch(node: ast.stmt) -> bool:
    return _root(node) == "torch"


def _root(node: ast.stmt) -> str:
    """The package that an import takes from."""
    name = node.names[0].name if isinstance(node, ast.Import) else getattr(node, "module", "") or ""
    return name.partition(".")[0]


def _is_close(source: Source, one: ast.stmt, other: ast.stmt) -> bool:
    """True for imports with no empty line between them."""
    return all(line.strip() for line in source.lines[one.end_lineno : other.lineno - 1])


def _behind_docstring(tree: ast.Module) -> int:
    """The last line of what has to come first in a file: its docstring and imports of the future; 0 for neither."""
    line = 0
    for number, statement in enumerate(tree.body):
        docstring = not number and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if docstring or isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            line = statement.end_lineno or 0
    return line

"""What names are given anywhere in a file, found in one pass for all who ask."""

from __future__ import annotations

import ast
from collections import Counter

from ..source import Source


class Bindings:
    """The bindings of one file by name, whatever their scope."""

    def __init__(self, source: Source) -> None:
        self._values: dict[str, list[ast.expr]] = {}  # by assignments and as defaults
        self._single: dict[str, ast.expr] = {}  # by the last assignment to one name alone
        self._assigned: Counter[str] = Counter()
        self._stored: Counter[str] = Counter()
        self._bound: Counter[str] = Counter()  # stored, deleted, or a parameter
        for node in source.nodes(ast.Name):
            if not isinstance(node.ctx, ast.Load):
                self._bound[node.id] += 1
                self._stored[node.id] += isinstance(node.ctx, ast.Store)
        for parameter in source.nodes(ast.arg):
            self._bound[parameter.arg] += 1
        for assignment in source.nodes(ast.Assign):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    self._assigned[target.id] += 1
                    self._values.setdefault(target.id, []).append(assignment.value)
                    if len(assignment.targets) == 1:
                        self._single[target.id] = assignment.value
        for signature in source.nodes(ast.arguments):
            positional = reversed([*signature.posonlyargs, *signature.args])
            pairs = [*zip(positional, reversed(signature.defaults)), *zip(signature.kwonlyargs, signature.kw_defaults)]
            for parameter, default in pairs:
                if default is not None:
                    self._values.setdefault(parameter.arg, []).append(default)

    def values(self, name: str) -> list[ast.expr]:
        """What a name is given by assignments and as a default; nothing if a loop or an unpacking binds it as well."""
        return self._values.get(name, []) if self._stored[name] == self._assigned[name] else []

    def only(self, name: ast.Name) -> ast.expr | None:
        """The value of a name that is bound once, by a plain assignment; one that is never bound is itself."""
        if name.id not in self._bound:
            return name
        return self._single.get(name.id) if self._bound[name.id] == 1 else None

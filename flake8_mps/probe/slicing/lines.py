"""The straight line to an expression: of the statements before it, in its function and around that, those it needs.

A name that only a missing package or an unknown caller gives is made, if enough is known of it. Conditions stay where they
ask for the machine; others are taken as met, and said to be.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Iterator

from ...source import Source
from . import made, names
from .slice import CannotSlice, Made, Slice, Writer

_MACHINE = ("cuda", "mps", "accelerator", "is_available", "platform", "device", "__name__")
_DEEPEST = 60


def straight_lines(source: Source, flagged: ast.expr, others: frozenset[int]) -> Iterator[Slice]:
    """The program that runs the statement of the flagged expression, then the one that evaluates that alone: the statement
    may need more than can be made. ``others`` are lines that fail for a reason of their own. Raises CannotSlice."""
    reason: CannotSlice | None = None
    for whole_statement in (True, False):
        try:
            yield Gathering(source, flagged, others).straight_line(whole_statement)
        except CannotSlice as trouble:
            reason = trouble
    if reason is not None:
        raise reason


class Gathering:
    """Gathers the statements of a program, backwards from what it has to run."""

    def __init__(self, source: Source, flagged: ast.expr, others: frozenset[int]) -> None:
        self.source, self.flagged, self.others = source, flagged, others
        self.parents = {child: node for node in ast.walk(source.tree) for child in ast.iter_child_nodes(node)}
        self.made: dict[str, Made] = {}
        self.conditions: list[str] = []
        self.body: list[ast.stmt] = []
        self.troubles: dict[str, str] = {}
        self._known: dict[ast.stmt, str | None] = {}

    def straight_line(self, whole_statement: bool) -> Slice:
        """The program of the statements that the flagged expression needs, without the functions around it."""
        node: ast.AST = self._statement(self.flagged) if whole_statement else self._whole(self.flagged)
        body: list[ast.stmt] = [_to_run(node)]
        needed = names.read(body[0])
        while not isinstance(node, ast.Module):
            self.body = body
            body, needed = self._outwards(node, around := self.parents[node], body, needed)
            node = around
        return self.finished(body, needed)

    def finished(self, body: list[ast.stmt], needed: set[str]) -> Slice:
        """The program that runs these statements, with all that they need."""
        self.body = body
        top = self._from_the_top(needed, body)
        writer = Writer(self.flagged)
        order = {statement: number for number, statement in enumerate(self.source.tree.body)}
        whole = sorted([*top, *body], key=lambda one: order.get(one, len(order)))
        imports = [one for one in whole if isinstance(one, (ast.Import, ast.ImportFrom))]
        for statement in imports:
            writer.statement(statement)
        for module in ("torch", "numpy", "types"):
            if any(f"{module}." in one.expression for one in self.made.values()):
                if not any(isinstance(one, ast.Import) and any(a.name == module and not a.asname for a in one.names) for one in imports):
                    writer.statement(ast.parse(f"import {module}").body[0])
        for one in self.made.values():
            writer.made(one)
        for statement in (one for one in whole if one not in imports):
            writer.statement(statement)
        paths = [made.CHECKPOINT] if any(made.CHECKPOINT in one.expression for one in self.made.values()) else []
        return writer.slice(list(self.made.values()), [*paths, *_checkpoints(whole)], self.conditions, self._siblings(imports))

    def _siblings(self, imports: list[ast.stmt]) -> dict[str, str]:
        """The modules beside the file, if the program imports one."""
        if not any(names.beside(self.source.path, one) for one in imports):
            return {}
        return names.modules_beside(self.source.path)

    # --- from the expression to its scope --------------------------------------------------------------------------

    def _statement(self, node: ast.AST) -> ast.stmt:
        """The simple statement that an expression stands in. Raises CannotSlice for one that holds other statements."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        if not isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Assert)):
            raise CannotSlice("it is in a statement with others inside")
        return node

    def _whole(self, node: ast.expr) -> ast.expr:
        """The expression with all that binds names for it: comprehensions and lambdas around it."""
        whole: ast.AST = node
        around: ast.AST = node
        while isinstance(around := self.parents[around], (ast.expr, ast.comprehension, ast.keyword)):
            if isinstance(around, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                whole = around
            elif isinstance(around, ast.Lambda):
                raise CannotSlice("it is in a lambda, and nobody knows who calls it")
        return whole  # type: ignore[return-value]

    def _outwards(
        self, node: ast.AST, around: ast.AST, body: list[ast.stmt], needed: set[str],
    ) -> tuple[list[ast.stmt], set[str]]:
        """The statements for what stands around a node, and the names they need: one step out."""
        if isinstance(around, (ast.expr, ast.keyword, ast.comprehension, ast.withitem, ast.arguments)):
            return body, needed
        block = next((block for block in _blocks(around) if node in block), None)
        if block is not None:
            body, needed = self._before(block[: block.index(node)], body, needed)  # type: ignore[arg-type]
            self.body = body
        if isinstance(around, (ast.If, ast.While)) and block is not None:
            return self._under(around.test, block is around.orelse, body, needed)
        if isinstance(around, (ast.For, ast.AsyncFor)) and block is around.body and needed & names.bound(around.target):
            loop = ast.For(around.target, around.iter, [*body, ast.Break()], [])
            return [ast.copy_location(loop, around)], (needed - names.bound(around.target)) | names.read(around.iter)
        if isinstance(around, ast.With) and block is not None:
            return [ast.copy_location(ast.With(around.items, body), around)], needed - names.bound(around) | set().union(
                *(names.read(item.context_expr) for item in around.items))
        if isinstance(around, names.FUNCTIONS):
            return body, self._parameters(around, needed)
        return body, needed

    def _under(self, test: ast.expr, otherwise: bool, body: list[ast.stmt], needed: set[str]) -> tuple[list[ast.stmt], set[str]]:
        """A condition that asks for the machine stays; another is said to hold."""
        text = ast.unparse(test)
        if any(word in text for word in _MACHINE):
            test = ast.UnaryOp(ast.Not(), test) if otherwise else test
            return [ast.copy_location(ast.If(test, body, []), body[0])], needed | names.read(test)
        self.conditions.append(f"{'not ' if otherwise else ''}({text})" if otherwise else text)
        return body, needed

    def _before(self, block: list[ast.stmt], body: list[ast.stmt], needed: set[str]) -> tuple[list[ast.stmt], set[str]]:
        """What of the statements before is needed, from the last to the first."""
        for statement in reversed(block):
            if isinstance(statement, ast.If) and _leaves(statement) and _asks_for_the_machine(statement.test):
                left = ast.If(statement.test, [ast.copy_location(ast.Raise(ast.Name("SystemExit", ast.Load())), statement)], [])
                body, needed = [ast.copy_location(left, statement), *body], needed | names.read(statement.test)
                continue
            if isinstance(statement, (ast.Return, ast.Raise)) or not (names.bound(statement) | self._changed(statement)) & needed:
                continue
            if (trouble := self._trouble(statement)) is not None:  # what it binds is made, if anything is known of it
                self.troubles.update(dict.fromkeys(names.bound(statement), trouble))
                continue
            if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                needed = needed - names.bound(statement)
            statement = _narrowed(statement, needed | names.bound(statement))
            body, needed = [statement, *body], needed | names.read(statement)
        return body, needed

    def _changed(self, statement: ast.stmt) -> set[str]:
        """The names whose objects a statement may change; modules that the file imports are none."""
        return {name for name in names.changed(statement) if not any(
            isinstance(giver, (ast.Import, ast.ImportFrom)) for giver in self._givers(name))}

    def _trouble(self, statement: ast.stmt, deep: int = 0) -> str | None:
        """Why a statement cannot run here: a package that is missing behind one of its names, a wait, a yield."""
        if any(isinstance(part, (ast.Await, ast.Yield, ast.YieldFrom)) for part in ast.walk(statement)) and not isinstance(
            statement, (ast.FunctionDef, ast.ClassDef)
        ):
            return "it waits for others"
        if statement.lineno in self.others and not isinstance(statement, names.SCOPES):
            return f"line {statement.lineno} fails before"
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            missing = names.missing_package(statement, self.source.path)
            return f"missing package {missing}" if missing else None
        if deep > _DEEPEST:
            return "it needs too much"
        for name in names.read(statement):
            for giver in self._givers(name):
                if giver is not statement and (trouble := self._cached(giver, deep + 1)):
                    return trouble
        return None

    def _cached(self, statement: ast.stmt, deep: int) -> str | None:
        if statement not in self._known:
            self._known[statement] = None  # what needs itself has no trouble by that
            self._known[statement] = self._trouble(statement, deep)
        return self._known[statement]

    def _givers(self, name: str) -> list[ast.stmt]:
        """The statements at the top of the file that bind a name."""
        return self.tops.get(name, [])

    @functools.cached_property
    def tops(self) -> dict[str, list[ast.stmt]]:
        """The statements at the top of the file that bind each name."""
        found: dict[str, list[ast.stmt]] = {}
        body = self.source.tree.body
        around = next((one for one in body if any(part is self.flagged for part in ast.walk(one))), None)
        later = [] if around is None or isinstance(around, names.SCOPES) else body[body.index(around):]
        for statement in (one for one in body if one not in later):
            for name in names.bound(statement):
                found.setdefault(name, []).append(statement)
        return found

    # --- what comes from outside -------------------------------------------------------------------------------------

    def _parameters(self, function: ast.AST, needed: set[str]) -> set[str]:
        """The parameters that are needed, made; ``self`` with the attributes that are asked of it."""
        scope = list(ast.walk(function))
        first = next((arg.arg for arg, _ in names.parameters(function)), None)
        method = isinstance(self.parents.get(function), ast.ClassDef) and first in ("self", "cls")
        for argument, default in names.parameters(function):
            if argument.arg not in needed:
                continue
            if method and argument.arg == first:
                self._make_self(first, scope)  # type: ignore[arg-type]
            else:
                self._make(argument.arg, scope, argument, default)
            needed = needed - {argument.arg}
        stars = {arg.arg for arg in (function.args.vararg, function.args.kwarg) if arg is not None}  # type: ignore[attr-defined]
        for name in stars & needed:
            self.made[name] = Made(name, "{}" if function.args.kwarg and name == function.args.kwarg.arg else "()")  # type: ignore[attr-defined]
        return needed - stars

    def _make(self, name: str, scope: list[ast.AST], argument: ast.arg | None = None, default: ast.expr | None = None) -> None:
        space = self._namespace(name, scope) if made.is_space(name) else None
        one = space or made.make(name, scope, argument, default) or self._namespace(name, scope)
        if one is None:
            raise CannotSlice(self.troubles.get(name, f"nothing is known of {name}"))
        self.made[name] = one

    def _namespace(self, name: str, scope: list[ast.AST]) -> Made | None:
        """``args.lr``, ``cfg.device``: an object with the attributes that are asked of it."""
        nodes = [node for statement in self.body for node in ast.walk(statement)]
        return made.space(name, nodes, scope)

    def _make_self(self, name: str, scope: list[ast.AST]) -> None:
        one = self._namespace(name, scope)
        if one is None:
            raise CannotSlice(f"nothing is known of what {name} holds")
        self.made[name] = one

    # --- the top of the file -----------------------------------------------------------------------------------------

    def _from_the_top(self, needed: set[str], body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements at the top of the file that give the names still needed, and what these need, in their order."""
        wanted: dict[ast.stmt, set[str]] = {}
        todo = list(needed - names.BUILT_IN - set(self.made))
        seen: set[str] = set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            givers = self._givers(name)
            trouble = next(filter(None, (self._cached(giver, 0) for giver in givers)), None if givers else self.troubles.get(name, f"nobody gives {name}"))
            if trouble is None:
                for giver in givers:
                    wanted.setdefault(giver, set()).add(name)
                    todo += names.read(giver) - set(self.made)
            else:
                self._make_from(name, trouble)
        inside = set(map(id, body))
        chosen = [statement for statement in self.source.tree.body if statement in wanted and id(statement) not in inside]
        return [_narrowed(statement, wanted[statement]) for statement in chosen]

    def _make_from(self, name: str, trouble: str) -> None:
        try:
            self._make(name, list(ast.walk(self.source.tree)))
        except CannotSlice:
            raise CannotSlice(trouble) from None


def _to_run(node: ast.AST) -> ast.stmt:
    """A statement that can stand at the top of a program, and evaluates this."""
    if isinstance(node, ast.Return):
        node = node.value or ast.Constant(None)
    if isinstance(node, ast.stmt):
        return node
    if isinstance(node, ast.GeneratorExp):
        return ast.copy_location(ast.Expr(ast.Call(ast.Name("list", ast.Load()), [node], [])), node)
    return ast.copy_location(ast.Expr(node), node)  # type: ignore[arg-type]


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in blocks if isinstance(block, list)]


def _leaves(node: ast.If) -> bool:
    last = node.body[-1]
    return isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)) or "exit" in ast.unparse(last)


def _asks_for_the_machine(test: ast.expr) -> bool:
    return any(word in ast.unparse(test) for word in _MACHINE)


def _narrowed(statement: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import without the names that nobody wants."""
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return statement
    narrow = copy.copy(statement)
    narrow.names = [one for one in statement.names if one.name == "*" or (one.asname or one.name).partition(".")[0] in wanted]
    return narrow if narrow.names else statement


def _checkpoints(body: list[ast.stmt]) -> list[str]:
    """The files that the program loads by a name written in it."""
    return [
        call.args[0].value
        for statement in body for call in ast.walk(statement)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("load") and call.args
        and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str) and not call.args[0].value.startswith("/")
    ]

"""Choices between CUDA and the CPU that gain MPS, in the style that they are written in."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from . import HAS_MPS, NoFix, choice_for, indent_of, indent_unit, own_lines, replaced, text, wrapped
from .devices import literal
from ..finding import Edit, Span

if TYPE_CHECKING:
    from ..facts import Facts

_LITERAL = re.compile(r"""[fFrR]?(?P<quote>["'])cuda[^"'\n]*(?P=quote)""")
_ASKED = re.compile(r"(?:\b\w+\.)*\bcuda\.(?:is_available\(\)|device_count\(\)(?:\s*>=?\s*\d+)?)|\bis_available\(\)")
_EVERYWHERE = frozenset({"torch", "args", "opt", "self"})
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.Return, ast.Expr)


def with_mps(facts: Facts, origin: ast.expr) -> tuple[Edit, ...]:
    """The edits that add MPS to the choice in which ``origin`` names CUDA. Raises NoFix for a choice of another shape."""
    source = facts.source
    child: ast.AST = origin
    for node in facts.around(origin):
        if isinstance(node, ast.IfExp) and child is not node.test:
            other = node.orelse if child is node.body else node.body
            cuda = node.body if child is node.body else node.orelse
            if not _asks_machine(facts, node.test):
                return (replaced(source, cuda, f"({choice_for(source, cuda)})"),)
            if _is_choice_of_cpu(other):
                negated = child is node.orelse
                left, right = ("(", ")") if negated or isinstance(other, ast.IfExp) else ("", "")
                chosen = _for_mps(text(source, cuda))
                condition = HAS_MPS if negated else _asked(facts, node.test)
                return wrapped(source, other, f"{left}{chosen} if {condition} else ", right)
            raise NoFix("its other side is not the CPU")
        if isinstance(node, ast.If) and child is not node.test and isinstance(child, ast.stmt) and child in node.body:
            if not _asks_machine(facts, node.test):
                return literal(facts, origin)
            return _branch(facts, node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try)):
            break
        child = node
    raise NoFix("how it chooses is not written as a condition around it")


def of_tensor(facts: Facts, origin: ast.expr) -> tuple[Edit, ...]:
    """``x = x.to(y.device)`` for ``x = x.cuda() if y.is_cuda else x``, or the same as a statement."""
    source, node = facts.source, origin
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.args or node.keywords:
        raise NoFix("what is moved is not to be seen here")
    for choice in facts.around(node):
        test = getattr(choice, "test", None)
        if isinstance(choice, (ast.If, ast.IfExp)) and isinstance(test, ast.Attribute) and test.attr == "is_cuda":
            moved = f"{text(source, node.func)[: -len('cuda')]}to({text(source, test.value)}.device)"
            if isinstance(choice, ast.IfExp) and choice.body is node:
                return (Edit(source.span(choice), moved),)
            if isinstance(choice, ast.If) and len(choice.body) == 1 and not choice.orelse and isinstance(choice.body[0], ast.Assign):
                place = own_lines(source, choice)
                if choice.body[0].value is node and not indent_of(source, place).strip():
                    target = text(source, choice.body[0].targets[0])
                    return (Edit(place, f"{target} = {moved}"),)
    raise NoFix("its condition asks for more than the device of a tensor")


def _asks_machine(facts: Facts, test: ast.expr) -> bool:
    """True for a condition that asks whether CUDA is there, itself or by a flag; an option alone does not."""
    if _ASKED.search(ast.unparse(test)) or isinstance(test, ast.Call):
        return True
    named = [one for one in ast.walk(test) if isinstance(one, (ast.Name, ast.Attribute))]
    return any(_given(facts, one) is not None for one in named)


def _is_choice_of_cpu(node: ast.expr) -> bool:
    written = ast.unparse(node)
    return "cpu" in written and "mps" not in written or isinstance(node, (ast.Name, ast.Attribute))


def _for_mps(written: str) -> str:
    """The text of a device of CUDA, for MPS."""
    named, count = _LITERAL.subn(lambda match: f"{match['quote']}mps{match['quote']}", written)
    named = re.sub(r"""((?:torch\.)?\bdevice\(["']mps["'])\s*,[^()]*\)""", r"\1)", named)
    if count and "mps" in named:
        return named
    if re.fullmatch(r"\d+", written):
        return '"mps"'
    moved, count = re.subn(r"\.cuda\([^()]*\)", '.to("mps")', written)
    if count:
        return moved
    raise NoFix("the device is not named in the choice itself")


def _asked(facts: Facts, test: ast.expr) -> str:
    """What the condition asks, asked of MPS: of a condition that asks for more than CUDA, the rest stays."""
    written = text(facts.source, test)
    if isinstance(test, ast.Call):
        return HAS_MPS
    if isinstance(test, (ast.Name, ast.Attribute)):
        given = _given(facts, test)
        if isinstance(given, ast.Call):
            return HAS_MPS
        written = text(facts.source, given) if given is not None else written
        if given is not None and (len(written) > 60 or not {one.id for one in ast.walk(given) if isinstance(one, ast.Name)} <= _EVERYWHERE):
            raise NoFix("its flag asks for more than CUDA")
    named, count = _ASKED.subn(HAS_MPS, written)
    if "not " in written and re.search(r"\bnot\s+(?:\w+\.)*cuda", written):
        raise NoFix("it asks for the machine without CUDA")
    parts = [] if isinstance(test, (ast.Name, ast.Attribute)) else list(ast.walk(test))
    if not count or any(_given(facts, one) is not None for one in parts if isinstance(one, (ast.Name, ast.Attribute))):
        raise NoFix("its flag asks for more than CUDA")
    return named


def _given(facts: Facts, flag: ast.expr) -> ast.expr | None:
    """What a flag is given where it is made of a question for CUDA."""
    wanted = ast.unparse(flag)
    values = [one.value for one in facts.source.nodes(ast.Assign) if any(ast.unparse(target) == wanted for target in one.targets)]
    asking = [value for value in values if _ASKED.search(ast.unparse(value))]
    if len(asking) > 1:
        raise NoFix("its flag is made in several places")
    return asking[0] if asking else None


def _branch(facts: Facts, node: ast.If) -> tuple[Edit, ...]:
    """``elif`` MPS behind the block for CUDA, with what in it names the device; so for each block of the same flag."""
    same = [node]
    if isinstance(node.test, ast.Name):
        wanted = ast.dump(node.test)
        same += [one for one in facts.source.nodes(ast.If) if one is not node and ast.dump(one.test) == wanted]
    edits: list[Edit] = []
    for one in same:
        placed = [statement for statement in one.body if _places(facts, statement)]
        if placed or one is node:
            edits.append(_elif(facts, one, placed))
    return tuple(edits)


def _places(facts: Facts, statement: ast.stmt) -> bool:
    """True for a statement that names a CUDA device, or moves something by .cuda(), and asks nothing else of CUDA."""
    if not isinstance(statement, _SIMPLE) or statement.value is None:
        return False
    written = ast.unparse(statement)
    return bool(_LITERAL.search(written) or re.search(r"\.cuda\(\)", written)) and "torch.cuda." not in written


def _elif(facts: Facts, node: ast.If, placed: list[ast.stmt]) -> Edit:
    source = facts.source
    if not placed:
        raise NoFix("nothing in its branch names the device")
    if node.orelse and (isinstance(node.orelse[0], ast.If) and len(node.orelse) == 1 or "mps" in ast.unparse(node.orelse[0])):
        raise NoFix("it has further branches")
    place, unit = source.span(node), indent_unit(source)
    indent = indent_of(source, place)
    if indent.strip():
        raise NoFix("it is itself the branch of another choice")
    last = node.body[-1]
    own_lines(source, last)
    lines = [_for_mps(text(source, one)) for one in placed]
    if any("\n" in line for line in lines):
        raise NoFix("what it does stands on several lines")
    leaves = isinstance(last, (ast.Return, ast.Raise)) and not node.orelse
    block = "".join(f"\n{indent}{unit}{line}" for line in lines)
    at = source.span(last)
    end = Span(at.end_line, len(source.lines[at.end_line - 1]), at.end_line, len(source.lines[at.end_line - 1]))
    return Edit(end, f"\n{indent}{'if' if leaves else 'elif'} {_asked(facts, node.test)}:{block}")


__all__ = ["of_tensor", "with_mps"]

"""Calls and arguments that only CUDA has use for: kept for CUDA, asked of any accelerator, or written with its means."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..finding import ANY_GPU, DEVICE, DEVICE_TYPE, TORCH, Edit, Finding, Fix, Span
from . import (
    HAS_CUDA, NoFix, argument_inserted, before, behind, guarded, indent_of, indent_unit, is_cuda, line_deleted, own_lines, replaced,
    safe, span, statement_of, text, unsafe, wrapped,
)

if TYPE_CHECKING:
    from ..facts import Facts

_ACCELERATOR_SINCE = (2, 6)
_GRADSCALER_SINCE = (2, 3)  # torch.amp.GradScaler

# What a call that only CUDA answers is replaced by elsewhere, in the middle of an expression.
_ELSEWHERE = {
    "torch.cuda.get_device_name": '"cpu"', "torch.cuda.current_device": "0", "torch.cuda.get_device_capability": "(0, 0)",
    "torch.cuda.mem_get_info": "(0, 0)", "torch.cuda.memory_summary": '""', "torch.cuda.get_rng_state": "None",
    "torch.cuda.get_device_properties": "None", "torch.cuda.memory_snapshot": "[]",
}


def for_cuda(facts: Facts, value: ast.expr, elsewhere: str) -> tuple[Edit, ...]:
    """A value kept for CUDA, in a call or a dict."""
    if isinstance(value, ast.Constant) and value.value is True:
        return (replaced(facts.source, value, HAS_CUDA),)
    return (behind(span(facts.source, value), f" if {HAS_CUDA} else {elsewhere}"),)


def node_at(facts: Facts, place: Span, kind: type[ast.expr]) -> ast.expr:
    """The node of a type that a finding points at."""
    for node in facts.source.nodes(kind):
        if facts.source.token(node) == place or facts.source.span(node) == place:
            return node
    raise NoFix("what it points at was not found")


# --- arguments -------------------------------------------------------------------------------------------------------


def non_blocking(facts: Facts, keyword: ast.keyword) -> Fix:
    call = facts.parent(keyword)
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "cuda":
        raise NoFix("it goes with the .cuda() around it")
    device = (call.args or [facts.argument(call, "device")])[0] if isinstance(call, ast.Call) else None
    return safe(replaced(facts.source, keyword.value, is_cuda(facts.source, device)))


def pinned(facts: Facts, node: ast.keyword | ast.Call, finding: Finding) -> Fix:
    source = facts.source
    if isinstance(node, ast.keyword):
        return safe(replaced(source, node.value, HAS_CUDA))
    if isinstance(node.func, ast.Attribute) and node.func.attr == "pin_memory":
        receiver = node.func.value
        if not isinstance(receiver, (ast.Name, ast.Attribute)):
            raise NoFix("what it pins is computed there")
        inner = isinstance(facts.parent(node), ast.Attribute)
        left, right = ("(", ")") if inner else ("", "")
        return safe(*wrapped(source, node, left, f" if {HAS_CUDA} else {text(source, receiver)}{right}"))
    key = node_at(facts, finding.span, ast.Constant)
    table = facts.parent(key)
    if not isinstance(table, ast.Dict):
        raise NoFix("its value is not beside its name")
    return safe(replaced(source, table.values[table.keys.index(key)], HAS_CUDA))


# --- mixed precision -------------------------------------------------------------------------------------------------


def autocast(facts: Facts, call: ast.Call, old: str) -> Fix:
    """``torch.autocast(device.type)``, with the arguments that CUDA's own was given by name."""
    source = facts.source
    if facts.name(call.func) == old:
        named = [before(span(source, one), f"{name}=") for one, name in zip(call.args, ("enabled", "dtype", "cache_enabled"))]
        inserted = argument_inserted(source, call, DEVICE_TYPE)
        if call.args and named[0].span == inserted.span:
            named[0] = Edit(inserted.span, inserted.text + named[0].text)
            return unsafe(replaced(source, call.func, f"{TORCH}.autocast"), *named)
        return unsafe(replaced(source, call.func, f"{TORCH}.autocast"), inserted, *named)
    return unsafe(_typed(facts, call, "device_type"))


def grad_scaler(facts: Facts, call: ast.Call, old: str) -> Fix:
    if (facts.config.oldest_torch or _GRADSCALER_SINCE) < _GRADSCALER_SINCE:
        raise NoFix("torch before 2.3 has no other GradScaler")
    if facts.name(call.func) == old:
        source = facts.source
        return unsafe(replaced(source, call.func, f"{TORCH}.amp.GradScaler"), argument_inserted(source, call, DEVICE_TYPE))
    return unsafe(_typed(facts, call, "device"))


def _typed(facts: Facts, call: ast.Call, name: str) -> Edit:
    given = facts.argument(call, name, position=0)
    return replaced(facts.source, given, DEVICE_TYPE) if given is not None else argument_inserted(facts.source, call, DEVICE_TYPE)


# --- calls -----------------------------------------------------------------------------------------------------------


def cuda_call(facts: Facts, call: ast.Call) -> Fix:
    """A call that raises without CUDA: of any accelerator where there is such a call, else for CUDA alone."""
    source, name = facts.source, facts.name(call.func) or ""
    if name == "torch.cuda.Event":
        return _clock(facts, call)
    if name == "torch.cuda.initial_seed":
        return unsafe(replaced(source, call.func, f"{TORCH}.initial_seed"))
    statement = statement_of(facts, call)
    if isinstance(statement, ast.Expr) and statement.value is call:
        newer = (facts.config.oldest_torch or _ACCELERATOR_SINCE) >= _ACCELERATOR_SINCE
        if name == "torch.cuda.synchronize" and newer and not (call.args or call.keywords):
            renamed = replaced(source, call.func, f"{TORCH}.accelerator.synchronize")
            return safe(*guarded(source, statement, ANY_GPU), renamed)
        return safe(*guarded(source, statement, HAS_CUDA))
    parent = facts.parent(call)
    if any(isinstance(one, ast.keyword) and one.arg in ("device_ids", "output_device") for one in facts.around(call)):
        raise NoFix("which GPUs a wrapper spreads over is the author's to say")
    if name == "torch.cuda.current_device" and _is_device(facts, call, parent):
        return unsafe(replaced(source, call, DEVICE))
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and name in _ELSEWHERE:
        return unsafe(*guarded(source, statement, HAS_CUDA))
    if name in _ELSEWHERE:
        plain = isinstance(parent, (ast.Assign, ast.keyword, ast.Return, ast.List, ast.Tuple)) or isinstance(parent, ast.Call) and call in parent.args
        left, right = ("", "") if plain else ("(", ")")
        return unsafe(*wrapped(source, call, left, f" if {HAS_CUDA} else {_ELSEWHERE[name]}{right}"))
    raise NoFix("what a Mac does in its place is the author's to say")


def _is_device(facts: Facts, call: ast.Call, parent: ast.AST | None) -> bool:
    if isinstance(parent, ast.keyword):
        return parent.arg in ("device", "map_location")
    if not isinstance(parent, ast.Call) or call not in parent.args:
        return False
    return isinstance(parent.func, ast.Attribute) and parent.func.attr == "to"


def _clock(facts: Facts, call: ast.Call) -> Fix:
    """Events that measure time, with the clock of the machine: all events of the function, and what is asked of them."""
    source = facts.source
    function = next((one for one in facts.around(call) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))), source.tree)
    made = {
        one.targets[0].id: one for one in ast.walk(function)
        if isinstance(one, ast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], ast.Name)
        and isinstance(one.value, ast.Call) and facts.name(one.value.func) == "torch.cuda.Event"
    }
    edits = [line_deleted(source, one) for one in made.values()]
    known = {one.targets[0] for one in made.values()}
    wait = _wait(facts)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _event(node.func.value, made):
            known.add(node.func.value)
            if node.func.attr == "elapsed_time" and len(node.args) == 1 and _event(node.args[0], made):
                known.add(node.args[0])
                edits.append(replaced(source, node, f"(1000 * ({text(source, node.args[0])} - {text(source, node.func.value)}))"))
            elif node.func.attr in ("record", "synchronize") and isinstance(statement := facts.parent(node), ast.Expr):
                place = own_lines(source, statement)
                indent, unit = indent_of(source, place), indent_unit(source)
                before_it, behind_it = _neighbours(facts, function, statement, set(made.values()))
                lines = [] if _waits(facts, before_it) else [f"if {ANY_GPU}:", f"{unit}{wait}"]
                edits += [line_deleted(source, behind_it)] if behind_it is not None and _waits(facts, behind_it) else []
                lines += [f"{text(source, node.func.value)} = time.perf_counter()"] if node.func.attr == "record" else []
                edits.append(Edit(place, f"\n{indent}".join(lines)))
            else:
                raise NoFix("its events do more than measure time")
    used = {one for one in ast.walk(function) if isinstance(one, ast.Name) and one.id in made}
    if not made or call not in {one.value for one in made.values()} or used - known:
        raise NoFix("its events are handed on")
    return unsafe(*edits, imports=("time",))


def _neighbours(
    facts: Facts, function: ast.AST, statement: ast.stmt, without: set[ast.stmt]
) -> tuple[ast.stmt | None, ast.stmt | None]:
    """The statements before and behind one in its block, leaving some out."""
    for node in ast.walk(function):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            if isinstance(body, list) and statement in body:
                rest = [one for one in body if one not in without]
                at = rest.index(statement)
                return rest[at - 1] if at else None, rest[at + 1] if at + 1 < len(rest) else None
    return None, None


def _waits(facts: Facts, statement: ast.stmt | None) -> bool:
    """True for ``torch.cuda.synchronize()``."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and facts.name(call.func) == "torch.cuda.synchronize"


def fallback_variable(facts: Facts, node: ast.AST) -> Fix:
    """The line that sets a variable, above the first import of torch."""
    source = facts.source
    statement = statement_of(facts, node)
    place = own_lines(source, statement)
    imports = [one for one in source.tree.body if isinstance(one, (ast.Import, ast.ImportFrom))]
    named = {one: [alias.name for alias in one.names] if isinstance(one, ast.Import) else [one.module or ""] for one in imports}
    torch = next((one for one in imports if any("torch" in name for name in named[one])), None)
    if statement not in source.tree.body or torch is None or place.line != place.end_line:
        raise NoFix("what would run before it is the author's to say")
    if not any(one.lineno < torch.lineno and "os" in named[one] for one in imports):
        raise NoFix("os is imported behind torch")
    line = Span(torch.lineno, 0, torch.lineno, 0)
    return unsafe(Edit(line, f"{source.at(place)}\n"), line_deleted(source, statement))


def _event(node: ast.expr, made: dict[str, ast.Assign]) -> bool:
    return isinstance(node, ast.Name) and node.id in made


def _wait(facts: Facts) -> str:
    if (facts.config.oldest_torch or _ACCELERATOR_SINCE) < _ACCELERATOR_SINCE:
        raise NoFix("torch before 2.6 has no torch.accelerator to wait for")
    return f"{TORCH}.accelerator.synchronize()"


# --- conditions and handlers -----------------------------------------------------------------------------------------


def refusal(facts: Facts, test: ast.expr) -> Fix:
    """A program that insists on CUDA takes any accelerator; an assertion becomes a warning."""
    source = facts.source
    asked = facts.question(test)
    call = facts.parent(asked) if asked is not test or not isinstance(asked, ast.Call) else test
    if not isinstance(call, ast.Call) or call.func is not asked or not (facts.name(asked) or "").endswith("is_available"):
        raise NoFix("it counts GPUs, and does not ask for one")
    statement = facts.parent(test)
    if isinstance(statement, ast.Assert) and call is test:
        place = own_lines(source, statement)
        said = text(source, statement.msg) if statement.msg is not None else '"no GPU: this will be slow"'
        block = f"\n{indent_of(source, place)}{indent_unit(source)}warnings.warn({said})"
        return unsafe(Edit(place, f"if not {ANY_GPU}:{block}"), imports=("warnings",))
    return unsafe(replaced(source, call, ANY_GPU))


def memory_handler(facts: Facts, node: ast.AST) -> Fix:
    """``except RuntimeError`` that asks for the text, in place of CUDA's own error."""
    source = facts.source
    handler = facts.parent(node)
    if not isinstance(handler, ast.ExceptHandler) or handler.type is not node:
        raise NoFix("it is one of several errors")
    whole = facts.parent(handler)
    if isinstance(whole, ast.Try) and len(whole.handlers) > 1:
        raise NoFix("other handlers stand beside it")
    name = handler.name or "error"
    first = own_lines(source, handler.body[0])
    indent = indent_of(source, first)
    asked = f'if "out of memory" not in str({name}):\n{indent}{indent_unit(source)}raise\n{indent}'
    caught = "RuntimeError" if handler.name else f"RuntimeError as {name}"
    return unsafe(replaced(source, handler.type, caught), before(first, asked))


__all__ = [
    "DEVICE", "autocast", "cuda_call", "fallback_variable", "for_cuda", "grad_scaler", "memory_handler", "node_at", "non_blocking", "pinned", "refusal",
]

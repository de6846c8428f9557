"""How a device of CUDA is written otherwise: a literal, the place of a checkpoint, the device of a module's input."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import NoFix, argument_added, behind, choice_for, device_for, is_first, replaced, safe, span, unsafe
from ..finding import DEVICE, Edit, Fix

if TYPE_CHECKING:
    from ..facts import Facts

_MAKE_DEVICES = ("torch.device",)
_TAKE_TEXTS = frozenset({"add_argument", "getenv", "get", "setdefault", "Option", "Argument", "option", "field", "Field", "pop"})
_BINDS = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.arguments, ast.Return, ast.Dict, ast.List, ast.Tuple, ast.BoolOp)


def literal(facts: Facts, node: ast.expr) -> tuple[Edit, ...]:
    """A literal of CUDA, or the ``torch.device`` made of it, as the device at hand where a call takes it, else as a choice."""
    source = facts.source
    parent = facts.parent(node)
    if isinstance(parent, ast.keyword):
        parent = facts.parent(parent)
    made = isinstance(parent, ast.Call) and facts.name(parent.func) in _MAKE_DEVICES
    target = parent if made and isinstance(parent, ast.Call) else node
    holder = facts.parent(target)
    if isinstance(holder, ast.keyword):
        call = facts.parent(holder)
        texts = isinstance(call, ast.Call) and _last(call.func) in _TAKE_TEXTS or holder.arg == "default"
        edit = replaced(source, target, choice_for(source, target) if texts else _given(facts, target))
        return (edit, *_admitted(facts, call)) if isinstance(call, ast.Call) and texts else (edit,)
    if isinstance(holder, ast.Call) and target is not holder.func:
        texts = _last(holder.func) in _TAKE_TEXTS
        return (replaced(source, target, choice_for(source, target) if texts else _given(facts, target)),)
    if isinstance(holder, ast.withitem):
        return (replaced(source, target, DEVICE),)
    if isinstance(holder, _BINDS):
        return (replaced(source, target, choice_for(source, target)),)
    if isinstance(holder, ast.IfExp) and target is not holder.test:
        return (replaced(source, target, f"({choice_for(source, target)})"),)
    if isinstance(holder, ast.Attribute) and made:
        return (replaced(source, target, f"({choice_for(source, target)})"),)
    raise NoFix("how its value is used is not to be seen here")


def _admitted(facts: Facts, call: ast.Call) -> tuple[Edit, ...]:
    """``"mps"`` among the choices of an option."""
    choices = facts.argument(call, "choices")
    if not isinstance(choices, (ast.List, ast.Tuple)) or "mps" in ast.unparse(choices):
        return ()
    named = next((one for one in choices.elts if isinstance(one, ast.Constant) and one.value == "cuda"), None)
    return (behind(span(facts.source, named), ', "mps"'),) if named is not None else ()


def _given(facts: Facts, target: ast.expr) -> str:
    """What a call is given: the device at hand, or for another GPU than the first that one where CUDA is."""
    return DEVICE if is_first(target) else device_for(facts.source, target)


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


# --- checkpoints -----------------------------------------------------------------------------------------------------


def loaded_to(facts: Facts, call: ast.Call, named: ast.expr | None) -> Fix:
    """A checkpoint loaded to the CPU, from where ``load_state_dict`` takes it; else, if it ``named`` a GPU, to the device at
    hand, as a scripted model always is."""
    source = facts.source
    copied = _only_copied(facts, call)
    scripted = facts.name(call.func) == "torch.jit.load"
    left_open = named is None or isinstance(named, ast.Constant) and named.value is None
    place = DEVICE if scripted or not left_open and not copied else '"cpu"'
    edit = argument_added(source, call, f"map_location={place}") if named is None else replaced(source, named, place)
    return safe(edit) if copied and not scripted else unsafe(edit)


def _only_copied(facts: Facts, call: ast.Call) -> bool:
    """True where nothing but ``load_state_dict`` sees what is loaded: by itself, or by the one name that it is given."""
    parent = facts.parent(call)
    if isinstance(parent, (ast.Subscript, ast.keyword)):
        parent = facts.parent(parent)
    if isinstance(parent, ast.Call):
        return _last(parent.func) == "load_state_dict"
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1 or not isinstance(parent.targets[0], ast.Name):
        return False
    name = parent.targets[0].id
    uses = [node for node in facts.source.nodes(ast.Name) if node.id == name and isinstance(node.ctx, ast.Load)]
    return bool(uses) and all(_is_copied(facts, use) for use in uses)


def _is_copied(facts: Facts, use: ast.expr) -> bool:
    around = facts.around(use)
    while around and isinstance(around[0], (ast.Subscript, ast.keyword)):
        around = around[1:]
    return bool(around) and isinstance(around[0], ast.Call) and _last(around[0].func) == "load_state_dict"


# --- a module's input ------------------------------------------------------------------------------------------------


def of_input(facts: Facts, node: ast.AST) -> str:
    """``x.device`` in ``forward(self, x)`` of a module; nothing elsewhere, and where no input is certainly a tensor."""
    for one in facts.around(node):
        if isinstance(one, ast.FunctionDef):
            names = [argument.arg for argument in one.args.args]
            if one.name != "forward" or len(names) < 2 or names[0] != "self":
                return ""
            moved = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
            stored = {name.id for name in ast.walk(one) if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Load)}
            for name in names[1:]:
                if name not in stored and not (isinstance(moved, ast.Name) and moved.id == name) and _is_tensor(one, name):
                    return f"{name}.device"
            return ""
    return ""


_OF_TENSORS = frozenset({"shape", "size", "view", "reshape", "dim", "permute", "transpose", "unsqueeze", "squeeze", "flatten", "device",
                         "new_zeros", "new_ones", "new_tensor", "dtype", "expand", "float", "repeat", "contiguous"})


def _is_tensor(function: ast.FunctionDef, name: str) -> bool:
    """True for a parameter that the function asks for what only tensors have."""
    asked = (node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr in _OF_TENSORS)
    return any(isinstance(node.value, ast.Name) and node.value.id == name for node in asked)

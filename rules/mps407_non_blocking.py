"""A copy to or from the device does not wait for its end.

## Why it breaks on MPS
`non_blocking=True` lets the CPU go on while a copy runs. For CUDA that is safe from the CPU to the device, because the
device works in order, and it overlaps only where the memory is pinned. On MPS there is no pinned memory, and nothing
keeps the host's memory until it has been read: the values that arrive can be those of a later batch, or zeros. From
the device to the CPU (`.to("cpu", non_blocking=True)`) the numbers may be read before they are there. Nothing is
raised; a loss that jumps is all there is to see.

Whether a copy is overtaken is a matter of time, so this is a warning; a hint (info) where the object at hand, or a list
of the caller's, goes on holding what is copied to a device: `self.frames[i].to(device, non_blocking=True)`. It is
decided for the program once ported: as long as all tensors stay on the CPU the argument does nothing.

## Use instead
Leave it out, or ask for it where it pays:

    images = images.to(device)
    images = images.to(device, non_blocking=device.type == "cuda")

## Fix safety
`True` becomes `torch.cuda.is_available()`, or `x.device.type == "cuda"` where the device of a tensor is named beside it:
safe, for a CUDA machine copies as before and the values are the same everywhere.

## Sources
- pytorch/pytorch#139550 (wrong values, reported with 2.5.1, open) and #189690 (what is read is memory of a tensor that
  nobody holds any more; open). Mended in ultralytics/ultralytics#22181 and huggingface/lerobot#702 as said above.
- Emmi-AI/noether#157: about twice as slow with it than without on a Mac.
- Not proved by running: it needs a Mac, and luck.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..edits import machine
from ..facts.names import last_name, names_dtype
from ..facts.tables import DTYPES
from ..facts.values import Device
from ..finding import Finding, Fix
from ..rule import Example, Rule, Runs, Severity, World, keywords

if TYPE_CHECKING:
    from ..facts import Facts


# Methods whose result is, or looks at, what they are called on.
_VIEWS = frozenset({
    "get", "items", "values", "view", "reshape", "expand", "unsqueeze", "squeeze", "permute", "transpose", "detach", "flatten",
})
# Parameters that hold what is in them; a loader makes what it gives.
_HOLD = frozenset({"list", "List", "tuple", "Tuple", "dict", "Dict", "Sequence", "Mapping"})


class NonBlocking(Rule):
    code = "MPS407"
    name = "non-blocking"
    severity = Severity.WARNING
    world = World.ONCE_PORTED
    where = keywords("non_blocking")
    expect = Runs("values can be read before they have been copied")

    def check(self, keyword: ast.keyword, facts: Facts) -> Iterator[Finding]:
        if facts.literal(keyword.value) is not True or facts.out_of_reach_once_ported(keyword):
            return
        around = facts.around(keyword)
        if _is_copy(facts.parent(keyword), facts) and not any(_is_cuda_stream(node, facts) for node in around):
            message = 'non_blocking=True can give wrong values on MPS; non_blocking=device.type == "cuda"'
            severity = Severity.INFO if _is_held(around, facts) else None
            yield self.finding(facts.source.token(keyword), message, severity=severity)

    def fix(self, keyword: ast.keyword, finding: Finding, facts: Facts) -> Fix | None:
        return machine.non_blocking(facts, keyword)

    bad = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            images = torch.zeros(2, 3).to(device, non_blocking=True)
                                                  ^^^^^^^^^^^^ MPS407
            """),
        Example("""
            import torch

            def predict(model, image, device):
                scores = model(image.to(device))
                return scores.to("cpu", non_blocking=True).tolist()
                                        ^^^^^^^^^^^^ MPS407

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            predict(torch.nn.Linear(3, 1).to(device), torch.zeros(2, 3), device)
            """),
        Example("""
            import torch as th

            device = "cuda" if th.cuda.is_available() else "mps" if th.backends.mps.is_available() else "cpu"
            for batch in [(th.zeros(2, 3), th.zeros(2))]:
                images, masks = (part.to(device=device, dtype=th.float32, non_blocking=True) for part in batch)
                                                                          ^^^^^^^^^^^^ MPS407
            """),
    ]
    good = [
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            images = torch.zeros(2, 3).to(device, non_blocking=device.type == "cuda")
            masks = torch.zeros(2).to(device, non_blocking=False)
            """),
        Example("""
            import torch

            device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
            images = torch.zeros(2, 3)
            if device.type == "cuda":
                images = images.pin_memory().to(device, non_blocking=True)
            else:
                images = images.to(device)
            """),
        Example("""
            import torch

            def prefetch(batch, device, stream):
                with torch.cuda.stream(stream):
                    return batch.to(device, non_blocking=True)
            """),
    ]


def _is_copy(call: ast.AST | None, facts: Facts) -> bool:
    """Whether a call may take a tensor to another device; one with nothing but a dtype does not."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr == "cuda":
        return True
    target = facts.argument(call, "device", position=0)
    return call.func.attr == "to" and target is not None and facts.name(target) not in DTYPES and not names_dtype(target)


def _is_held(around: list[ast.AST], facts: Facts) -> bool:
    """Whether the object that a method belongs to goes on holding what is copied to a device: it is there to be read."""
    call, function = around[0], next((node for node in around if isinstance(node, ast.FunctionDef)), None)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or function is None:
        return False
    target = facts.value(facts.argument(call, "device", position=0) or call)
    if call.func.attr == "to" and isinstance(target, Device) and target.kinds == {"cpu"}:
        return False  # on its way to the CPU it is not there yet
    source = ast.unparse(call.func.value)
    if any(ast.unparse(each) == source for node in around if isinstance(node, ast.Assign) for each in node.targets
           if not isinstance(each, ast.Name)):
        return False
    return _is_of_object(call.func.value, function, set())


def _is_of_object(node: ast.expr, function: ast.FunctionDef, seen: set[str], is_part: bool = False) -> bool:
    """Whether an expression looks at what ``self`` holds, by local names and by views, or at part of what is in a list
    that the function was given."""
    depth = 0
    while isinstance(node, (ast.Attribute, ast.Subscript)) or isinstance(node, ast.Call) and _is_view(node):
        node, depth = (node.func if isinstance(node, ast.Call) else node).value, depth + 1  # type: ignore[attr-defined]
    if not isinstance(node, ast.Name) or node.id in seen:
        return False
    if node.id == "self":
        return depth > 0
    for parameter in ast.walk(function.args):
        if isinstance(parameter, ast.arg) and parameter.arg == node.id:
            return is_part and isinstance(parameter.annotation, ast.Subscript) and last_name(parameter.annotation.value) in _HOLD
    given = [value for part in ast.walk(function) if (value := _given(node.id, part)) is not None]
    given = [value for value in given if not _moves(value, node.id)]
    return bool(given) and all(_is_of_object(value, function, seen | {node.id}, depth > 0) for value in given)


def _given(name: str, node: ast.AST) -> ast.expr | None:
    """What an assignment, or a loop over a dict or another such name, gives a name; a loader's loop makes what it gives."""
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, (ast.For, ast.comprehension)):
        targets, value = [node.target], node.iter if isinstance(node.iter, (ast.Call, ast.Name)) else ast.Constant(None)
    else:
        return None
    return value if any(isinstance(part, ast.Name) and part.id == name for each in targets for part in ast.walk(each)) else None


def _moves(value: ast.expr, name: str) -> bool:
    """``x.to(...)`` given to x itself."""
    moved = value.func if isinstance(value, ast.Call) else None
    return isinstance(moved, ast.Attribute) and moved.attr in ("to", "cuda") and ast.unparse(moved.value) == name


def _is_view(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in _VIEWS


def _is_cuda_stream(node: ast.AST, facts: Facts) -> bool:
    """``with torch.cuda.stream(stream):``, where only CUDA comes."""
    made = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
    return any(isinstance(each, ast.Call) and facts.name(each.func) == "torch.cuda.stream" for each in made)

"""Single edits that plant a mistake in portable code: a cast dropped, a move forgotten, a buffer made an attribute.

Each is one change of the text at the position of an ``ast`` node; strings and comments are never touched.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

FACTORIES = frozenset(
    "zeros ones empty full arange linspace logspace eye rand randn randint randperm tensor as_tensor asarray normal "
    "tril_indices triu_indices".split()
)
LOADS = frozenset({"torch.load", "torch.jit.load", "torch.hub.load_state_dict_from_url"})
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEVICE = re.compile(r"(?:^|[_.])(?:device|dev)$")
_CHANGED = (ast.Call, ast.Expr, ast.IfExp, ast.BoolOp, ast.If)
_FLOAT32 = frozenset({"torch.float32", "torch.float", "numpy.float32"})
_FLOATS = _FLOAT32 | {"torch.float16", "torch.half", "torch.bfloat16", "numpy.float16"}
_CHOICE = '"cuda" if torch.cuda.is_available() else "cpu"'


class Page:
    """A file that is to be changed: its text and tree, parents, and what its names were imported as."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: list[ast.AST] = [self.tree]
        for node in self.nodes:
            children = list(ast.iter_child_nodes(node))
            self.parents.update(dict.fromkeys(children, node))
            self.nodes += children

    @cached_property
    def _lines(self) -> list[tuple[int, bytes]]:
        lines, offset = [], 0
        for line in self.text.split("\n"):
            lines.append((offset, line.encode()))
            offset += len(line) + 1
        return lines

    def _offset(self, line: int, column: int) -> int:
        start, content = self._lines[line - 1]
        return start + len(content[:column].decode())

    def start(self, node: ast.AST) -> int:
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def text_of(self, node: ast.AST) -> str:
        return self.text[self.start(node) : self.end(node)]

    @cached_property
    def imported(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                names.update((alias.asname, alias.name) for alias in node.names if alias.asname)
            elif isinstance(node, ast.ImportFrom):
                names.update((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
        return names

    def name(self, node: ast.AST | None) -> str:
        """The dotted name of an expression, after imports; empty for what has none."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.name(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    @cached_property
    def called(self) -> frozenset[str]:
        """What the file calls, as it is written: ``model``, ``self.encoder``."""
        return frozenset(ast.unparse(node.func) for node in self.nodes if isinstance(node, ast.Call))

    def around(self, node: ast.AST, *kinds: type) -> ast.AST | None:
        """The nearest node of these types around a node."""
        while (node := self.parents.get(node)) is not None:  # type: ignore[assignment]
            if isinstance(node, kinds):
                return node
        return None


@dataclass(frozen=True)
class Mutation:
    """One edit: the text from ``start`` to ``end`` becomes ``new``. ``node`` is what it is done to."""

    kind: str
    start: int
    end: int
    new: str
    node: ast.AST

    def apply(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def mutations(page: Page) -> Iterator[Mutation]:
    """Every mutation that a file offers, in the order of the tree; after a few of them it may no longer parse."""
    for node in page.nodes:
        for kind, make in KINDS.items() if isinstance(node, _CHANGED) else ():
            for start, end, new in make(page, node):
                yield Mutation(kind, start, end, new, node)


def parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


Edit = tuple[int, int, str]


def names_device(page: Page, node: ast.AST | None) -> bool:
    """True for an expression that gives a device which may be the GPU: ``device``, ``x.device``, ``torch.device("mps")``."""
    if isinstance(node, ast.Call):
        return page.name(node.func) == "torch.device" and '"cpu"' not in ast.unparse(node).replace("'", '"')
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.partition(":")[0] in ("cuda", "mps")
    return isinstance(node, (ast.Name, ast.Attribute)) and bool(_DEVICE.search(ast.unparse(node)))


def method(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def given(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


# --- edits -----------------------------------------------------------------------------------------------------------


def _without_call(page: Page, node: ast.Call) -> Edit:
    """``x.float()`` becomes ``x``."""
    function: ast.Attribute = node.func  # type: ignore[assignment]
    return page.text.rindex(".", 0, page.end(function) - len(function.attr)), page.end(node), ""


def _without_argument(page: Page, node: ast.Call, argument: ast.expr | ast.keyword) -> Edit:
    """``f(a, b)`` becomes ``f(a)``, ``f(a=1, b=2)`` becomes ``f(b=2)``."""
    arguments = sorted([*node.args, *node.keywords], key=page.start)
    index = arguments.index(argument)
    if index:
        return page.end(arguments[index - 1]), page.end(argument), ""
    end = page.start(arguments[1]) if len(arguments) > 1 else page.end(argument)
    return page.start(argument), end, ""


def _argument(node: ast.Call, value: ast.expr) -> ast.expr | ast.keyword:
    return next((keyword for keyword in node.keywords if keyword.value is value), value)


# --- kinds -----------------------------------------------------------------------------------------------------------


def _cast(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``.float()``, ``.to(torch.float32)``, ``.astype(np.float32)`` and ``dtype=torch.float32`` are left out."""
    if not isinstance(node, ast.Call):
        return
    if method(node, "float") and not given(node) and page.name(node.func) != "torch.float":
        yield _without_call(page, node)
    dtypes = [value for value in given(node) if page.name(value) in _FLOAT32 or _is_text(value, "float32")]
    if method(node, "to", "type", "astype") and dtypes:
        yield _without_call(page, node) if len(given(node)) == 1 else _without_argument(page, node, _argument(node, dtypes[0]))
    elif any(keyword.arg == "dtype" and keyword.value in dtypes for keyword in node.keywords):
        yield _without_argument(page, node, _argument(node, dtypes[0]))


def _is_text(node: ast.AST, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _move(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``x = x.to(device)`` is left out, or ``.to(device)`` of what is no module."""
    if not method(node, "to") or isinstance(page.parents[node], ast.Expr):
        return
    receiver = node.func.value  # type: ignore[attr-defined]
    last = page.name(receiver.func).rpartition(".")[2] if isinstance(receiver, ast.Call) else ""
    if ast.unparse(receiver) in page.called or last[:1].isupper() or "model" in last or "pretrained" in last:
        return
    devices = [value for value in given(node) if names_device(page, value)]
    if not devices:
        return
    statement = page.parents[node]
    options = [keyword.value for keyword in node.keywords if keyword.arg in ("non_blocking", "copy")]  # type: ignore[attr-defined]
    if any(value not in (devices[0], *options) for value in given(node)):
        yield _without_argument(page, node, _argument(node, devices[0]))
    elif isinstance(statement, ast.Assign) and list(map(ast.unparse, statement.targets)) == [ast.unparse(receiver)]:
        yield page.start(statement), page.end(statement), "pass"
    else:
        yield _without_call(page, node)


def _device(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``torch.zeros(n, device=device)`` becomes ``torch.zeros(n)`` inside a function."""
    if isinstance(node, ast.Call) and page.name(node.func).removeprefix("torch.") in FACTORIES:
        for keyword in node.keywords:
            if keyword.arg == "device" and names_device(page, keyword.value) and page.around(node, *FUNCTIONS):
                yield _without_argument(page, node, keyword)


def _map_location(page: Page, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Call) and page.name(node.func) in LOADS:
        for keyword in node.keywords:
            if keyword.arg == "map_location":
                yield _without_argument(page, node, keyword)


def _float64(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``torch.float32`` becomes ``torch.float64`` where it is the dtype of a call."""
    if not isinstance(node, ast.Call):
        return
    dtypes = [keyword.value for keyword in node.keywords if keyword.arg == "dtype"]
    dtypes += node.args if method(node, "to", "type", "astype") else []
    for value in dtypes:
        if page.name(value) in _FLOATS and isinstance(value, ast.Attribute):
            yield page.end(value) - len(value.attr), page.end(value), "float64"


def _cpu(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``x.cpu().numpy()`` becomes ``x.numpy()``."""
    if method(node, "numpy"):
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
            if method(node, "cpu") and not given(node):  # type: ignore[arg-type]
                yield _without_call(page, node)  # type: ignore[arg-type]


def _buffer(page: Page, node: ast.AST) -> Iterator[Edit]:
    """``self.register_buffer("n", t)`` becomes ``self.n = t``."""
    if not isinstance(node, ast.Expr) or not method(node.value, "register_buffer"):
        return
    call: ast.Call = node.value  # type: ignore[assignment]
    values = given(call)
    if len(values) > 1 and isinstance(values[0], ast.Constant) and not _is_text(values[1], None):  # type: ignore[arg-type]
        owner = page.text_of(call.func.value)  # type: ignore[attr-defined]
        yield page.start(node), page.end(node), f"{owner}.{values[0].value} = {page.text_of(values[1])}"


def _choice(page: Page, node: ast.AST) -> Iterator[Edit]:
    """A choice that can be MPS becomes one between CUDA and the CPU; of an ``if``, the branch for MPS is left out."""
    if isinstance(node, ast.IfExp) and not isinstance(page.parents[node], ast.IfExp):
        arms = list(_arms(node))
        if any(_names(arm, "mps") or "current_accelerator" in ast.unparse(arm) for arm in arms) and _names(arms[-1], "cpu"):
            wrapped = page.name(getattr(arms[-1], "func", None)) == "torch.device"
            yield page.start(node), page.end(node), f"torch.device({_CHOICE})" if wrapped else f"({_CHOICE})"
    elif isinstance(node, ast.BoolOp) and page.name(getattr(node.values[0], "func", None)).endswith("current_accelerator"):
        yield page.start(node), page.end(node), f"torch.device({_CHOICE})"
    elif isinstance(node, ast.If) and "mps" in ast.unparse(node.test) and _gives_mps(node.body[0]):
        if (edit := _without_branch(page, node)) is not None:
            yield edit


def _arms(node: ast.expr) -> Iterator[ast.expr]:
    """What a conditional expression can give, the last resort last."""
    if isinstance(node, ast.IfExp):
        yield node.body
        yield from _arms(node.orelse)
    else:
        yield node


def _names(node: ast.AST, device: str) -> bool:
    """True for the name of a device, or ``torch.device`` of it."""
    parts = [node, *given(node)] if isinstance(node, ast.Call) else [node]
    return any(isinstance(part, ast.Constant) and str(part.value).partition(":")[0] == device for part in parts)


def _gives_mps(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, (ast.Assign, ast.Return)) else None
    return value is not None and _names(value, "mps")


def _without_branch(page: Page, node: ast.If) -> Edit | None:
    """The edit that leaves out one branch, and keeps ``elif`` and ``else`` behind it."""
    start, is_elif = page.start(node), page.text.startswith("elif", page.start(node))
    if not node.orelse:
        return start, page.end(node), "" if is_elif else "pass"
    if _is_elif(page, node):
        behind = page.start(node.orelse[0])
        return start, behind if is_elif else behind + len("el"), ""  # the next elif becomes the if
    if is_elif:
        return start, page.text.rindex("else", page.end(node.body[-1]), page.start(node.orelse[0])), ""
    return None  # what stands under else would have to move


def _is_elif(page: Page, node: ast.If) -> bool:
    """True where what follows a branch is an ``elif``."""
    other = node.orelse[0]
    return isinstance(other, ast.If) and page.text.startswith("elif", page.start(other))


KINDS: dict[str, Callable[[Page, ast.AST], Iterator[Edit]]] = {
    "cast": _cast,
    "move": _move,
    "device": _device,
    "map_location": _map_location,
    "float64": _float64,
    "cpu": _cpu,
    "buffer": _buffer,
    "choice": _choice,
}

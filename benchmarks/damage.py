"""Whether what a mutation breaks can be seen in the file at all, by a short look that owes nothing to the linter.

A dropped cast of what was float32 breaks nothing, and a batch that stands where its caller left it says nothing. This
page follows a value backwards to what it was made of and forwards to what is done with it, through names, loops, calls
of the file's own functions and attributes of ``self``; where it does not find both ends, the damage does not show.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property

from mutators import FACTORIES, FUNCTIONS, Mutation, Page, given, method, names_device

_SCOPES = (*FUNCTIONS, ast.Lambda, ast.Module)
_CASTS = frozenset("float double half bfloat16 long int short byte char bool type astype".split())
_ENDS = frozenset("item tolist size dim numel ndimension get_device stride data_ptr cpu numpy backward".split())
_NUMPY_FLOAT64 = re.compile(
    r"numpy\.(?:linspace|logspace|geomspace|zeros|ones|empty|eye|identity|loadtxt|hanning|hamming|blackman|"
    r"random\.(?:rand|randn|random|uniform|normal|random_sample|standard_normal|beta|gamma)|mean|std|average|percentile)$"
)
_INTEGERS = re.compile(r"(?:torch\.(?:randint|randperm|argmax)|one_hot|PIL\.Image\.open|cv2\.imread|pil_to_tensor)$")
_ARRAYS = re.compile(r"numpy\.(?:array|asarray|stack|concatenate)$")
_FLOAT_LAYER = re.compile(r"torch\.nn\.(?:functional\.)?(?:Linear|linear|Conv|conv|LSTM|GRU|RNN)")
_LOADER = re.compile(r"(?:^|[_.])(?:data_?)?loader$|DataLoader", re.IGNORECASE)
_MANY = 200  # expressions, after which a value is followed no more


class Flow:
    """Where values of one file come from and go to, by names."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @cached_property
    def _bound(self) -> dict[tuple[ast.AST | None, str], list[tuple[int, ast.AST]]]:
        """What each name of a scope is given, in order of the lines; attributes of ``self`` belong to the class."""
        bound: dict[tuple[ast.AST | None, str], list[tuple[int, ast.AST]]] = {}
        for node in self.page.nodes:
            if isinstance(node, ast.Assign):
                pairs = [pair for target in node.targets for pair in _pairs(target, node.value)]
            elif isinstance(node, (ast.For, ast.comprehension)):
                pairs = [(name, node) for name in ast.walk(node.target)]
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value is not None:
                pairs = [(node.target, node.value)]
            else:
                continue
            for target, value in pairs:
                if isinstance(target, (ast.Name, ast.Attribute)):
                    bound.setdefault(self._key(target), []).append((target.lineno, value))
        return bound

    def _key(self, node: ast.Name | ast.Attribute) -> tuple[ast.AST | None, str]:
        kinds = (ast.ClassDef,) if isinstance(node, ast.Attribute) else _SCOPES
        return self.page.around(node, *kinds), ast.unparse(node)

    def definitions(self, node: ast.Name | ast.Attribute) -> list[ast.AST]:
        """The last thing that a name was given before it is used here; all that an attribute is ever given."""
        given_to = self._bound.get(self._key(node), [])
        if isinstance(node, ast.Attribute):
            return [value for _, value in given_to]
        before = [value for line, value in given_to if line < node.lineno]
        return before[-1:] or [value for _, value in given_to if not _holds(value, node)][-1:]

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in self.page.nodes if isinstance(node, FUNCTIONS)}  # type: ignore[misc]

    @cached_property
    def _calls(self) -> dict[str | None, list[ast.AST]]:
        calls: dict[str | None, list[ast.AST]] = {}
        for node in self.page.nodes:
            if isinstance(node, ast.Call):
                calls.setdefault(self.page.name(node.func).removeprefix("self."), []).append(node)
        return calls

    @cached_property
    def loads(self) -> dict[tuple[ast.AST | None, str], list[ast.expr]]:
        loads: dict[tuple[ast.AST | None, str], list[ast.expr]] = {}
        for node in self.page.nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                if isinstance(node, ast.Name) or ast.unparse(node).startswith("self."):
                    loads.setdefault(self._key(node), []).append(node)
        return loads

    # --- backwards ---------------------------------------------------------------------------------------------------

    def made_of(self, node: ast.AST, stops: Callable[[ast.AST], bool]) -> Iterator[ast.AST]:
        """What a value is made of, the value itself first; ``stops`` says where it begins anew."""
        todo, seen = [node], {node}
        for part in todo:
            yield part
            if len(todo) < _MANY and not stops(part):
                todo += (more for more in self._parts(part) if more not in seen)
                seen.update(todo)

    def _parts(self, node: ast.AST) -> list[ast.AST]:
        if isinstance(node, ast.BinOp):
            return [node.left, node.right]
        if isinstance(node, ast.IfExp):
            return [node.body, node.orelse]
        if isinstance(node, (ast.Tuple, ast.List)):
            return list(node.elts)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return [node.elt]
        if isinstance(node, (ast.For, ast.comprehension)):
            return [node.iter]
        if isinstance(node, ast.Name) or isinstance(node, ast.Attribute) and ast.unparse(node).startswith("self."):
            return self.definitions(node)
        if isinstance(node, (ast.Subscript, ast.UnaryOp, ast.Starred, ast.Attribute)):
            kept = not isinstance(node, ast.Attribute) or node.attr in ("T", "data", "values", "mT")
            return [getattr(node, "value", None) or node.operand] if kept else []  # type: ignore[union-attr]
        return self._parts_of_call(node) if isinstance(node, ast.Call) else []

    def _parts_of_call(self, node: ast.Call) -> list[ast.AST]:
        name = self.page.name(node.func)
        body = self.functions.get(name.removeprefix("self."))
        if body is not None:
            return [part.value for part in ast.walk(body) if isinstance(part, ast.Return) and part.value is not None]
        if name.partition(".")[0] in ("torch", "numpy", "tqdm", "enumerate", "zip", "list", "F", "float"):
            return list(node.args)
        if isinstance(node.func, ast.Attribute) and node.func.attr not in ("size", "item", "tolist", "dim", "numel"):
            return [node.func.value]
        return []

    # --- forwards ----------------------------------------------------------------------------------------------------

    def uses(self, node: ast.AST, ends: Callable[[ast.AST], bool]) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Pairs of what a value is part of and the part that it is: operations, calls, methods. ``ends`` says after
        which of them it is another value."""
        todo, seen = [node], {node}
        for part in todo:
            parent = self.page.parents.get(part)
            of_it = parent if isinstance(parent, ast.Attribute) else None
            if isinstance(parent, (ast.keyword, ast.Attribute)):
                part, parent = parent, self.page.parents[parent]
            if of_it is not None and not (isinstance(parent, ast.Call) and parent.func is of_it):
                more = [of_it] if of_it.attr in ("T", "data", "mT") else []
            else:
                more = self._next(parent, part)
                if isinstance(parent, (ast.Call, ast.BinOp, ast.AugAssign)):
                    yield parent, part
                    more = [] if ends(parent) else more
            if len(todo) < _MANY:
                todo += (one for one in more if one not in seen)
                seen.update(todo)

    def _next(self, parent: ast.AST | None, node: ast.AST) -> list[ast.AST]:
        """The expressions that have the value next."""
        if isinstance(parent, ast.Call):
            return self._into_call(parent, node)
        if isinstance(parent, ast.Subscript):
            return [parent] if parent.value is node else []
        if isinstance(parent, (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Tuple, ast.List, ast.Starred, ast.ListComp)):
            return [parent]
        if isinstance(parent, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            names = [name for target in targets for name, value in _pairs(target, parent.value) if _holds(value, node)]
            return [load for name in names for load in self._later(name)]
        if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node:
            return [load for name in ast.walk(parent.target) for load in self._later(name)]
        if isinstance(parent, ast.Return):
            body = self.page.around(parent, *FUNCTIONS)
            name = getattr(body, "name", None)
            return list(self._calls.get(name, ()))
        return []

    def _into_call(self, call: ast.Call, node: ast.AST) -> list[ast.AST]:
        body = self.functions.get(self.page.name(call.func).removeprefix("self."))
        if body is None or node is call.func:
            return [call] if self.page.name(call.func) not in ("len", "print", "range", "isinstance") else []
        names = [argument.arg for argument in body.args.args if argument.arg != "self"]
        index = call.args.index(node) if node in call.args else len(names)  # type: ignore[arg-type]
        name = node.arg if isinstance(node, ast.keyword) else names[index] if index < len(names) else None
        return [load for load in self.loads.get((body, name), [])] if name else []

    def _later(self, target: ast.AST) -> list[ast.expr]:
        """Where a name that is bound here is read before it is bound again."""
        if not isinstance(target, (ast.Name, ast.Attribute)):
            return []
        loads = self.loads.get(self._key(target), [])
        if isinstance(target, ast.Attribute):
            return loads
        again = [line for line, _ in self._bound.get(self._key(target), []) if line > target.lineno]
        return [load for load in loads if target.lineno <= load.lineno <= min(again, default=load.lineno) and
                load.lineno != target.lineno]


def _pairs(target: ast.AST, value: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The targets of an assignment, each with what it is given."""
    if isinstance(target, (ast.Tuple, ast.List)):
        parts = value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts) else None
        return [(one, parts[index] if parts else value) for index, one in enumerate(target.elts)]
    return [(target, value)]


def _holds(tree: ast.AST, node: ast.AST) -> bool:
    return any(part is node for part in ast.walk(tree))


# --- what is looked for ----------------------------------------------------------------------------------------------


class Damage:
    """Decides, kind by kind, whether a mutation's damage shows."""

    def __init__(self, page: Page) -> None:
        self.page, self.flow = page, Flow(page)

    def shows(self, mutation: Mutation) -> bool:
        return getattr(self, f"_{mutation.kind}")(mutation)

    # --- small questions

    def _is_move(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and (
            method(node, "cuda") or method(node, "to") and any(names_device(self.page, v) for v in given(node))
            or any(keyword.arg == "device" and names_device(self.page, keyword.value) for keyword in node.keywords)
        )

    def _asks_dtype(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        named = any(re.search(r"\b(?:float|int|uint|bfloat|half|long|bool|dtype)\w*$", ast.unparse(v)) for v in given(node)
                    if isinstance(v, (ast.Name, ast.Attribute)))
        return method(node, *_CASTS) or named and (method(node, "to") or any(k.arg == "dtype" for k in node.keywords))

    def _module_method(self, node: ast.AST) -> ast.AST | None:
        """The method around a node, if it is one that computes in a class of layers."""
        body, cls = self.page.around(node, *FUNCTIONS), self.page.around(node, ast.ClassDef)
        named = isinstance(cls, ast.ClassDef) and any("Module" in ast.unparse(b) or "nn." in ast.unparse(b) for b in cls.bases)
        return body if named and body is not None and body.name != "__init__" else None  # type: ignore[attr-defined]

    def _on_device(self, node: ast.AST) -> bool:
        """True for a value that the file puts on the device, or that a module is given or computes."""
        for part in self.flow.made_of(node, lambda n: self._is_move(n) or method(n, "cpu") or _is_index(n)):
            if self._is_move(part) or isinstance(part, ast.Call) and self._runs_moved_module(part):
                return True
            body = self._module_method(part)
            if isinstance(part, ast.Name) and body is not None and self._is_input(part, body):
                return True
        return False

    def _is_input(self, name: ast.Name, body: ast.AST) -> bool:
        arguments = [*body.args.args, *body.args.kwonlyargs]  # type: ignore[attr-defined]
        argument = next((a for a in arguments if a.arg == name.id and a.arg != "self"), None)
        if argument is None:
            return False
        tensor = r"\b{}\.(?:shape|size\(|device|dim\(|ndim|view\(|reshape\(|permute\(|transpose\(|unsqueeze\()".format(name.id)
        first = body.name == "forward" and argument in arguments[1:2] and argument.annotation is None  # type: ignore[attr-defined]
        annotated = first or argument.annotation is not None and "Tensor" in ast.unparse(argument.annotation)
        return annotated or bool(re.search(tensor, ast.unparse(body)))

    def _runs_moved_module(self, call: ast.Call) -> bool:
        """True for ``model(...)`` after ``model.to(device)``, and for a layer in a module's method."""
        name = ast.unparse(call.func)
        if name.startswith("self.") and self._module_method(call):
            return any(self.page.name(getattr(v, "func", None)).startswith("torch.nn.") for v in self.flow.definitions(call.func))
        return name in self._moved_in_place or isinstance(call.func, (ast.Name, ast.Attribute)) and any(
            self._is_move(value) for value in self.flow.definitions(call.func))

    @cached_property
    def _moved_in_place(self) -> frozenset[str]:
        """What is moved by a statement of its own: ``model.to(device)``."""
        return frozenset(
            ast.unparse(node.func.value) for node in self.page.nodes  # type: ignore[attr-defined]
            if method(node, "to", "cuda") and isinstance(self.page.parents[node], ast.Expr) and self._is_move(node)
        )

    def _meets_device(self, node: ast.AST) -> bool:
        """True where a value is given to a moved module, or meets another that is on the device."""
        def ends(use: ast.AST) -> bool:
            return self._is_move(use) or method(use, *_ENDS, "to", "type_as")
        for use, part in self.flow.uses(node, ends):
            if ends(use) or method(use, "append", "extend", "insert") or _is_list_sum(use):
                continue  # side by side in a list is no meeting
            if isinstance(use, ast.Call) and part is not use.func and self._runs_moved_module(use):
                return True
            others = [use.left, use.right] if isinstance(use, ast.BinOp) else [use.target, use.value] if isinstance(use, ast.AugAssign) else []
            if isinstance(use, ast.Call):
                torch = self.page.name(use.func).startswith("torch.")
                owner = [use.func.value] if isinstance(use.func, ast.Attribute) and not torch else []
                others = [*use.args, *owner] if torch or isinstance(use.func, ast.Attribute) and part is use.func else []
            if any(not _holds(other, part) and not _holds(part, other) and self._on_device(other) for other in others):
                return True
        return False

    # --- kinds

    def _cast(self, mutation: Mutation) -> bool:
        node: ast.Call = mutation.node  # type: ignore[assignment]
        start: ast.AST = node.func.value if method(node, *_CASTS, "to") else node  # type: ignore[attr-defined]
        kinds = {self._dtype(p, node) for p in self.flow.made_of(start, lambda n: n is not node and self._asks_dtype(n))}
        if "float64" in kinds:
            return self._moved_as_it_is(node)
        return "int" in kinds and any(
            isinstance(use, ast.Call) and (_FLOAT_LAYER.match(self.page.name(use.func)) or any(
                _FLOAT_LAYER.match(self.page.name(getattr(v, "func", None))) for v in self._definitions(use.func)))
            for use, _ in self.flow.uses(node, lambda n: self._asks_dtype(n) or isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)))

    def _moved_as_it_is(self, node: ast.Call) -> bool:
        """True for what is made on the device, or moved there with no other dtype."""
        uses = (use for use, _ in self.flow.uses(node, self._asks_dtype))
        return self._is_move(node) or any(self._is_move(use) and not self._asks_dtype(use) for use in uses)

    def _definitions(self, node: ast.AST) -> list[ast.AST]:
        return self.flow.definitions(node) if isinstance(node, (ast.Name, ast.Attribute)) else []

    def _dtype(self, node: ast.AST, mutated: ast.AST) -> str | None:
        """float64 or int, for what is certainly made so."""
        name = self.page.name(node.func) if isinstance(node, ast.Call) else ""
        if node is not mutated and self._asks_dtype(node):
            text = ast.unparse(node)
            return "float64" if re.search(r"float64|double|astype\(float\)|dtype=float\b", text) else (
                "int" if re.search(r"uint8|int64|int32|\.(?:long|int|byte)\(", text) else None)
        if name in ("numpy.full",) or _ARRAYS.search(name):
            return "float64" if any(isinstance(p, ast.Constant) and isinstance(p.value, float) for p in ast.walk(node)) else None
        if _NUMPY_FLOAT64.match(name):
            return "float64"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = self.flow.made_of(node.left, self._asks_dtype)
            if any(self.page.name(getattr(part, "func", None)).startswith(("numpy.", "cv2.")) for part in parts):
                return "float64"
        return "int" if _INTEGERS.search(name) else None

    def _move(self, mutation: Mutation) -> bool:
        node: ast.Call = mutation.node  # type: ignore[assignment]
        receiver = node.func.value  # type: ignore[attr-defined]
        sources = self.flow.made_of(receiver, lambda n: self._is_move(n) or self._is_move_of_all(n) or self._registers(n))
        return any(map(self._on_host, sources)) and self._meets_device(node)

    def _registers(self, node: ast.AST) -> bool:
        """True for a parameter or a buffer, which goes where its module goes."""
        return isinstance(node, ast.Call) and self.page.name(node.func).rpartition(".")[2] in ("Parameter", "Buffer")

    def _is_move_of_all(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self._runs_moved_module(node)

    def _on_host(self, node: ast.AST) -> bool:
        """A loop over a loader, a factory without ``device=``, an array's tensor."""
        if isinstance(node, (ast.For, ast.comprehension)):
            return any(_LOADER.search(ast.unparse(part.func if isinstance(part, ast.Call) else part))
                       for part in self.flow.made_of(node.iter, lambda n: False))
        if not isinstance(node, ast.Call) or self._is_move(node):
            return False
        name = self.page.name(node.func)
        if name == "torch.tensor" and isinstance(node.args[0] if node.args else None, ast.Constant):
            return False
        if any(keyword.arg is None for keyword in node.keywords):
            return False  # **kwargs may hold a device
        return name.startswith("torch.") and name[6:] in (*FACTORIES, "from_numpy", "Tensor", "FloatTensor")

    def _device(self, mutation: Mutation) -> bool:
        node: ast.Call = mutation.node  # type: ignore[assignment]
        scalar = self.page.name(node.func) in ("torch.tensor", "torch.as_tensor", "torch.full") and not any(
            isinstance(part, (ast.List, ast.Tuple, ast.ListComp)) for argument in node.args for part in ast.walk(argument))
        return not scalar and self._meets_device(node)

    def _map_location(self, mutation: Mutation) -> bool:
        return True

    def _float64(self, mutation: Mutation) -> bool:
        node: ast.Call = mutation.node  # type: ignore[assignment]
        if self._moved_as_it_is(node):
            return True
        torch = self.page.name(node.func).startswith("torch.")
        return any(map(self._on_device, node.args if torch else [node.func.value] if isinstance(node.func, ast.Attribute) else []))

    def _cpu(self, mutation: Mutation) -> bool:
        node: ast.Call = mutation.node.func.value  # type: ignore[attr-defined]
        while not method(node, "cpu"):
            node = node.func.value  # type: ignore[attr-defined]
        return self._on_device(node.func.value)  # type: ignore[attr-defined]

    def _buffer(self, mutation: Mutation) -> bool:
        call: ast.Call = mutation.node.value  # type: ignore[attr-defined]
        name, value = given(call)[:2]
        made = any(map(self._on_host, self.flow.made_of(value, self._is_move)))
        cls = self.page.around(call, ast.ClassDef)
        loads = self.flow.loads.get((cls, f"self.{name.value}"), [])  # type: ignore[attr-defined]
        return made and any(self._module_method(load) is not None and self._meets_device(load) for load in loads)

    def _choice(self, mutation: Mutation) -> bool:
        """True where nothing else in the function leads to MPS and CUDA is still named."""
        body = self.page.around(mutation.node, *FUNCTIONS) or self.page.tree
        start, end = (self.page.start(body), self.page.end(body)) if isinstance(body, FUNCTIONS) else (0, len(self.page.text))
        left = self.page.text[start : mutation.start] + mutation.new + self.page.text[mutation.end : end]
        words = re.findall(r"\b(?:mps|accelerator|xpu|npu|hpu|cuda)\b", re.sub(r"#.*|\"\"\"(?:.|\n)*?\"\"\"", "", left))
        return "cuda" in words and not set(words) - {"cuda"}


def _is_list_sum(node: ast.AST) -> bool:
    """``[dummy] + features``."""
    return isinstance(node, ast.BinOp) and any(isinstance(side, (ast.List, ast.ListComp)) for side in (node.left, node.right))


def _is_index(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant)

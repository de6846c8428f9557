"""A script iterates a DataLoader with workers and has no main guard.

## Why it breaks on MPS
Linux forks the worker processes; macOS spawns them: each starts a new Python that first imports the script again. Without
`if __name__ == "__main__":` it comes to the loop again, and the workers would start workers. Python stops that:

    RuntimeError: An attempt has been made to start a new process before the current process has finished its
    bootstrapping phase.

The script itself ends with `RuntimeError: DataLoader worker (pid(s) 12560) exited unexpectedly`. Making the loader is
harmless; its first iteration starts the workers. Windows does the same, and so does Linux since Python 3.14.

Notebooks have no script to import and are not reported. Their workers find classes of an imported module, but none
that a cell defines: move such a dataset to a file, or keep `num_workers=0`.

## Use instead
Keep what starts workers under the guard:

    def main():
        for images, masks in DataLoader(data, num_workers=2):
            ...

    if __name__ == "__main__":
        main()

or `num_workers=0`.

## Fix safety
There is no automatic fix: what has to stand under the guard, the loop and all that it needs, is for the author to say.

## Sources
- Executed on torch 2.13 for Linux with `multiprocessing.set_start_method("spawn")`, the default of macOS since Python 3.8.
- "Platform-specific behaviors" in the documentation of `torch.utils.data`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts

_LOADER = "torch.utils.data.DataLoader"
_COUNTS = frozenset({"os.cpu_count", "os.process_cpu_count", "multiprocessing.cpu_count"})


class SpawnWithoutMainGuard(Rule):
    code = "MPS704"
    name = "spawn-without-main-guard"
    severity = Severity.WARNING
    world = World.AS_WRITTEN
    where = calls(_LOADER)
    expect = Raises(RuntimeError, "exited unexpectedly")

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        workers = facts.argument(call, "num_workers", position=5)
        if workers is None or not _is_some(workers, facts) or facts.source.origins or facts.guarded(call, RuntimeError):
            return
        if facts.argument(call, "multiprocessing_context") is not None or "set_start_method" in facts.source.text:
            return
        if _is_iterated_on_import(call, facts):
            keyword = next((keyword for keyword in call.keywords if keyword.arg == "num_workers"), workers)
            message = 'macOS spawns workers, which run this script again; guard it: if __name__ == "__main__":'
            yield self.finding(facts.source.token(keyword), message)

    bad = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), num_workers=2)
                                                                  ^^^^^^^^^^^ MPS704
            for (images,) in loader:  # raises
                print(images.shape)
            """),
        Example("""
            import os
            import torch

            data = torch.utils.data.TensorDataset(torch.zeros(4, 2))
            for step, (images,) in enumerate(torch.utils.data.DataLoader(data, num_workers=os.cpu_count())):
                                                                               ^^^^^^^^^^^ MPS704
                print(step, images.shape)
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            NUM_WORKERS = 2

            def train(batches):
                for (images,) in batches:  # raises
                    print(images.shape)

            def main():
                loader = DataLoader(TensorDataset(torch.zeros(4, 2)), num_workers=NUM_WORKERS)
                                                                      ^^^^^^^^^^^ MPS704
                train(loader)

            main()
            """),
    ]
    good = [
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            def main():
                for (images,) in DataLoader(TensorDataset(torch.zeros(4, 2)), num_workers=1):
                    print(images.shape)

            if __name__ == "__main__":
                main()
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            for (images,) in DataLoader(TensorDataset(torch.zeros(4, 2)), num_workers=0):
                print(images.shape)
            """),
        Example("""
            import torch
            from torch.utils.data import DataLoader, TensorDataset

            loader = DataLoader(TensorDataset(torch.zeros(4, 2)), num_workers=1)
            print(len(loader))

            if __name__ == "__main__":
                print(next(iter(loader)))
            """),
    ]


def _is_some(workers: ast.expr, facts: Facts) -> bool:
    count = facts.literal(workers)
    return isinstance(count, int) and count > 0 or isinstance(workers, ast.Call) and facts.name(workers.func) in _COUNTS


def _is_iterated_on_import(call: ast.Call, facts: Facts) -> bool:
    """Whether importing the file comes to a loop over this loader, in the block that makes it or in one it is given to."""
    block = next(filter(_is_function, facts.around(call)), facts.source.tree)
    parent = facts.parent(call)
    names = [each.id for each in parent.targets if isinstance(each, ast.Name)] if isinstance(parent, ast.Assign) else []
    run = list(_run_on_import(facts.source.tree))
    blocks = [block, *run] if block is facts.source.tree else [block]
    return block in run and any(_iterates(each, call, names, facts.source.tree) for each in blocks)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def _run_on_import(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and the functions that importing it calls, by their names."""
    functions = _functions(tree)
    todo: list[ast.AST] = [tree]
    while todo:
        yield (block := todo.pop())
        for node in _own(block):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                todo.append(functions.pop(node.func.id))


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _own(block: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run with a block: not its functions, nor what a main guard keeps from an import."""
    for child in ast.iter_child_nodes(block):
        if not _is_function(child) and not (isinstance(child, ast.If) and "__name__" in ast.unparse(child.test)):
            yield child
            yield from _own(child)


def _iterates(block: ast.AST, call: ast.Call, names: list[str], tree: ast.Module) -> bool:
    """Whether a block loops over the loader: in a ``for``, by ``iter`` or ``list``, or in a function it is given to."""
    functions = _functions(tree)
    for node in _own(block):
        if isinstance(node, (ast.For, ast.comprehension)):
            if any(_is_it(part, call, names) for part in (node.iter, *getattr(node.iter, "args", ()))):
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = [position for position, part in enumerate(node.args) if _is_it(part, call, names)]
            if given and node.func.id in ("iter", "list"):
                return True
            if given and (function := functions.get(node.func.id)) is not None and function is not block:
                taken = [each.arg for each in function.args.args[given[0] : given[0] + 1]]
                return bool(taken) and _iterates(function, call, taken, ast.Module([], []))
    return False


def _is_it(node: ast.expr, call: ast.Call, names: list[str]) -> bool:
    return node is call or isinstance(node, ast.Name) and node.id in names

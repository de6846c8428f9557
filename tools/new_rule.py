"""Starts a new rule: ``python tools/new_rule.py MPS204 load-without-map-location`` writes one file in rules/.

What is left to fill in says TODO. The tests refuse the rule until it has examples that prove it.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONCE_PORTED = "345"  # hundreds of the codes that are decided once the GPU is MPS; see "Two worlds" in CONTRIBUTING.md

TEMPLATE = '''\
"""TODO: the pattern found, in one sentence.

## Why it breaks on MPS
TODO: what a Mac does, with its error text word for word.

## Use instead
TODO: code that runs on CUDA, on MPS and on the CPU.

## Fix safety
TODO: what the rewrite could change.

## Sources
TODO: where this was read, with the release of torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding
from ..rule import Example, Raises, Rule, Severity, World, calls

if TYPE_CHECKING:
    from ..facts import Facts


class {class_name}(Rule):
    code = "{code}"
    name = "{name}"
    severity = Severity.ERROR
    world = World.{world}
    since = "{since}"
    where = calls("torch.TODO")
    expect = Raises(RuntimeError, "TODO")

    def check(self, call: ast.Call, facts: Facts) -> Iterator[Finding]:
        if not facts.guarded(call):
            yield self.finding(facts.source.token(call.func), "TODO: what breaks; what to write")

    bad = [  # at least three spellings
        Example("""
            import torch

            torch.TODO()
            ^^^^^^^^^^ {code}
            """),
    ]
    good = [  # at least three near misses
        Example("""
            import torch

            torch.zeros(2)
            """),
    ]
'''


def write_rule(code: str, name: str, folder: Path, since: str) -> Path:
    """Writes the file of a new rule and returns it. Raises ValueError for a bad or a used code or name."""
    if not re.fullmatch(r"MPS[1-9]\d\d", code):
        raise ValueError(f"{code!r} is no code: MPS and three digits, the first not 0")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", name):
        raise ValueError(f"{name!r} is no name: lower-case words joined by hyphens, saying the pattern found")
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for field, value in (("code", code), ("name", name)):
            if re.search(rf'^ +{field}\b.*"{value}"', text, re.MULTILINE):
                raise ValueError(f"{value} is taken by {path.name}")
    path = folder / f"{code.lower()}_{name.replace('-', '_')}.py"
    world = "ONCE_PORTED" if code[3] in ONCE_PORTED else "AS_WRITTEN"
    class_name = "".join(word.capitalize() for word in name.split("-"))
    text = TEMPLATE.format(class_name=class_name, code=code, name=name, world=world, since=since)
    path.write_text(text, encoding="utf-8")
    return path


def version() -> str:
    """The version of the package in this checkout."""
    text = (ROOT / "flake8_mps" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'__version__ = "(.+)"', text)[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("code", help="a code not used before: MPS and three digits")
    parser.add_argument("name", help="the pattern found, in lower-case words joined by hyphens")
    arguments = parser.parse_args()
    try:
        path = write_rule(arguments.code, arguments.name, ROOT / "rules", version())
    except ValueError as error:
        parser.error(str(error))
    print(f"{path.relative_to(ROOT)}: fill in what says TODO, then run: make test")
    return 0


if __name__ == "__main__":
    sys.exit(main())

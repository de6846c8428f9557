"""Prints how well the operator table predicts PyTorch's own expected failures on MPS, for 2.8 and every later release.

    make operator-accuracy OPERATOR_ARGS="--wheels DIR"

See operator_table/accuracy.py for what is compared, and why the figures are not blind. Needs what
update_operator_table.py needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from operator_table import evidence, wheels

FIRST = "2.8"  # wheels have a list of expectations since then


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, default=Path(tempfile.gettempdir()) / "torch-wheels", metavar="DIR")
    given = parser.parse_args(argv)
    versions = [version for version in wheels.RELEASES if wheels.is_at_least(version, FIRST)]
    found = evidence.read_all(wheels.fetch(version, given.wheels) for version in versions)
    sys.setrecursionlimit(10_000)
    from operator_table import apis

    infos = {info.name + info.variant_test_name for info in apis.op_db}
    report(found, [api for api in apis.record() if api.key in infos])
    return 0


def report(found, recorded) -> None:
    from operator_table import accuracy

    before = None
    for each in found:
        expected = accuracy.expectations(each.wheel)
        predicted = accuracy.predictions(recorded, each.release)
        whole = accuracy.compare(predicted, expected)
        print(f"{each.wheel.version}: {len(whole.compared)} OpInfos; recall {whole.recall}, precision {whole.precision}")
        if before is not None:
            was_predicted, was_expected = before
            moved = {name for name in predicted if predicted[name] != was_predicted[name]}
            changed = whole.among(moved | (expected.failing ^ was_expected.failing))
            agree = sum((name in changed.predicted) == (name in changed.expected) for name in changed.compared)
            print(f"    changed since the release before: {len(changed.compared)}, {agree} as predicted;", end=" ")
            print(f"recall {changed.recall}, precision {changed.precision}")
        for word, names in (("missed", whole.missed), ("extra", whole.extra)):
            for name in names:
                mark = " (every dtype)" if name in expected.in_every_dtype else ""
                print(f"    {word}: {name}{mark}: {accuracy.CAUSES.get(name, 'NOT EXPLAINED')}")
        before = predicted, expected


if __name__ == "__main__":
    sys.exit(main())

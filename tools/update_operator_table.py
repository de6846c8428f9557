"""Writes flake8_mps/operators/ from PyTorch's own macOS wheels.

    python tools/update_operator_table.py              # downloads the wheels that are not there (1.5 GB), then 2 minutes
    python tools/update_operator_table.py --wheels DIR # where they are, or go

Which releases: RELEASES of operator_table/wheels.py. Needs torch (the release that the tests use), PyYAML, expecttest and
scipy, and runs on any machine. What it reads and how sure that is: the modules of operator_table/, and
CONTRIBUTING.md. It stops at any difference between its sources that it does not know.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from operator_table import evidence, wheels

TABLE = Path(__file__).parents[1] / "flake8_mps" / "operators"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, default=Path(tempfile.gettempdir()) / "torch-wheels", metavar="DIR")
    parser.add_argument("--to", type=Path, default=TABLE, metavar="DIR", help="where to write (%(default)s)")
    given = parser.parse_args(argv)
    found = evidence.read_all(wheels.fetch(version, given.wheels) for version in wheels.RELEASES)
    for each in found:
        print(f"{each.wheel.version:>7}: {each.counts['yaml']} overloads by the yaml, {each.counts['library']} by the library")
    sys.setrecursionlimit(10_000)  # trees of operators are deep
    from operator_table import apis, table

    table.write(given.to, found, list(apis.record()), apis.op_db)
    size = sum(file.stat().st_size for file in given.to.glob("*.json"))
    print(f"{given.to}: {size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m flake8_mps.probe.runner.trial``: ends with 0 where this kernel lets this user put a process behind walls."""

from __future__ import annotations

import os

from .walls import Limits, enclose, separate

_STRANGER = 199_999  # a user that no system gives away


def main() -> int:
    """Tries it with one child, in a process that is there for nothing else."""
    try:
        separate()
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        enclose(Limits(), _STRANGER)
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())

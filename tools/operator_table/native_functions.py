"""What a release's native_functions.yaml says of every overload, read by that release's own torchgen.

Run as a program in a process of its own, since each release brings a torchgen of its own: prints JSON, a letter an
overload: "k" has a kernel for MPS, "c" is composed of other operators, "x" is neither. Needs PyYAML.

`structured_delegate` is resolved: `add.Tensor` has a kernel where `add.out`, to which it delegates, has one; without one it
is composed, because torchgen registers the functional form of a structured operator for every device.
Source: torchgen/model.py and torchgen/gen.py of the release.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMPOSITE = (
    "has_composite_implicit_autograd_kernel",
    "has_composite_explicit_autograd_kernel",
    "has_composite_explicit_autograd_non_functional_kernel",
)


def states(root: Path) -> dict[str, str]:
    """The letter of each overload in the release unpacked at `root`. Raises CalledProcessError."""
    command = [sys.executable, __file__, str(root)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def read(root: Path) -> dict[str, str]:
    sys.path.insert(0, str(root))
    from torchgen.gen import parse_native_yaml
    from torchgen.model import DispatchKey

    folder = root / "torchgen/packaged/ATen/native"
    parsed = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    kernels = parsed.backend_indices[DispatchKey.MPS].index

    def state(function) -> str:
        if function.func.name in kernels or function.structured_delegate in kernels:
            return "k"
        composed = any(getattr(function, question, False) for question in COMPOSITE)
        return "c" if composed or function.structured_delegate is not None else "x"

    return {str(function.func.name): state(function) for function in parsed.native_functions}


if __name__ == "__main__":
    json.dump(read(Path(sys.argv[1])), sys.stdout)

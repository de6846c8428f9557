"""Evidence: what the examples of the rules really do where PyTorch has no CUDA.

Much of what a Mac raises is raised in Python files that are the same in the wheel for Linux without CUDA. Such an
example says ``same_on_linux`` and proves itself here: it runs as ``example.py`` in a folder of its own, and what it
raised, or on which devices it computed, is compared with what the rule expects.

Run as a script this file is the zygote: it imports torch once and forks a child for every example.
"""

from __future__ import annotations

import ast
import contextlib
import json
import multiprocessing.process
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import mock

from flake8_mps.finding import World

if TYPE_CHECKING:
    from flake8_mps.rule import Example, Expectation, Rule, checkpoint

FURTHER = Path(__file__).parent / "examples"
"""``mps103.py`` there holds further examples of MPS103, in lists named ``bad`` and ``good``."""
NOT_INSTALLED = frozenset(
    """apex bitsandbytes clip cupy diffusers flash_attn lightning pytorch_lightning pynvml safetensors tensorrt
    transformers triton ultralytics whisper xformers""".split()
)
"""Packages that the tests do without, whether or not one is installed."""
NOT_SHOWN = {
    'environ["PYTORCH_ENABLE_MPS_FALLBACK"] = "1"\n\nimport torch': "needs a process that loads torch after the variable is set",
    'torch.jit.load("clip.pt")': "needs a TorchScript file that was saved on CUDA",
    "dtype=float8_e4m3fn": "sources disagree on what MPS does with float8",
    "sources=[\"ops.cpp\", \"csrc/ops.cu\"]": "needs the sources of an extension",
}
"""By words of the example: what the emulated Mac does not show, and why."""
SECONDS = 60
"""How long one example may run."""


# --- which examples there are ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One example of one rule, with the name that tests show: ``MPS201-bad-0``."""

    rule: Rule
    kind: str
    number: int
    example: Example

    def __str__(self) -> str:
        return f"{self.rule.code}-{self.kind}-{self.number}"

    @property
    def expect(self) -> Expectation:
        return self.example.expect or self.rule.expect

    @property
    def world(self) -> World:
        """The world to run in: what fails on Linux alike fails as written, whatever the rest of its rule waits for."""
        return World.AS_WRITTEN if self.expect.same_on_linux else self.rule.world

    @property
    def not_shown(self) -> str:
        """Why no machine here can show what a Mac does with this example; empty where the emulated Mac does."""
        names = {name.partition(".")[0] for name in _imported(self.example.source)}
        if missing := sorted(names & NOT_INSTALLED):
            return f"needs {missing[0]}"
        return next((why for words, why in NOT_SHOWN.items() if words in self.example.source and self.kind == "bad"), "")


def cases(kind: str) -> list[Case]:
    """All examples of a kind, ``bad`` or ``good``, rule by rule."""
    from flake8_mps.rule import load_rules

    return [
        Case(rule, kind, number, one)
        for rule in load_rules()
        for number, one in enumerate([*getattr(rule, kind), *_further(rule, kind)])
    ]


def _further(rule: Rule, kind: str) -> list[Example]:
    """The examples beyond those of the rule's own file, which stays short enough to be read in one sitting."""
    path = FURTHER / f"{rule.code.lower()}.py"
    return runpy.run_path(str(path)).get(kind, []) if path.is_file() else []


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def pending() -> str:
    """One line on the bad examples that neither this machine nor the emulated Mac can prove, and why."""
    waiting = [case for case in cases("bad") if not case.expect.same_on_linux and case.not_shown]
    reasons: dict[str, list[str]] = {}
    for case in waiting:
        reasons.setdefault(case.not_shown, []).append(str(case))
    each = "; ".join(f"{why}: {', '.join(names)}" for why, names in sorted(reasons.items()))
    return f"evidence pending: {len(waiting)} examples that only a real Mac can prove ({each})" if waiting else ""


# --- comparing what was seen with what a rule expects ----------------------------------------------------------------


@dataclass(frozen=True)
class Observation:
    """What one run of an example did.

    ``raised`` names the type of the exception and its bases, ``line`` is the innermost one in the example itself.
    ``devices`` are those on which results of operators lived, if that was asked. ``warnings`` has a pair for each: the
    types, as for an exception, and the message.
    """

    raised: tuple[str, ...] = ()
    text: str = ""
    line: int | None = None
    devices: frozenset[str] = frozenset()
    warnings: tuple[tuple[list[str], str], ...] = ()

    def __str__(self) -> str:
        if self.raised:
            return f"{self.raised[0]} on line {self.line}: {self.text}"
        warned = "".join(f"; {types[0]}: {text}" for types, text in self.warnings)
        return f"a clean end, operators on {', '.join(sorted(self.devices)) or 'no device'}{warned}"


def disagreement(expect: Expectation, line: int | None, seen: Observation) -> str:
    """How a run differs from what was expected of it; empty when it does not."""
    from flake8_mps.rule import Raises, Runs, Warns

    if isinstance(expect, Raises):
        name = _name(expect.type)
        agrees = name in seen.raised and expect.text in seen.text and seen.line == line
        wanted = f"{name} on line {line}: {expect.text}"
    elif isinstance(expect, Warns):
        name = _name(expect.type)
        agrees = not seen.raised and any(name in types and expect.text in text for types, text in seen.warnings)
        wanted = f"a clean end and {name}: {expect.text}"
    elif isinstance(expect, Runs):
        agrees, wanted = not seen.raised, "a clean end"
    else:
        agrees = not seen.raised and seen.devices == {"cpu"}
        wanted = "a clean end, operators on cpu"
    return "" if agrees else f"expected {wanted}\nobserved {seen}"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


# --- the parent's side -----------------------------------------------------------------------------------------------


class NoEvidence(RuntimeError):
    """This machine cannot run the examples. The text says what is missing."""


class Zygote:
    """A process that has imported torch and forks a child for each example; use it in a ``with`` statement."""

    def __enter__(self) -> Zygote:
        if sys.platform not in ("linux", "darwin"):
            raise NoEvidence(f"evidence needs fork, so Linux or macOS; this is {sys.platform}")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)
        if problem := self._receive():
            self.__exit__()
            raise NoEvidence(problem)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self, source: str, given: checkpoint | None = None, *, devices: bool = False, seconds: int = SECONDS,
        world: World | None = None,
    ) -> Observation:
        """Runs a program with the file that it asks for, on the emulated Mac in that world, or on this machine as it is.

        ``devices``: note where operators compute.
        """
        with tempfile.TemporaryDirectory() as folder:
            job = {
                "source": source, "folder": folder, "devices": devices, "seconds": seconds,
                "world": world.value if world else None,
                "given": (given.path, given.device) if given else None,
            }
            print(json.dumps(job), file=self._process.stdin, flush=True)
            seen = self._receive()
        return Observation(
            tuple(seen["raised"]), seen["text"], seen["line"], frozenset(seen["devices"]),
            tuple((types, text) for types, text in seen["warnings"]),
        )

    def _receive(self) -> Any:
        if line := self._process.stdout.readline():
            return json.loads(line)
        raise NoEvidence(f"the process that runs examples ended with status {self._process.wait()}")


# --- the zygote's side -----------------------------------------------------------------------------------------------


def serve() -> None:
    """Tells whether examples can run here, then answers each job, a line of JSON, with an observation."""
    try:
        import torch
    except ImportError as error:
        return _answer(f"evidence needs PyTorch, the CPU build: {error}")
    if torch.version.cuda or torch.version.hip:
        return _answer(f"evidence needs a PyTorch without CUDA; this is {torch.__version__}")
    from flake8_mps.probe import emulator  # noqa: F401  with what a mode would import in every child anew

    torch.set_num_threads(1)
    _answer("")
    for line in sys.stdin:
        _answer(_in_child(json.loads(line)))


def _answer(value: object) -> None:
    print(json.dumps(value), flush=True)


def _in_child(job: dict[str, Any]) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _be_child(job, writer)
    os.close(writer)
    with open(reader) as answers:
        line = answers.readline()
    _, status = os.waitpid(child, 0)
    if line:
        return json.loads(line)
    limit = os.waitstatus_to_exitcode(status) == -signal.SIGALRM
    return _seen(text=f"ran for more than {job['seconds']} s" if limit else "died", raised=["evidence.NoAnswer"])


def _be_child(job: dict[str, Any], writer: int) -> NoReturn:
    """Runs one example, and leaves without the cleaning up that belongs to the zygote."""
    try:
        signal.alarm(job["seconds"])
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(silence, stream)
        os.chdir(job["folder"])
        seen = _observe(job)
    except BaseException:
        seen = _seen(text=traceback.format_exc(), raised=["evidence.NoAnswer"])
    os.write(writer, json.dumps(seen).encode() + b"\n")
    os._exit(0)


def _seen(**what: Any) -> dict[str, Any]:
    return {"raised": [], "text": "", "line": None, "devices": [], "warnings": []} | what


def _observe(job: dict[str, Any]) -> dict[str, Any]:
    if job["given"]:
        _write_checkpoint(*job["given"])
    Path("example.py").write_text(job["source"], encoding="utf-8")
    sys.argv = ["example.py"]
    sys.path.insert(0, os.getcwd())
    devices: set[str] = set()
    watching = _watching(devices) if job["devices"] else contextlib.nullcontext()
    with _machine(job["world"]), watching, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            runpy.run_path("example.py", run_name="__main__")
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == "example.py"]
            return _seen(
                raised=[_name(kind) for kind in type(error).__mro__],
                text=str(error),
                line=lines[-1] if lines else None,
            )
    said = [([_name(kind) for kind in warning.category.__mro__], str(warning.message)) for warning in warned]
    return _seen(devices=sorted(devices), warnings=said)


@contextlib.contextmanager
def _machine(world: str | None) -> Iterator[None]:
    """The emulated Mac, where processes are spawned as on a real one; or this machine as it is."""
    if world is None:
        yield
        return
    from flake8_mps.probe import emulator

    multiprocessing.process.ORIGINAL_DIR = os.getcwd()
    multiprocessing.set_start_method("spawn", force=True)
    with emulator.machine("mps", ported=World(world) is World.ONCE_PORTED):
        yield


def _write_checkpoint(path: str, device: str) -> None:
    """A file as it would be had its tensor been saved from ``device``: only the tag of the storage tells."""
    import torch

    tag = "cuda:0" if device == "cuda" else device
    with mock.patch("torch.serialization.location_tag", lambda storage: tag):
        torch.save({"weight": torch.zeros(2)}, path)


@contextlib.contextmanager
def _watching(devices: set[str]) -> Iterator[None]:
    """Notes the device of every tensor that an operator returns."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            result = operator(*args, **(kwargs or {}))
            devices.update(leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
            return result

    with Watch():
        yield


if __name__ == "__main__":
    serve()

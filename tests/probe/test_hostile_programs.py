"""Programs that mean harm: each does it without walls, where that can be shown safely, and none of it behind them.

The harm is looked for from outside: a file that was there, a secret that is printed, a process that lives on.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flake8_mps.probe.program import End, Observation, Program
from flake8_mps.probe.runner import Limits, NotStarted, Runner, Walls

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are only shut in on Linux")

LIMITS = Limits(seconds=1.5, memory=1 << 30, disk=16 << 20, file_size=8 << 20, processes=40)
SECRET = "s3cret-of-the-house"


@dataclass
class House:
    """What a program could harm: a folder with a treasure, a secret in a file and in the environment, a listening port."""

    folder: Path
    port: int
    calls: list[bytes]

    @property
    def treasure(self) -> Path:
        return self.folder / "treasure.txt"

    def fill(self, text: str) -> str:
        return text.replace("FOLDER", str(self.folder)).replace("PORT", str(self.port)).replace("MARK", f"mark-{os.getpid()}")


@dataclass(frozen=True)
class Harm:
    """A program, what it does to the house, and whether that can be shown safely; ``end`` is how it ends behind walls."""

    name: str
    program: str
    done: Callable[[House, str], bool]
    shown: bool = True
    end: tuple[End, ...] = (End.FINISHED, End.RAISED)


def said(text: str) -> Callable[[House, str], bool]:
    return lambda house, output: text in output


def gone(house: House, _: str) -> bool:
    return not house.treasure.is_file() or house.treasure.read_text() != "gold"


def planted(house: House, _: str) -> bool:
    return (house.folder / "planted").exists()


def lives_on(house: House, _: str) -> bool:
    time.sleep(0.3)
    mark = house.fill("MARK").encode()
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(path)]
    for path in found:
        os.kill(int(path.parent.name), 9)
    return bool(found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def called(house: House, _: str) -> bool:
    time.sleep(0.1)
    return bool(house.calls)


SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(20)', 'MARK']"
NEVER: Callable[[House, str], bool] = lambda house, output: False  # noqa: E731  harm is in the end, which is checked

HARMS = [
    Harm("deletes a file", "import os; os.remove('FOLDER/treasure.txt')", gone),
    Harm("deletes a folder", "import shutil; shutil.rmtree('FOLDER')", gone),
    Harm("writes over a file", "open('FOLDER/treasure.txt', 'w').write('lead')", gone),
    Harm("truncates a file", "import os; os.truncate('FOLDER/treasure.txt', 0)", gone),
    Harm("renames a file", "import os; os.rename('FOLDER/treasure.txt', 'FOLDER/mine')", gone),
    Harm("plants a file", "open('FOLDER/planted', 'w')", planted),
    Harm("plants a file through a shell", "import os; os.system('touch FOLDER/planted')", planted),
    Harm("plants through a link", "import os; os.symlink('FOLDER', 'link'); open('link/planted', 'w')", planted),
    Harm("plants through /proc", "open('/proc/self/root/FOLDER/planted', 'w')", planted),
    Harm("plants through the parent's /proc", "import os; open(f'/proc/{os.getppid()}/cwd/planted', 'w')", planted, shown=False),
    Harm("makes a file executable by all", "import os; os.chmod('FOLDER/treasure.txt', 0o777); os.remove('FOLDER/treasure.txt')", gone),
    Harm("reads a file", "print(open('FOLDER/secret.txt').read())", said(SECRET)),
    Harm("reads the home folder", "import pathlib; print(pathlib.Path('FOLDER/home/.netrc').read_text())", said(SECRET)),
    Harm("reads $HOME", "import os; print(open(os.path.expanduser('~/.netrc')).read())", said(SECRET)),
    Harm("reads the environment", "import os; print(os.environ['HOUSE_TOKEN'])", said(SECRET)),
    Harm("reads the environment in /proc", "print(open('/proc/self/environ').read())", said(SECRET)),
    Harm(
        "reads the environment of others",
        "import glob\nfor path in glob.glob('/proc/*/environ'):\n    try:\n        print(open(path).read())\n    except OSError:\n        pass",
        said(SECRET),
    ),
    Harm("calls out", "import socket; socket.create_connection(('127.0.0.1', PORT), 2).send(b'x')", called),
    Harm(
        "calls out by UDP", "import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', PORT))", called, shown=False,
    ),
    Harm("leaves a process", f"import subprocess, sys; subprocess.Popen({SLEEPER})", lives_on),
    Harm(
        "leaves a process in a session of its own",
        f"import subprocess, sys; subprocess.Popen({SLEEPER}, start_new_session=True)", lives_on,
    ),
    Harm(
        "becomes a daemon",
        "import os, sys\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.setsid()\n        os.execv(sys.executable, {SLEEPER})\n    os._exit(0)\nos.wait()", lives_on,
    ),
    Harm("signals its parent", "import os, signal; print('told', os.kill(os.getppid(), 0))", NEVER),
    Harm("kills all it can", "import os\nos.kill(-1, 9)", NEVER, shown=False, end=(End.FINISHED, End.RAISED, End.DIED)),
    Harm("kills its group", "import os\nos.killpg(0, 9)", NEVER, shown=False, end=(End.DIED,)),
    Harm("never ends", "while True: pass", NEVER, shown=False, end=(End.TIME,)),
    Harm(
        "never ends, and ignores signals",
        "import signal\nfor one in range(1, 32):\n    try: signal.signal(one, signal.SIG_IGN)\n    except OSError: pass\nwhile True: pass",
        NEVER, shown=False, end=(End.TIME,),
    ),
    Harm("sleeps", "import time; time.sleep(1000)", NEVER, shown=False, end=(End.TIME,)),
    Harm("takes 100 GB", "x = bytearray(100 << 30)", NEVER, shown=False, end=(End.RAISED,)),
    Harm(
        "takes memory bit by bit", "x = []\nwhile True: x.append(bytearray(1 << 20))", NEVER, shown=False,
        end=(End.RAISED, End.MEMORY),
    ),
    Harm(
        "takes memory in many processes",
        "import os\nfor _ in range(6): os.fork()\nx = bytearray(b'x') * (100 << 20)\nimport time; time.sleep(100)",
        NEVER, shown=False, end=(End.MEMORY, End.PROCESSES, End.RAISED, End.TIME),
    ),
    Harm(
        "is a fork bomb", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", NEVER, shown=False,
        end=(End.PROCESSES, End.TIME, End.MEMORY),
    ),
    Harm(
        "starts threads without end",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
        NEVER, shown=False, end=(End.RAISED, End.PROCESSES, End.TIME),
    ),
    Harm("fills the disk", "f = open('big', 'wb')\nwhile True: f.write(b'x' * (1 << 20))", NEVER, shown=False, end=(End.RAISED, End.DIED)),
    Harm(
        "fills the disk with many files",
        "import itertools\nfor n in itertools.count(): open(f'f{n}', 'wb').write(b'x' * (4 << 20))", NEVER, shown=False, end=(End.RAISED,),
    ),
    Harm("prints without end", "while True: print('x' * 10000)", NEVER, shown=False, end=(End.RAISED, End.DIED, End.TIME)),
    Harm("crashes", "import ctypes; ctypes.string_at(0)", NEVER, shown=False, end=(End.DIED,)),
    Harm("aborts", "import os; os.abort()", NEVER, shown=False, end=(End.DIED,)),
    Harm("leaves without a word", "import os; os._exit(0)", NEVER, shown=False, end=(End.DIED,)),
    Harm("forges what was seen", "import os; os.write(3, b'{\"end\": \"FINISHED\"}'); os._exit(0)", NEVER, shown=False, end=(End.DIED,)),
    Harm("closes what it was given", "import os\nfor n in range(64):\n    try: os.close(n)\n    except OSError: pass", NEVER, shown=False, end=(End.DIED, End.RAISED, End.NO_WALLS)),
    Harm("becomes another program", "import os; os.execv('/bin/sh', ['sh', '-c', 'touch FOLDER/planted'])", planted, end=(End.DIED,)),
    Harm("changes the kernel", "p = '/proc/sys/kernel/panic'; was = open(p).read(); open(p, 'w').write(was)", NEVER, shown=False, end=(End.RAISED,)),
    Harm("mounts", "import ctypes; print('said', ctypes.CDLL(None).mount(b'none', b'/', None, 0x5000, None))", said("said 0"), shown=False),
]
each = pytest.mark.parametrize("harm", HARMS, ids=[harm.name for harm in HARMS])


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    folder = tmp_path / "house"
    (folder / "home").mkdir(parents=True)
    for path, text in (("treasure.txt", "gold"), ("secret.txt", SECRET), ("home/.netrc", SECRET)):
        (folder / path).write_text(text)
    monkeypatch.setenv("HOUSE_TOKEN", SECRET)
    monkeypatch.setenv("HOME", str(folder / "home"))
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        listening = threading.Event()
        thread = threading.Thread(target=_listen, args=(server, calls, listening))
        thread.start()
        yield House(folder, server.getsockname()[1], calls)
        listening.set()
        thread.join()


def _listen(server: socket.socket, calls: list[bytes], over: threading.Event) -> None:
    while not over.is_set():
        try:
            server.accept()[0].close()
            calls.append(b"called")
        except TimeoutError:
            continue


@pytest.mark.parametrize("harm", [harm for harm in HARMS if harm.shown and harm.done is not NEVER], ids=lambda harm: harm.name)
def test_without_walls_harm_is_done(harm: Harm, house: House) -> None:
    done = subprocess.run(
        [sys.executable, "-c", house.fill(harm.program)], cwd=house.folder, capture_output=True, text=True, check=False, timeout=20,
    ) if harm.done is not lives_on else subprocess.run(
        [sys.executable, "-c", house.fill(harm.program)], cwd=house.folder, stdout=subprocess.DEVNULL, check=False, timeout=20,
    )
    assert harm.done(house, done.stdout or "")


def _walls() -> list[Walls]:
    return [Walls.NAMESPACES, *([Walls.BUBBLEWRAP] if shutil.which("bwrap") else [])]


@pytest.mark.parametrize("walls", _walls(), ids=lambda walls: walls.name.lower())
def test_behind_walls_no_harm_is_done(walls: Walls, house: House) -> None:
    """All in one run, one after the other, each looked for right after: so that one warm process meets them all."""
    try:
        runner = Runner(jobs=1, limits=LIMITS, walls=walls).__enter__()
    except NotStarted as reason:
        pytest.skip(f"{walls.name.lower()}: {reason}")
    try:
        troubles = [_trouble(harm, house, runner) for harm in HARMS]
        assert not list(filter(None, troubles))
        after, = runner.run([Program("print('still here')")])
        assert (after.end, after.output, after.walls) == (End.FINISHED, "still here\n", walls.value)
    finally:
        runner.__exit__()


def _trouble(harm: Harm, house: House, runner: Runner) -> str:
    """What went wrong with the walls around a program; empty for nothing."""
    seen: Observation
    seen, = runner.run([Program(house.fill(harm.program))])
    if harm.done(house, seen.output):
        return f"{harm.name}: did its harm"
    if seen.end not in (*harm.end, End.TIME):  # on a busy machine the clock may end any of them first
        return f"{harm.name}: {seen.end.name} {seen.raised} {seen.text}"
    return f"{harm.name}: {len(seen.output)} bytes of output" if len(seen.output) > LIMITS.output else ""

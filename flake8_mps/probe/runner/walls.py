"""The walls around a program that nobody has read: what it can see, write, reach and leave behind.

Built where the kernel gives a process namespaces of its own: the program finds a root of its own that holds Python and its
packages, read-only, and an empty folder in memory to work in; no network but its own loopback; no process but its own; the
first of them takes all others along when it dies.
"""

from __future__ import annotations

import enum
import os
import resource
import site
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from . import linux

WORK = "/sandbox"
"""The program's own folder: its working folder, its home and its place for temporary files."""

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TO_REPORT = 128 << 20
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")  # root's to write, in any namespace
_DEVICES = ("null", "zero", "full", "random", "urandom")
_BASE, _OLD, _NEW = "/tmp", "/old", "/new"  # any folder that is there, and the roots before and after, below it
_NAMESPACES = (
    linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
)


class Walls(enum.Enum):
    """What keeps a program in. ``AUTO`` takes namespaces where the kernel gives them, else bubblewrap, else refuses."""

    AUTO = "auto"
    NAMESPACES = "namespaces of its own: no network, a root in memory, no capability"
    BUBBLEWRAP = "bubblewrap around all runs: no network, a root in memory"
    NONE = "nothing but limits"


@dataclass(frozen=True)
class Limits:
    """What one run may use: seconds of wall time, bytes, processes and threads. Output beyond ``output`` is cut."""

    seconds: float = 20.0
    memory: int = 2 << 30
    file_size: int = 64 << 20
    disk: int = 128 << 20
    processes: int = 64
    output: int = 64 << 10

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def separate() -> None:
    """Namespaces of their own for the next child of this process, which runs one thread. Raises OSError.

    Root needs no user namespace, and is better off without: its child becomes a user that owns nothing (`enclose`).
    """
    user, group = os.getuid(), os.getgid()
    linux.unshare(_NAMESPACES if user == 0 else _NAMESPACES | linux.CLONE_NEWUSER)
    if user != 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def enclose(limits: Limits, stranger: int) -> None:
    """For the first process of new namespaces: a root of its own, nothing of ours to write, no capability. Raises OSError.

    ``stranger`` is the user and group that root becomes; nobody else becomes another.
    """
    folders, owner = python_folders(), stranger if os.getuid() == 0 else os.getuid()
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", _BASE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m")
    os.mkdir(_BASE + _OLD)
    os.mkdir(_BASE + _NEW)
    linux.pivot_root(_BASE, _BASE + _OLD)
    os.chdir("/")
    linux.mount("tmpfs", _NEW, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    _show(folders)
    _furnish(limits, owner)
    linux.unmount(_OLD)
    linux.read_only(_NEW, below=False)
    linux.change_root(_NEW)
    linux.drop_bounding_set()
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(stranger, stranger, stranger)
        os.setresuid(stranger, stranger, stranger)
    linux.drop_capabilities()
    os.chdir(WORK)


def bubblewrap(program: str, limits: Limits) -> list[str]:
    """The command that runs another with bubblewrap's walls around it, the program's own folder as working folder."""
    command = [program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for path in (*_SYSTEM, *python_folders()):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path in filter(os.path.exists, _KERNEL):
        command += ["--ro-bind", path, path]
    for path in (WORK, "/dev/shm"):
        command += ["--size", str(limits.disk), "--tmpfs", path]
    return [*command, "--chdir", WORK, "--setenv", "TMPDIR", WORK, "--setenv", "HOME", WORK, "--"]


def _show(folders: list[str]) -> None:
    """What of the old root the program sees, read-only: the system's libraries and Python's folders."""
    for path in (*_SYSTEM, *folders):
        old, new = _OLD + path, _NEW + path
        if os.path.islink(old):
            os.makedirs(os.path.dirname(new), exist_ok=True)
            if not os.path.lexists(new):
                os.symlink(os.readlink(old), new)
        elif os.path.exists(old) and not os.path.exists(new):
            _place(new, os.path.isdir(old))
            linux.mount(old, new, None, linux.MS_BIND | linux.MS_REC)
            linux.read_only(new)


def _furnish(limits: Limits, owner: int) -> None:
    """Devices without power, processes of its own, and an empty folder in memory."""
    for name in _DEVICES:
        _place(f"{_NEW}/dev/{name}", folder=False)
        linux.mount(f"{_OLD}/dev/{name}", f"{_NEW}/dev/{name}", None, linux.MS_BIND)
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{_NEW}/dev/{link}")
    for path in (WORK, "/dev/shm"):
        _place(_NEW + path, folder=True)
        linux.mount("tmpfs", _NEW + path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"size={limits.disk},mode=700,uid={owner}")
    if not os.path.exists(f"{_NEW}/tmp"):  # Python may live below it
        os.symlink(WORK, f"{_NEW}/tmp")
    _place(f"{_NEW}/proc", folder=True)
    linux.mount("proc", f"{_NEW}/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def _place(path: str, folder: bool) -> None:
    """Something to mount over."""
    os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
    if not folder:
        open(path, "w").close()


def restrict(limits: Limits) -> None:
    """Limits of the kernel's own for this process and those it starts; no core dump."""
    addresses = _mapped() + limits.memory
    for kind, soft, hard in (
        (resource.RLIMIT_FSIZE, limits.file_size, limits.file_size),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, limits.processes, limits.processes),
        (resource.RLIMIT_AS, addresses, addresses + _TO_REPORT),
    ):
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def relax() -> None:
    """Room for a process that has used up its memory to say so."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def python_folders() -> list[str]:
    """The folders that Python reads its library and packages from, outermost only; never a home folder or the root."""
    paths = [_PACKAGE, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *site.getsitepackages(), *sys.path]
    found = {os.path.abspath(path) for path in paths if path and os.path.isabs(path) and os.path.isdir(path)}
    found -= {"/", os.path.expanduser("~"), *_ancestors(os.path.expanduser("~"))}
    real = found | {os.path.realpath(path) for path in found}
    return sorted(path for path in real if not any(other in real for other in _ancestors(path)))


def _ancestors(path: str) -> Iterator[str]:
    while path != (path := os.path.dirname(path)):
        yield path


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _mapped() -> int:
    """The bytes of addresses that this process has mapped already: torch alone maps gigabytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

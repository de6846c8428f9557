"""The few system calls of Linux that put a process into namespaces of its own, and that Python has no name for.

Numbers and flags are those of ``linux/sched.h``, ``linux/mount.h``, ``linux/prctl.h`` and ``linux/capability.h``. Every
function raises OSError, naming the call, where the kernel refuses.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 0x1, 0x2, 0x4
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_MOUNT_SETATTR = 442  # the same on every architecture since Linux 5.12

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_CAPABILITIES = 64
_CAPABILITY_VERSION_3 = 0x20080522


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """New namespaces for this process; a new PID namespace holds its next child."""
    _check(_libc().unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """``mount(2)``; ``kind`` is the filesystem's type, None for a bind."""
    arguments = (source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), data.encode() or None)
    _check(_libc().mount(*arguments), f"mount {target}")


def read_only(target: str, below: bool = True) -> None:
    """Makes a mount, and all mounts below it, read-only, without devices and set-uid programs."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0, 0)
    flags, size = AT_RECURSIVE if below else 0, ctypes.sizeof(attributes)
    result = _libc().syscall(_SYS_MOUNT_SETATTR, AT_FDCWD, target.encode(), flags, attributes, size)
    _check(result, f"mount_setattr {target}")


def pivot_root(new: str, old: str) -> None:
    """Makes the mount ``new`` the root, and the folder ``old`` in it the place of the root before."""
    _check(_libc().syscall(_SYS_PIVOT_ROOT[os.uname().machine], new.encode(), old.encode()), "pivot_root")


def change_root(folder: str) -> None:
    """Makes the mount ``folder`` the root; what was the root is gone."""
    os.chdir(folder)
    pivot_root(".", ".")
    unmount(".")
    os.chdir("/")


def unmount(target: str) -> None:
    """Takes a mount away, now or as soon as nobody uses it."""
    _check(_libc().umount2(target.encode(), MNT_DETACH), f"umount {target}")


def prctl(option: int, argument: int = 0) -> None:
    """``prctl(2)`` with one argument."""
    _check(_libc().prctl(option, ctypes.c_ulong(argument), 0, 0, 0), "prctl")


def drop_bounding_set() -> None:
    """No program that is executed from now on gains a capability."""
    for capability in range(_CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last that this kernel knows


def drop_capabilities() -> None:
    """Leaves this process, and what it executes, without any capability, for good."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(_libc().capset(header, none), "capset")

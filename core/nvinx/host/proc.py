"""Processes as /proc shows them; the only file that reads them.

A process that is gone, or that belongs to somebody else, shows nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.host.locks import lock_alone

if TYPE_CHECKING:
    from collections.abc import Iterator

# Positions in /proc/PID/stat once "pid (name) " has been cut off; see proc_pid_stat(5).
_STATE, _PARENT, _FLAGS, _STARTED, _VIRTUAL_SIZE = 0, 1, 6, 19, 20
_STACK, _ARGUMENTS, _ENVIRONMENT, _ENVIRONMENT_END = 25, 45, 47, 48
_FILE_NAME = 31  # AT_EXECFN of the auxiliary vector
_OF_KERNEL = 0x00200000  # PF_KTHREAD; the kernel's own processes never become a program
_NOT_BY_CHANCE = 0x0040000  # ADDR_NO_RANDOMIZE; see personality(2)
_PIECE = 1 << 16
_SHORT = 1 << 12  # what is no longer than a page comes in one piece
INITIAL_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of the kernel; from there all processes are seen


def pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def entries() -> dict[int, int]:
    """All processes, each with the number of its folder's inode: another process has another."""
    with os.scandir("/proc") as folder:
        return {int(entry.name): entry.inode() for entry in folder if entry.name.isdigit()}


def environment(pid: int) -> bytes:
    """NAME=VALUE pairs that end with NUL, as of when the process started its program."""
    return _read(pid, "environ")


def command_line(pid: int) -> bytes:
    """Words that end with NUL; empty also for a process inside `execve`, and for the kernel's."""
    return _read(pid, "cmdline")


def groups() -> bytes:
    """The cgroups of this process, one a line, as in cgroups(7)."""
    return _read(os.getpid(), "cgroup")


def namespace() -> int:
    """Which processes we see: the number of our PID namespace, another one in a container."""
    with suppress(OSError):
        return os.stat("/proc/self/ns/pid").st_ino
    return INITIAL_NAMESPACE


def name(pid: int) -> str:
    """What its program calls itself, as text of any kind."""
    return _read(pid, "comm").decode(errors="replace").strip() or "?"


def open_files(pid: int) -> Iterator[tuple[int, str]]:
    """Its descriptors and the paths of what they are open on, deleted ones marked as such."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for number in os.listdir(folder):
            with suppress(OSError):
                yield int(number), os.readlink(f"{folder}/{number}")


def is_locked(pid: int, number: int) -> bool:
    """Whether anybody holds a `flock` on the file of this descriptor, deleted or not."""
    with suppress(OSError):
        fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return not lock_alone(fd)
        finally:
            os.close(fd)
    return False


def catches(pid: int, number: int) -> bool:
    """Whether its program has a handler for this signal; see proc_pid_status(5)."""
    for line in _read(pid, "status").splitlines():
        name, _, value = line.partition(b":")
        if name == b"SigCgt":
            return bool(int(value, 16) >> (number - 1) & 1)
    return False


def parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else None


def started(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone."""
    fields = _stat(pid)
    return int(fields[_STARTED]) if fields else None


class Program(Struct, frozen=True):
    """What a process runs: when it started, and where its memory begins, as the kernel writes it.

    The kernel draws the addresses by chance when a program starts, so another program has others.
    They are hidden, as zeros, for processes that we may not look into. has_memory: one of the
    kernel's, or one that ended, has none.
    """

    started: bytes
    has_memory: bool
    stack: bytes
    arguments: bytes
    environment: bytes
    environment_end: bytes
    is_kernels: bool

    @property
    def shows_addresses(self) -> bool:
        return self.environment != b"0"


def program(pid: int) -> Program | None:
    """None when the process is gone."""
    fields = _stat(pid)
    if not fields:
        return None
    return Program(
        fields[_STARTED],
        fields[_VIRTUAL_SIZE] != b"0",
        fields[_STACK],
        fields[_ARGUMENTS],
        fields[_ENVIRONMENT],
        fields[_ENVIRONMENT_END],
        bool(int(fields[_FLAGS]) & _OF_KERNEL),
    )


def has_whole_environment(pid: int, program: Program) -> bool:
    """Whether `execve` is done with laying out the program's environment, variable by variable.

    It ends where the name of the program's file begins, which is known before; in a 32-bit program,
    or where we may not look into it, nobody can tell.
    """
    vector = _read(pid, "auxv")  # pairs of words, in 64-bit programs; see getauxval(3)
    words = memoryview(vector[: len(vector) // 16 * 16]).cast("Q").tolist()
    known: dict[int, int] = dict(zip(words[::2], words[1::2], strict=True))
    return int(program.environment_end) >= known.get(_FILE_NAME, 0)


def draws_addresses(pid: int) -> bool:
    """Whether the kernel draws the addresses of this process by chance, as it usually does."""
    flags = _read(pid, "personality")
    return bool(flags) and not int(flags, 16) & _NOT_BY_CHANCE and _kernel_draws()


@cache
def _kernel_draws() -> bool:
    with suppress(OSError), open("/proc/sys/kernel/randomize_va_space", "rb") as file:
        return file.read().strip() == b"2"
    return False


def runs(pid: int) -> bool:
    """Whether there is such a process and it does not only wait to be collected."""
    fields = _stat(pid)
    return bool(fields) and fields[_STATE] not in (b"Z", b"X")


def _stat(pid: int) -> list[bytes]:
    _pid_and_name, found, rest = _read(pid, "stat").rpartition(b") ")
    return rest.split() if found else []


def _read(pid: int, name: str) -> bytes:
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, _PIECE)
            return (
                text
                if len(text) < _SHORT
                else text + b"".join(iter(partial(os.read, fd, _PIECE), b""))
            )
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""

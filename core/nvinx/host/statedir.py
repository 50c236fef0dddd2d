"""The folder that holds the machine's leases: found, made, and refused where it cannot be safe."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.errors import STATE_DIR_BY, StateDirError
from nvinx.host import user_folders
from nvinx.host.plain_files import make_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_OTHER_FOLDER = f"name a writable folder on a local disk with {STATE_DIR_BY}"
_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.ceph",
    "9p",
    "orangefs",
    "pvfs2",
}


def choose(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """The state folder in force: the option, else NVINX_STATE_DIR, else the user's state folder.

    It need not be there yet. Raises StateDirError where something else is.
    """
    named = explicit or Path(environ.get("NVINX_STATE_DIR") or user_folders.state())
    folder = named.expanduser().absolute()
    if os.path.lexists(folder) and not folder.is_dir():
        problem = "this is a file, or a link that does not lead to a folder"
        raise StateDirError(str(folder), problem, _OTHER_FOLDER)
    return folder


def prepare(folder: Path) -> Path:
    """Make the folder (for its owner alone) and try it. Raises StateDirError before any job runs.

    File locks and SQLite's write-ahead log are not reliable over a network, so a network file
    system is refused, and so is a folder in which other users could write leases: one that
    everybody may write to, or that is somebody else's and not shared with a group of ours.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _demand_safe(folder)
        _try_writing(folder)
    except OSError as error:
        problem = f"cannot write there ({error.strerror or error})"
        raise StateDirError(str(folder), problem, _OTHER_FOLDER) from error
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise StateDirError(str(folder), "is on a file system mounted noexec", _OTHER_FOLDER)
    kind = file_system(folder)
    if kind in _NETWORK:
        raise StateDirError(str(folder), f"is on a network file system ({kind})", _OTHER_FOLDER)
    return folder


def _try_writing(folder: Path) -> None:
    """Raises OSError where no file can be written there, StateDirError where locks do not work."""
    try:
        probe = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # not every file system has files without a name
        import tempfile

        probe, name = tempfile.mkstemp(dir=folder)
        os.unlink(name)
    try:
        os.write(probe, b"0" * 4096)
        os.fsync(probe)
        _demand_locks(folder, probe)
    finally:
        os.close(probe)


def _demand_locks(folder: Path, probe: int) -> None:
    """Raise StateDirError where a lock of one does not keep out another."""
    problem = "is on a file system without file locks"
    other = os.open(f"/proc/self/fd/{probe}", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(probe, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    except OSError as error:
        raise StateDirError(str(folder), f"{problem} ({error.strerror})", _OTHER_FOLDER) from error
    finally:
        os.close(other)
    raise StateDirError(str(folder), problem, _OTHER_FOLDER)


def is_shared(folder: Path) -> bool:
    """Whether a group shares the folder: it may write there, and new files get that group."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWGRP and mode & stat.S_ISGID)


def file_mode(folder: Path) -> int:
    """The rights of a new file in it: the owner's alone, or the group's too."""
    return 0o660 if is_shared(folder) else 0o600


def subfolder(folder: Path, *, shared: bool) -> Path:
    """Make a folder inside; its group may write there, too, if it is shared.

    Raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return folder
    if shared:
        _share(folder)
    return folder


def _share(folder: Path) -> None:
    """Open a folder that we just made to its group; not what somebody put there meanwhile."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            os.fchmod(fd, 0o2770)
    finally:
        os.close(fd)


def make_file(file: Path) -> None:
    """Make a file with its folder's rights, if it is not there. Raises OSError.

    One that is there is not even opened: closing it would release SQLite's own locks on it.
    """
    with suppress(FileExistsError):
        os.close(make_plain(file, file_mode(file.parent)))


def _demand_safe(folder: Path) -> None:
    found = folder.stat()
    if found.st_mode & stat.S_IWOTH:
        raise StateDirError(str(folder), "it is world-writable", f"chmod o-w {folder}")
    _demand_fixed(folder)
    ours = {os.getegid(), *os.getgroups()}
    if found.st_uid == os.geteuid() or (is_shared(folder) and found.st_gid in ours):
        return
    fix = f"{_OTHER_FOLDER}, or share it with a group of yours (chgrp GROUP, chmod 2770)"
    raise StateDirError(str(folder), f"belongs to another user (uid {found.st_uid})", fix)


def _demand_fixed(folder: Path) -> None:
    """No stranger may lead the path elsewhere: by a link, or by another folder in its place."""
    for step in (folder, *folder.parents):
        found = step.lstat()
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (0, os.geteuid()):
            problem = f"{step} is a link that another user made (uid {found.st_uid})"
            raise StateDirError(str(folder), problem, _OTHER_FOLDER)
    for step in folder.resolve().parents:
        mode = step.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            problem = f"everyone may rename entries of {step}"
            raise StateDirError(str(folder), problem, f"chmod o-w {step}, or chmod +t {step}")


def file_system(folder: Path) -> str | None:
    """The type of the file system the folder lies on, None when the machine does not tell."""
    real = folder.resolve()
    kinds = mounts()
    for parent in (real, *real.parents):
        if parent in kinds:
            return kinds[parent]
    return None


def mounts(listed: Path = Path("/proc/self/mounts")) -> dict[Path, str]:
    """Types of file systems by where they are mounted; listed: as in proc_mounts(5)."""
    found = {}
    for line in listed.read_bytes().splitlines():
        _device, place, kind, *_ = line.split(b" ")
        if b"\\" in place:  # a blank is written \040
            place = place.decode("unicode_escape").encode("latin-1")
        found[Path(os.fsdecode(place))] = kind.decode()
    return found

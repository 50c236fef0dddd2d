"""Folders where nobody but this user, and root, can put anything in place of what lies there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def make(folder: Path) -> bool:
    """Make the folder in a private one; whether it then is private, and programs in it may run.

    Raises OSError where it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not is_private(folder.parent):
        return False
    folder.mkdir(exist_ok=True, mode=0o700)
    return is_private(folder) and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def is_private(folder: Path) -> bool:
    """Whether the folder is this user's, and neither it nor one above it is anybody else's to fill.

    Each is looked at on an open descriptor, from the root down. One that others may fill is fine
    above it where it is sticky, as /tmp is: there nobody can move what is not theirs. Raises
    OSError.
    """
    names = folder.resolve().parts
    fd = os.open(names[0], _AS_FOLDER)
    try:
        for name in names[1:]:
            if not _keeps_what_is_ours(os.fstat(fd)):
                return False
            below = os.open(name, _AS_FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        found = os.fstat(fd)
        return found.st_uid == os.geteuid() and not _is_open_to_others(found)
    finally:
        os.close(fd)


def _keeps_what_is_ours(found: os.stat_result) -> bool:
    ours = found.st_uid in (0, os.geteuid())
    return ours and (bool(found.st_mode & stat.S_ISVTX) or not _is_open_to_others(found))


def _is_open_to_others(found: os.stat_result) -> bool:
    writable = found.st_mode & _WRITABLE
    if writable == stat.S_IWGRP:
        return not _is_group_of_one(found.st_gid)
    return bool(writable)


def _is_group_of_one(gid: int) -> bool:
    """Whether it is the group that many systems make for each user alone."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    name = user.pw_name
    return user.pw_gid == gid and group.gr_name == name and set(group.gr_mem) <= {name}

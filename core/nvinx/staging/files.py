"""The files behind a path."""

from __future__ import annotations

import os
import stat

from nvinx.staging.ports import File

_MOST = 1000  # files of one folder: more are a data set, not a model


def behind(path: str) -> tuple[File, ...]:
    """The file that a path names, links resolved, or the files of a folder, such as a model's.

    Empty where there is none; the folders in a folder are left out.
    """
    try:
        real = os.path.realpath(path)
        if not os.path.isdir(real):
            return _plain(real)
        names = sorted(os.listdir(real))
    except (OSError, ValueError):  # ValueError: no path can have such a character
        return ()
    inside = (os.path.realpath(os.path.join(real, name)) for name in names[:_MOST])
    return tuple(file for each in inside for file in _plain(each))


def _plain(real: str) -> tuple[File, ...]:
    try:
        status = os.stat(real)
    except OSError:
        return ()
    return (File(real, status.st_size),) if stat.S_ISREG(status.st_mode) else ()

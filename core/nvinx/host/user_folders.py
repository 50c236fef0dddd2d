"""Where this user's programs keep what is theirs, as freedesktop.org's base directories say.

A library that knows other systems too would take longer to load than a command takes to decide.
"""

from __future__ import annotations

import os
from pathlib import Path


def config() -> Path:
    """For what the user wrote."""
    return _base("XDG_CONFIG_HOME", ".config") / "nvinx"


def cache() -> Path:
    """For what can be made again."""
    return _base("XDG_CACHE_HOME", ".cache") / "nvinx"


def state() -> Path:
    """For what lasts, and is nobody's data."""
    return _base("XDG_STATE_HOME", ".local/state") / "nvinx"


def _base(variable: str, below_home: str) -> Path:
    """The variable's folder; one that does not begin at the root does not count."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / below_home

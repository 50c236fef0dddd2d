"""Packages that only some of nvinx needs, which its extras bring."""

from __future__ import annotations

import importlib
from typing import Any

from nvinx.errors import MissingExtraError


def require(module: str, extra: str, what: str, instead: str = "") -> Any:
    """The module, imported. Raises MissingExtraError where it, or what it needs, is not installed.

    what: that needs it, as the sentence begins. instead: what the user can do without it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or module).partition(".")[0]
        raise MissingExtraError(what, package, extra, instead) from error

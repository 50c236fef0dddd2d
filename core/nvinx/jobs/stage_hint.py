"""The hint that names the files to read ahead for a job. Pure."""

from __future__ import annotations

from nvinx.errors import HintError
from nvinx.formatting import value_text

HINT = "nvinx_stage"
OFF = "off"


def named(rule: str, value: object) -> tuple[str, ...] | None:
    """The paths that a rule's hint names: none for "off", None where there is no hint.

    Paths stand apart by blanks, and one with a blank in quotes, as in a shell. Raises HintError.
    """
    if value is None:
        return None
    if value == OFF:
        return ()
    import shlex

    example = f'write {HINT}="weights.bin more.bin", or {HINT}="{OFF}"'
    stated = f"{HINT}={value_text(value)}"
    if not isinstance(value, str):
        raise HintError(rule, stated, "must name files, in a string", example)
    try:
        paths = tuple(shlex.split(value))
    except ValueError:
        problem, fix = "has a quote that is not closed", "close it, or write \\' for one in a name"
        raise HintError(rule, stated, problem, fix) from None
    if not all(paths) or not paths:
        raise HintError(rule, stated, "names no file", example)
    return paths

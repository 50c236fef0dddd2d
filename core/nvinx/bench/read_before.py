"""Bench files as they were read before: loading a YAML reader is the longest part of a start."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from nvinx.bench import strict_yaml
from nvinx.bench.strict_yaml import At
from nvinx.host import files, plain_files, user_folders

if TYPE_CHECKING:
    from pathlib import Path

_PLACES = 251  # files in the cache, a prime; each has the text that came last to it
_LONGEST = 1_000_000  # letters of a text that is kept
_KEPT = (str, int, float, bool, type(None))
_ALIAS = "*"  # YAML's sign that what stands once is there any number of times
_FAILURES = (OSError, ValueError, TypeError, RecursionError, msgspec.MsgspecError)


def read(text: str, path: str) -> At | None:
    """As `strict_yaml.read`, which is asked only for a text that it was not asked for before."""
    known = _recall(text)
    if known is not None:
        return _with_places(known, path)
    root = strict_yaml.read(text, path)
    if root is not None and _ALIAS not in text and len(text) <= _LONGEST:
        _keep(text, root)
    return root


def _recall(text: str) -> Any:
    """Lines and values; None where they are not known, or an earlier reader found them."""
    with suppress(*_FAILURES):
        with open(plain_files.open_plain(_place(text)), "rb") as file:
            is_ours = os.fstat(file.fileno()).st_uid == os.geteuid()
            *of, bare = msgspec.msgpack.decode(file.read()) if is_ours else (None,)
        return bare if of == [_reader(), text] else None
    return None


def _keep(text: str, root: At) -> None:
    """Keep it where there is a place for it; a run without a cache is only slower to start."""
    with suppress(*_FAILURES):
        raw = msgspec.msgpack.encode((_reader(), text, _bare(root)))
        place = _place(text)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_bytes(raw, place)


def _place(text: str) -> Path:
    number = int.from_bytes(text.encode()) % _PLACES
    return user_folders.cache() / "yaml" / f"{number:02x}.msgpack"


def _reader() -> list[int]:
    """What tells the reader of YAML from an earlier one."""
    found = os.stat(strict_yaml.__file__)
    return [found.st_mtime_ns, found.st_size]


def _bare(at: At) -> tuple[int, Any]:
    """The line and the value alone. Raises TypeError for what would come back as another type."""
    value = at.value
    if isinstance(value, dict):
        return at.line, {_kept(key): _bare(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return at.line, [_bare(item) for item in value]
    return at.line, _kept(value)


def _kept(value: Any) -> Any:
    if type(value) not in _KEPT:
        raise TypeError(type(value))
    return value


def _with_places(bare: tuple[int, Any], path: str) -> At:
    line, value = bare
    if isinstance(value, dict):
        value = {key: _with_places(entry, path) for key, entry in value.items()}
    elif isinstance(value, list):
        value = [_with_places(item, path) for item in value]
    return At(path, line, value)

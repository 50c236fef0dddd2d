"""What was measured, one JSON line each, on disk before the next thing is measured."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from campaign.setting import Setting

Line = dict[str, Any]
NEEDS, PROBLEM = "needs", "problem"


class Records:
    """A part's lines in a file: `part`, `key`, `at`, `session`, the setting, and `data`.

    data holds what was measured, or else one word: `needs` (what this machine lacks) or `problem`
    (what went wrong; it is tried again). Raises ValueError for a file that is none of ours.
    """

    def __init__(self, path: Path, part: str, setting: Setting) -> None:
        self.path, self._part, self._setting = path, part, setting
        path.parent.mkdir(parents=True, exist_ok=True)
        self._mend()
        self.lines = read(path)

    @property
    def session(self) -> str:
        return self._setting.session

    def has(self, key: str) -> bool:
        """Whether this was measured on such a card already, or found to need what is not there.

        With other versions installed, what was lacking is looked for again.
        """
        return any(line["key"] == key and self._holds(line) for line in self.lines)

    def _holds(self, line: Line) -> bool:
        here, there = self._setting.plain(), line["setting"]
        asked = ("card", "small", "versions") if NEEDS in line["data"] else ("card", "small")
        return PROBLEM not in line["data"] and all(here[k] == there[k] for k in asked)

    def add(self, key: str, data: Mapping[str, Any]) -> Line:
        line = {
            "part": self._part,
            "key": key,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "session": self._setting.session,
            "setting": self._setting.plain(),
            "data": dict(data),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)
        return line

    def _mend(self) -> None:
        """Cut off what a crash left of a line, or the next one would be glued to it."""
        raw = self.path.read_bytes() if self.path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            os.truncate(self.path, len(whole))


def read(path: Path) -> list[Line]:
    """The lines of one file; none where it is not there. Raises ValueError for strange ones."""
    if not path.exists():
        return []
    lines = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines, start=1):
        if not {"part", "key", "setting", "session", "data"} <= line.keys():
            raise ValueError(f"{path}: line {number} is no record of a measurement")
    return lines


def is_measured(line: Line) -> bool:
    """Whether its data is what was measured, and not why nothing was."""
    return not {NEEDS, PROBLEM} & line["data"].keys()


def latest(lines: Iterable[Line]) -> dict[str, Line]:
    """The last line of each key; one that measured something beats a later problem."""
    kept: dict[str, Line] = {}
    for line in lines:
        if PROBLEM not in line["data"] or line["key"] not in kept:
            kept[line["key"]] = line
    return kept

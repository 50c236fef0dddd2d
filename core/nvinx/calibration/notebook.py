"""The measurements of a calibration on disk, one JSON line each, so that none is lost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nvinx.calibration.programs import Program
from nvinx.calibration.results import Alone, Beside, Crowd, CrowdFailed, Failed
from nvinx.calibration.tasks import Group, Solo
from nvinx.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nvinx.calibration.results import Result
    from nvinx.calibration.tasks import Task

NAME = "measurements.jsonl"
_KINDS: dict[str, Callable[..., Result]] = {
    "alone": Alone,
    "beside": Beside,
    "failed": Failed,
    "crowd": Crowd,
    "crowdfailed": CrowdFailed,
}
_MAY_DIFFER = ("date",)


class Notebook:
    """Appends results to `folder/measurements.jsonl`, and finds those of an earlier start there."""

    def __init__(
        self, folder: Path, setting: Mapping[str, Any], programs: Mapping[str, Program]
    ) -> None:
        """setting: what must be the same for results to belong together, such as the card.

        Raises CalibrationError when the folder holds a calibration under another setting, or of
        another program under one of these names.
        """
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.results, head = _read(self.path)
            self.programs = self._all_programs(head, programs)
            self.first = list(programs) if head is None else list(head["first"])
            if head is not None:
                self._demand_same(head, setting)
                self._mend()
            plain = {name: program.plain() for name, program in self.programs.items()}
            if head is None or head["programs"] != plain:
                self._append({"kind": "setting", **setting, "first": self.first, "programs": plain})
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
            raise CalibrationError(str(folder), problem, "name another folder") from error

    def left(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks that have no result yet; what failed is tried again."""
        failed = (Failed, CrowdFailed)
        done = {_key(result) for result in self.results if not isinstance(result, failed)}
        return [task for task in tasks if _key(task) not in done]

    def write(self, result: Result) -> None:
        self.results.append(result)
        kind = type(result).__name__.lower()
        self._append({"kind": kind, **asdict(result)})

    def _append(self, entry: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _mend(self) -> None:
        """Cut off what a crash left of a line, or the next one would be glued to it."""
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            os.truncate(self.path, len(whole))

    def _demand_same(self, head: Mapping[str, Any], setting: Mapping[str, Any]) -> None:
        for key, value in setting.items():
            if key not in _MAY_DIFFER and head.get(key) != value:
                self._refuse(f"{key} {head.get(key)!r}, now it is {value!r}")

    def _all_programs(
        self, head: Mapping[str, Any] | None, programs: Mapping[str, Program]
    ) -> dict[str, Program]:
        """Those of earlier starts, then those that are new."""
        plain = {} if head is None else head["programs"]
        earlier = {name: Program(**entry) for name, entry in plain.items()}
        for name, program in programs.items():
            if earlier.get(name, program) != program:
                self._refuse(f"another program called {name}")
        return {**earlier, **programs}

    def _refuse(self, problem: str) -> None:
        fix = "name another folder, or delete that file to start over"
        raise CalibrationError(str(self.path), f"was measured with {problem}", fix)


def _read(path: Path) -> tuple[list[Result], dict[str, Any] | None]:
    """The results and the setting in the file; a line that a crash cut short is left out."""
    results: list[Result] = []
    head: dict[str, Any] | None = None
    if not path.exists():
        return results, head
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        try:
            entry = json.loads(line)
            kind = entry.pop("kind")
            if kind == "setting":
                head = entry
            else:
                results.append(_result(kind, entry))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem, fix = "is not a record of a calibration", "name another folder, or delete it"
            raise CalibrationError(str(path), problem, fix) from error
    return results, head


def _result(kind: str, entry: dict[str, Any]) -> Result:
    return _KINDS[kind](**{key: _frozen(value) for key, value in entry.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _key(about: Task | Result) -> tuple[object, ...]:
    if isinstance(about, Solo | Alone):
        return (about.model, about.again)
    if isinstance(about, Group | Crowd | CrowdFailed):
        return (frozenset(about.models),)
    return (frozenset((about.a, about.b)),)

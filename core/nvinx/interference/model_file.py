"""A slowdown model on disk: one JSON or YAML file."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nvinx.errors import CardMismatchError, ModelFileError
from nvinx.interference.slowdown import Measured, Provenance, SlowdownModel, Trait

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "nvinx slowdown model"
M = TypeVar("M", bound=SlowdownModel)
_YAML = (".yaml", ".yml")
_FIX = "calibrate again (nvinx calibrate), or name another file"


def save(model: SlowdownModel, path: str | Path) -> None:
    path = Path(path)
    plain = _plain(model)
    if path.suffix == ".json":
        text = json.dumps(plain, indent=1) + "\n"
    elif path.suffix in _YAML:
        import yaml

        text = yaml.safe_dump(plain, sort_keys=False, default_flow_style=None)
    else:
        raise _unknown_suffix(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def load(kind: type[M], path: str | Path, *, card: str | None = None, any_card: bool = False) -> M:
    path = Path(path)
    entries = _read(path)
    try:
        model = _model(kind, entries)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"is not a whole slowdown model ({type(error).__name__}: {error})"
        raise ModelFileError(str(path), problem, _FIX) from error
    measured_on = model.provenance.card
    if not any_card and card is not None and measured_on not in (None, card):
        raise CardMismatchError(str(path), str(measured_on), card)
    return model


def _read(path: Path) -> Any:
    if path.suffix not in (".json", *_YAML):
        raise _unknown_suffix(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ModelFileError(str(path), f"cannot be read ({reason})", _FIX) from error
    try:
        return json.loads(text) if path.suffix == ".json" else _read_yaml(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(str(path), f"cannot be understood ({error})", _FIX) from error


def _read_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _unknown_suffix(path: Path) -> ModelFileError:
    problem = f"has the suffix {path.suffix!r}, which says neither JSON nor YAML"
    return ModelFileError(str(path), problem, "name it .json, .yaml or .yml")


def _plain(model: SlowdownModel) -> dict[str, Any]:
    return {
        "kind": KIND,
        "provenance": asdict(model.provenance),
        "level": model.level,
        "noise": model.noise,
        "models": {name: asdict(trait) for name, trait in model.traits.items()},
        "measured": [
            {"of": of, "beside": beside, **asdict(measured)}
            for (of, beside), measured in model.measured.items()
        ],
        "covariance": [list(row[: k + 1]) for k, row in enumerate(model.covariance)],
    }


def _model(kind: type[M], entries: Mapping[str, Any]) -> M:
    if entries.get("kind") != KIND:
        raise ValueError(f"it has no line `kind: {KIND}`")
    traits = {str(name): _trait(trait) for name, trait in entries["models"].items()}
    return kind(
        level=_number(entries["level"]),
        noise=_number(entries["noise"]),
        traits=traits,
        covariance=_square(entries["covariance"], 1 + 2 * len(traits)),
        measured={
            (str(entry["of"]), str(entry["beside"])): _measured(entry)
            for entry in entries["measured"]
        },
        provenance=Provenance(**entries["provenance"]),
    )


def _trait(entry: Mapping[str, Any]) -> Trait:
    return Trait(_number(entry["suffers"]), _number(entry["hurts"]), int(entry["co_runs"]))


def _measured(entry: Mapping[str, Any]) -> Measured:
    slowdown, repeats = _number(entry["slowdown"]), int(entry["repeats"])
    if slowdown <= 0 or repeats < 1:
        raise ValueError(f"{entry['of']} beside {entry['beside']} was slowed down by {slowdown}")
    return Measured(slowdown, repeats)


def _square(lower: list[list[float]], size: int) -> tuple[tuple[float, ...], ...]:
    """The whole symmetric matrix from its lower triangle."""
    if [len(row) for row in lower] != list(range(1, size + 1)):
        raise ValueError(f"the covariance has not the {size} rows of a lower triangle")
    return tuple(
        tuple(_number(lower[max(k, j)][min(k, j)]) for j in range(size)) for k in range(size)
    )


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number to compute with")
    return number

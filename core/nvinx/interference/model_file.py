"""A slowdown model on disk: one JSON or YAML file."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from msgspec import DecodeError, Meta, Struct, ValidationError, convert, structs, to_builtins
from msgspec.json import decode

from nvinx.errors import CardMismatchError, ModelFileError
from nvinx.interference.groups import LEAST, MOST
from nvinx.interference.p_norm import EXPONENT
from nvinx.interference.slowdown import Measured, Provenance, SlowdownModel, Trait

_YAML = (".yaml", ".yml")
_FIX = "calibrate again (nvinx calibrate), or name another file"
_MOST = sys.float_info.max
_Finite = Annotated[float, Meta(ge=-_MOST, le=_MOST)]  # which excludes NaN, too


class _Provenance(Struct, forbid_unknown_fields=True):
    card: str | None = None
    driver: str | None = None
    date: str | None = None
    sharing: str | None = None


class _Trait(Struct):
    suffers: _Finite
    hurts: _Finite
    co_runs: int


class _Measured(Struct):
    of: str
    beside: str
    slowdown: Annotated[float, Meta(gt=0, le=_MOST)]
    repeats: Annotated[int, Meta(ge=1)]


class _Group(Struct):
    of: str
    beside: list[str]
    slowdown: Annotated[float, Meta(gt=0, le=_MOST)]
    repeats: Annotated[int, Meta(ge=1)]


class _File(Struct, omit_defaults=True):
    """What stands in a file. covariance: the lower triangle, row by row.

    exponent, groups: of three and more together; files from before have none.
    """

    kind: Literal["nvinx slowdown model"]
    provenance: _Provenance
    level: _Finite
    noise: _Finite
    models: dict[str, _Trait]
    measured: list[_Measured]
    covariance: list[list[_Finite]]
    exponent: Annotated[float, Meta(ge=LEAST, le=MOST)] = EXPONENT
    groups: list[_Group] = []


def save_slowdown_model(model: SlowdownModel, path: str | Path) -> None:
    """Write the model to a `.json`, `.yaml` or `.yml` file, whole or not at all."""
    path = Path(path)
    plain = to_builtins(_file(model))
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


def load_slowdown_model(
    path: str | Path, *, card: str | None = None, any_card: bool = False
) -> SlowdownModel:
    """Read a model. Raises ModelFileError; CardMismatchError when it is of another card.

    card: the name of the card at hand as the driver gives it; None skips the comparison.
    """
    path = Path(path)
    try:
        model = _model(_read(path))
    except (ValidationError, ValueError) as error:
        problem = f"is not a whole slowdown model ({error})"
        raise ModelFileError(str(path), problem, _FIX) from error
    measured_on = model.provenance.card
    if not any_card and card is not None and measured_on not in (None, card):
        raise CardMismatchError(str(path), str(measured_on), card)
    return model


def _read(path: Path) -> _File:
    if path.suffix not in (".json", *_YAML):
        raise _unknown_suffix(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ModelFileError(str(path), f"cannot be read ({reason})", _FIX) from error
    return _read_json(text, path) if path.suffix == ".json" else _read_yaml(text, path)


def _read_json(text: str, path: Path) -> _File:
    try:
        return decode(text, type=_File)
    except ValidationError:
        raise
    except (DecodeError, RecursionError) as error:
        raise _gibberish(path, error) from error


def _read_yaml(text: str, path: Path) -> _File:
    import yaml

    try:
        entries = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _gibberish(path, error) from error
    return convert(entries, _File)


def _gibberish(path: Path, error: Exception) -> ModelFileError:
    problem = f"cannot be understood ({' '.join(str(error).split())})"
    return ModelFileError(str(path), problem, _FIX)


def _unknown_suffix(path: Path) -> ModelFileError:
    problem = f"has the suffix {path.suffix!r}, which is neither JSON nor YAML"
    return ModelFileError(str(path), problem, "name it .json, .yaml or .yml")


def _file(model: SlowdownModel) -> _File:
    return _File(
        kind="nvinx slowdown model",
        provenance=_Provenance(**asdict(model.provenance)),
        level=model.level,
        noise=model.noise,
        models={name: _Trait(**asdict(trait)) for name, trait in model.traits.items()},
        measured=[_Measured(*pair, **asdict(seen)) for pair, seen in model.measured.items()],
        covariance=[list(row[: k + 1]) for k, row in enumerate(model.covariance)],
        exponent=model.exponent,
        groups=[
            _Group(of, list(beside), **asdict(seen)) for (of, beside), seen in model.groups.items()
        ],
    )


def _model(file: _File) -> SlowdownModel:
    return SlowdownModel(
        level=file.level,
        noise=file.noise,
        traits={name: Trait(**structs.asdict(trait)) for name, trait in file.models.items()},
        covariance=_square(file.covariance, 1 + 2 * len(file.models)),
        measured={(m.of, m.beside): Measured(m.slowdown, m.repeats) for m in file.measured},
        provenance=Provenance(**structs.asdict(file.provenance)),
        exponent=file.exponent,
        groups={
            (g.of, tuple(sorted(g.beside))): Measured(g.slowdown, g.repeats) for g in file.groups
        },
    )


def _square(lower: list[list[float]], size: int) -> tuple[tuple[float, ...], ...]:
    """The whole symmetric matrix from its lower triangle."""
    if [len(row) for row in lower] != list(range(1, size + 1)):
        raise ValueError(f"the covariance has not the {size} rows of a lower triangle")
    return tuple(tuple(lower[max(k, j)][min(k, j)] for j in range(size)) for k in range(size))

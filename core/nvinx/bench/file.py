"""The bench file on disk: where it is looked for, and how it is read."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.bench import parse as bench_parser
from nvinx.bench import read_before
from nvinx.errors import BenchError
from nvinx.host import user_folders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.bench.resolve import BenchFile
    from nvinx.interference.slowdown import SlowdownModel

NAME = "nvinx.yaml"
VARIABLE = "NVINX_BENCH"
_WORKFLOW = "workflow"
_LARGEST = 10_000_000  # bytes


def find(
    explicit: Path | None,
    workflow_dir: Path | None,
    environ: Mapping[str, str],
    here: Path | None = None,
) -> Path | None:
    """The bench file in force: the option, NVINX_BENCH, the first of `places`; or none.

    here: the working folder, if it is to be another. Raises BenchError when the option or
    NVINX_BENCH names something that is not there.
    """
    if explicit is not None:
        return _demanded(explicit, "the option names", "name a file that exists")
    if environ.get(VARIABLE):
        fix = f"name a file that exists in {VARIABLE}, or unset it"
        return _demanded(Path(environ[VARIABLE]), f"{VARIABLE} names", fix)
    return next((place for place in places(workflow_dir, here) if _is_there(place)), None)


def places(workflow_dir: Path | None = None, here: Path | None = None) -> tuple[Path, ...]:
    """Where a bench file is looked for, in this order, whoever asks.

    The working folder, the folder of the project, the one with the Snakefile, the user's own.
    workflow_dir: where the Snakefile lies; by default where Snakemake finds one.
    """
    here = Path.cwd() if here is None else here.absolute()
    flow = workflow_dir or here
    if flow == here and (snakefile := default_snakefile(here)) is not None:
        flow = snakefile.parent
    project = [flow.parent] if flow.name == _WORKFLOW else []
    folders = dict.fromkeys((here, *project, flow, user_folders.config()))
    return tuple(folder / NAME for folder in folders)


def default_snakefile(folder: Path) -> Path | None:
    """The Snakefile that Snakemake takes in a folder where none is named; None without one."""
    names = (folder / sub / name for sub in ("", _WORKFLOW) for name in ("Snakefile", "snakefile"))
    return next((path for path in names if path.is_file()), None)


def load(path: Path) -> BenchFile:
    """What the file says. Raises BenchError when it cannot be read, or has a mistake."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        text = raw.removeprefix(codecs.BOM_UTF8).decode()
    except IsADirectoryError as error:
        fix = f"name the file in it, such as {path / NAME}"
        raise BenchError(str(path), None, "this is a folder, not a file", fix) from error
    except FileNotFoundError as error:
        fix = "check the path, or write one with `nvinx init`"
        raise BenchError(str(path), None, "there is no such file", fix) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BenchError(str(path), line, "this is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise BenchError(str(path), None, problem, "make it readable for you") from error
    if len(raw) > _LARGEST:
        fix = "name a bench file; this is probably another kind of file"
        raise BenchError(str(path), None, "is larger than 10 MB, too large for a bench file", fix)
    return bench_parser.understood(read_before.read(text, str(path)), str(path))


def slowdowns(file: BenchFile) -> SlowdownModel | None:
    """The model behind the file's `interference`: read from the file it names, or fitted here.

    None where it has no co-runs.

    A relative path starts at the bench file. Raises ModelFileError when it cannot be read,
    MissingExtraError where scipy is missing, which fits co-runs.
    """
    said = file.interference
    if said is None or not (said.file or said.coruns):
        return None
    if said.file is not None:
        from nvinx.interference.model_file import load_slowdown_model

        return load_slowdown_model(Path(file.path).parent / Path(said.file).expanduser())
    from nvinx.host import extras
    from nvinx.interference.fit import fit_slowdown_model

    instead = "name a file by nvinx calibrate instead of the co-runs"
    extras.require("scipy", "calibrate", f"the `interference:` of {file.path}", instead)

    return fit_slowdown_model(said.coruns, utilisation=said.utilisation)


def _demanded(path: Path, who: str, fix: str) -> Path:
    path = path.expanduser()
    if not _is_there(path):
        raise BenchError(str(path), None, f"{who} this bench file, which does not exist", fix)
    return path


def _is_there(path: Path) -> bool:
    """Whether there is such a file. Raises BenchError where that cannot be looked at."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        problem = f"cannot be accessed ({error.strerror})"
        raise BenchError(str(path), None, problem, "make its folder readable for you") from error
    return True

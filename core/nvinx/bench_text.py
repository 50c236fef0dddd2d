"""What a bench file says: its text read strictly, every mistake with its line and its fix."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nvinx.bench import BenchFile, DeclaredGpu, headroom_error
from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOP = ("hardware", "gpus", "headroom_gb", "models", "interference")
_HARDWARE = ("vram_gb", "ram_gb", "cpu_cores", "simulated", "gpus", "headroom_gb")
_GPU = ("name", "vram_gb", "simulated", "headroom_gb")
_MODEL = (
    *("name", "vram_gb", "residency"),
    *("cpu_fallback_supported", "ram_overflow_supported", "ram_gb_needed"),
)
_LARGEST_GB = 1e6


@dataclass(frozen=True, slots=True)
class _At:
    """A value of the file and the line it stands on; lists and mappings hold more of them."""

    path: str
    line: int
    value: Any

    def error(self, problem: str, fix: str) -> BenchError:
        return BenchError(self.path, self.line, problem, fix)

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {key: at.plain() for key, at in self.value.items()}
        if isinstance(self.value, list):
            return [at.plain() for at in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class _Table:
    """A mapping whose keys are known; a key that is not there reads as None."""

    at: _At
    what: str
    entries: Mapping[str, _At]

    def gb(self, key: str) -> float | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if isinstance(at.value, bool) or not isinstance(at.value, int | float):
            fix = "write GB as a number without quotes or unit, such as 4 or 4.5"
            raise at.error(f"{key} is {_shown(at)}, not a number", fix)
        if at.value < 0:
            raise at.error(f"{key} is negative ({at.value})", "write 0 or more")
        if not at.value <= _LARGEST_GB:
            raise at.error(f"{key} is {at.value}, which is no size in GB", "write a number of GB")
        return float(at.value)

    def count(self, key: str) -> int | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if isinstance(at.value, bool) or not isinstance(at.value, int):
            raise at.error(f"{key} is {_shown(at)}, not a whole number", "write a number such as 8")
        if at.value < 1:
            raise at.error(f"{key} is {at.value}", "write 1 or more, or leave the line out")
        return at.value

    def flag(self, key: str) -> bool:
        at = self.entries.get(key)
        if at is None:
            return False
        if not isinstance(at.value, bool):
            raise at.error(f"{key} is {_shown(at)}, not true or false", "write `true` or `false`")
        return at.value

    def text(self, key: str) -> str | None:
        at = self.entries.get(key)
        if at is None:
            return None
        if not isinstance(at.value, str) or not at.value:
            raise at.error(f"{key} is {_shown(at)}, not a text", "write a text, in quotes")
        return at.value

    def items(self, key: str) -> list[_At]:
        at = self.entries.get(key)
        if at is None or at.value is None:
            return []
        if not isinstance(at.value, list):
            fix = f"start each entry under `{key}:` with a dash"
            raise at.error(f"{key} is {_shown(at)}, not a list", fix)
        return at.value


def parse(text: str, path: str) -> BenchFile:
    """What a bench file's text says. Raises BenchError with the line at the first mistake."""
    root = _read(text, path)
    if root is None or root.value is None:
        fix = "describe the bench, or delete the file and let nvinx look at the machine"
        raise BenchError(path, None, "the file is empty", fix)
    top = _table(root, "the bench file", _TOP)
    hardware = _table(top.entries.get("hardware", replace(root, value=None)), "hardware", _HARDWARE)
    gpus, lines = _gpus(hardware, _holder("gpus", top, hardware))
    for key, at in (*top.entries.items(), *hardware.entries.items()):
        lines[key] = at.line
    file = BenchFile(
        path=path,
        vram_gb=hardware.gb("vram_gb"),
        ram_gb=hardware.gb("ram_gb"),
        cpu_cores=hardware.count("cpu_cores"),
        gpus=gpus,
        headroom_gb=_holder("headroom_gb", top, hardware).gb("headroom_gb"),
        models=_models(top),
        interference=_interference(top),
        lines=lines,
    )
    _check_headroom(file)
    return file


def _holder(key: str, top: _Table, hardware: _Table) -> _Table:
    """The table where this key stands, which may not be both; if it is in neither, the top."""
    if key in top.entries and key in hardware.entries:
        problem = f"{key} stands both at the top and under hardware"
        raise hardware.entries[key].error(problem, "keep one of the two")
    return hardware if key in hardware.entries else top


def _gpus(hardware: _Table, holder: _Table) -> tuple[tuple[DeclaredGpu, ...], dict[str, int]]:
    """The declared GPUs, and the lines of what is said about them."""
    vram, flag = hardware.entries.get("vram_gb"), hardware.entries.get("simulated")
    if "gpus" in holder.entries:
        return _listed_gpus(hardware, holder)
    if vram is None and flag is not None:
        fix = "write vram_gb beside it: the size of the simulated card"
        raise flag.error("simulated says nothing without vram_gb", fix)
    vram_gb, simulated = hardware.gb("vram_gb"), hardware.flag("simulated")
    if vram is not None and vram_gb == 0 and simulated:
        raise vram.error("a simulated card of 0 GB is no card", "write its size, such as 4")
    if vram is None or not vram_gb:
        return (), {}
    return (DeclaredGpu(None, vram_gb, simulated),), {"gpus[0].vram_gb": vram.line}


def _listed_gpus(
    hardware: _Table, holder: _Table
) -> tuple[tuple[DeclaredGpu, ...], dict[str, int]]:
    for other, fix in (
        ("vram_gb", "keep the gpus list, and write vram_gb in its entries"),
        ("simulated", "write `simulated: true` in the entries of gpus"),
    ):
        if other in hardware.entries:
            raise hardware.entries[other].error(f"{other} and gpus exclude each other", fix)
    gpus: list[DeclaredGpu] = []
    lines: dict[str, int] = {}
    for position, at in enumerate(holder.items("gpus")):
        entry = _table(at, f"gpus[{position}]", _GPU, needed=("vram_gb",))
        gpus.append(_gpu(entry, {gpu.name for gpu in gpus}))
        lines |= {f"gpus[{position}].{name}": at.line for name, at in entry.entries.items()}
    if not gpus:
        fix = "leave gpus out, or write `vram_gb: 0` under hardware for a bench without a GPU"
        raise holder.entries["gpus"].error("gpus is an empty list", fix)
    return tuple(gpus), lines


def _gpu(entry: _Table, names: set[str | None]) -> DeclaredGpu:
    name, vram_gb = entry.text("name"), entry.gb("vram_gb")
    if name is not None and name in names:
        raise entry.entries["name"].error(f"two GPUs are called {name!r}", "rename one of them")
    if not vram_gb:
        raise entry.entries["vram_gb"].error("a card of 0 GB is no card", "leave the entry out")
    return DeclaredGpu(name, vram_gb, entry.flag("simulated"), entry.gb("headroom_gb"))


def _models(top: _Table) -> dict[str, ModelSpec]:
    models: dict[str, ModelSpec] = {}
    for position, at in enumerate(top.items("models")):
        entry = _table(at, f"models[{position}]", _MODEL, needed=("name", "vram_gb", "residency"))
        name = entry.text("name") or ""
        if name in models:
            raise entry.entries["name"].error(f"two models are called {name!r}", "rename one")
        models[name] = ModelSpec(
            name=name,
            vram_gb=entry.gb("vram_gb") or 0.0,
            residency=_residency(entry.entries["residency"]),
            cpu_fallback_supported=entry.flag("cpu_fallback_supported"),
            ram_overflow_supported=entry.flag("ram_overflow_supported"),
            ram_gb_needed=entry.gb("ram_gb_needed"),
        )
    return models


def _residency(at: _At) -> Residency:
    known = [residency.value for residency in Residency]
    word = at.value.lower() if isinstance(at.value, str) else ""
    if word not in known:
        raise at.error(f"residency is {_shown(at)}, which is unknown", _suggestion(word, known))
    return Residency(word)


def _interference(top: _Table) -> str | Mapping[str, Any] | None:
    at = top.entries.get("interference")
    if at is None or at.value is None:
        return None
    if not isinstance(at.value, str | dict):
        fix = "write the path of a profile, or the profile itself"
        raise at.error(f"interference is {_shown(at)}, neither a path nor a mapping", fix)
    plain: str | dict[str, Any] = at.plain()
    return plain


def _check_headroom(file: BenchFile) -> None:
    for position, gpu in enumerate(file.gpus):
        key = "headroom_gb" if gpu.headroom_gb is None else f"gpus[{position}].headroom_gb"
        headroom_gb = file.headroom_gb if gpu.headroom_gb is None else gpu.headroom_gb
        if headroom_gb is not None and headroom_gb > gpu.vram_gb:
            raise headroom_error(file.path, file.lines[key], headroom_gb, gpu.vram_gb)


def _table(at: _At, what: str, keys: tuple[str, ...], needed: tuple[str, ...] = ()) -> _Table:
    if at.value is None and not needed:
        return _Table(at, what, {})
    if not isinstance(at.value, dict):
        fix = f"write `key: value` lines, with keys such as {', '.join(keys[:3])}"
        raise at.error(f"{what} is {_shown(at)}, not a mapping", fix)
    for key, entry in at.value.items():
        if key not in keys:
            raise entry.error(f"{what} has no key {key!r}", _suggestion(str(key), keys))
    for key in needed:
        if key not in at.value:
            raise at.error(f"{what} lacks {key}", f"add a line `{key}: ...` to it")
    return _Table(at, what, at.value)


def _suggestion(word: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"write {close[0]}" if close else f"write one of {', '.join(known)}"


def _shown(at: _At) -> str:
    if isinstance(at.value, str):
        return repr(at.value)
    kinds = {dict: "a mapping", list: "a list", type(None): "empty", bool: str(at.value).lower()}
    return kinds.get(type(at.value), str(at.value))


def _read(text: str, path: str) -> _At | None:
    """The file's YAML as values with lines; None when there is nothing in it."""
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return None if node is None else _place(node, loader, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else None), error.problem or "is not YAML"
    except yaml.reader.ReaderError as error:
        line, problem = text.count("\n", 0, error.position) + 1, "has a character YAML forbids"
    except RecursionError:
        line, problem = None, "is nested too deep, or contains itself"
    raise BenchError(path, line, f"not YAML: {problem}", "correct it; indent with spaces, not tabs")


def _place(node: Any, loader: Any, path: str) -> _At:
    line = node.start_mark.line + 1
    if node.id == "mapping":
        return _At(path, line, dict(_entries(node, loader, path)))
    if node.id == "sequence":
        return _At(path, line, [_place(item, loader, path) for item in node.value])
    try:
        return _At(path, line, loader.construct_object(node))
    except ValueError as error:
        problem = f"{node.value[:40]!r} cannot be read ({error})"
        raise BenchError(path, line, problem, "write it in quotes if it is a text") from error


def _entries(node: Any, loader: Any, path: str) -> Iterator[tuple[Any, _At]]:
    """The entries of a mapping, each with the line of its key; one that comes twice is an error."""
    first: dict[Any, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if key_node.id != "scalar":
            raise BenchError(path, line, "a key is a list or a mapping", "write a plain key")
        key = _place(key_node, loader, path).value
        if key in first:
            problem = f"{key!r} is there already, on line {first[key]}"
            raise BenchError(path, line, problem, "keep one of the two")
        first[key] = line
        yield key, replace(_place(value_node, loader, path), line=line)

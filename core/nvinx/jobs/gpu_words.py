"""What other executors, schedulers and sites call a GPU, in nvinx's own hints. Pure.

The names are those of Snakemake's executors for Slurm, Kubernetes, HTCondor and clouds, and of the
profiles and workflows that were written for them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from nvinx.formatting import value_text, word_of
from nvinx.jobs import (
    card_count,
    card_share,
    gpu_hint,
    gpu_machines,
    gpu_spelling,
    hints,
    scheduler_options,
    share_hint,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_COUNTS = {
    *("gpus", "ngpus", "ngpu", "n_gpus", "n_gpu", "num_gpus", "num_gpu", "nb_gpus", "gpu_num"),
    *("gpu_count", "gpus_count", "gpus_per_task", "gpus_per_node", "gpus_per_job"),
    *("nvidia_gpu", "nvidia_gpus", "request_gpus", "slurm_gpus"),
}
_SHARES = {"gpu_fraction", "gpu_frac", "gpus_fraction", "gpu_part", "gpu_slice"}
_SWITCHES = {
    *("use_gpu", "with_gpu", "need_gpu", "needs_gpu", "require_gpu", "requires_gpu"),
    *("gpu_required", "cuda"),
}
_NAMES = {"gpu_model", "gpu_type", "gpu_name"}
_MAKERS = {"gpu_manufacturer", "gpu_vendor"}
_ONE_CARD = re.compile(r"(?:gpu|cuda)_?(?:device|id|idx|index)")  # number 0 is a card, too
_SIZE = re.compile(
    r"(?:gpus?_?(?:v?ram|mem|memory)|(?:ram|mem|memory)_gpu|gpus_minimum_memory|vram|gmem|"
    r"(?:graphics|video|cuda|device|card)_(?:mem|memory|ram))"
    r"(?:_(?P<unit>[mg]i?b))?"
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_NUMBER_AND_UNIT = re.compile(r"\d+(\.\d+)?\s*[mgMG]i?[bB]")
_LIKE_GPU = re.compile(
    r"(?<![a-z0-9])(?<!no[-_])(?<!non[-_])(?:n?gpus?|cuda|nvidia|rocm|vram|accelerators?|--nv)(?![a-z])"
)
_NAMED_GPU = re.compile(r"gpu|vram|(?:use|with|needs?|has|is|on)_?cuda|(?:graphics|video)_cards?")
_NAMED_NO_GPU = re.compile(r"(?:no|non|not|without|disable|skip)_?gpu")
_OFF = {"", "0", "false", "no", "off", "none", "cpu"}
_NOT_WORDS = {"tmpdir", "shell_exec", "mem", "disk", "runtime"}
_WRITE = "gpu=1 for a whole card, or vram_mb=... for a part of one"

_HOW_MUCH = {gpu_hint.HINT, share_hint.HINT, "vram", "vram_mb"}
_WRITE_SIZE = "vram_mb=..., which is in MB"


class Reading(Struct, frozen=True):
    """What one resource, or param, was taken for.

    means: the same in nvinx's hints; empty where it is ignored. write: what to write instead then.
    """

    name: str
    value: Any
    means: Mapping[str, Any] = field(default_factory=dict)
    write: str = _WRITE

    @property
    def is_size(self) -> bool:
        return self.write == _WRITE_SIZE

    @property
    def stated(self) -> str:
        return f"{self.name}={value_text(self.value)}"


def translated(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resources, with nvinx's hints for what others call a GPU; its own come first."""
    own = gpu_spelling.respelled(resources)
    words = list(readings(own))
    found = [word.means for word in words]
    sizes = [means["vram"] for means in found if "vram" in means]
    for word in words:
        if word.means:
            own.pop(word.name)
    if sizes and not {"vram", "vram_mb"} & own.keys():
        own["vram"] = sizes[0]
    shares = [means[share_hint.HINT] for means in found if share_hint.HINT in means]
    if shares and not _HOW_MUCH & own.keys():
        own[share_hint.HINT] = shares[0]
    wishes = [means[gpu_hint.HINT] for means in found if gpu_hint.HINT in means]
    gpu = _together(wishes, word_of(own.get(gpu_hint.HINT, "none")).lower())
    if gpu is not None:
        own[gpu_hint.HINT] = gpu
    return own


def readings(resources: Mapping[str, Any]) -> Iterator[Reading]:
    """Whatever looks like a wish for a GPU and is no hint of nvinx, unless it is switched off."""
    for name, value in resources.items():
        if (
            name not in hints.HINTS
            and name not in _NOT_WORDS
            and "exclude" not in name.lower()
            and isinstance(value, int | float | str)
        ):
            hint = gpu_spelling.meant(name)
            if hint is not None and hint not in resources:
                reading: Reading | None = Reading(name, value, {hint: value})
            else:
                reading = _read(name, value)
            if reading is not None:
                yield reading
            elif gpu_machines.is_asked_for(name, value):
                yield Reading(name, value)


def readings_of_params(params: Iterable[tuple[str, Any]]) -> Iterator[Reading]:
    """The same of a rule's params: they are its program's, so but for `gres` they are ignored."""
    for name, value in (part for param in params for part in _parts(*param)):
        reading = _read(name, value)
        if reading is not None and reading.means.get(gpu_hint.HINT) != 0:
            is_scheduler = "gres" in name or name.startswith("slurm")
            yield reading if is_scheduler else Reading(name, value)


def _parts(name: str, value: Any) -> Iterator[tuple[str, float | str]]:
    """A list is the options of one text, a mapping holds params of its own."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _parts(str(key), part)
    elif isinstance(value, list | tuple):
        yield name, " ".join(map(word_of, value))
    elif isinstance(value, int | float | str):
        yield name, value


def _read(name: str, value: float | str) -> Reading | None:
    stated, name, text = name, gpu_spelling.plain(name), word_of(value)
    if name in _COUNTS and text.isascii() and text.isdigit():
        return Reading(stated, value, {gpu_hint.HINT: int(text[:9])})
    is_one_card = text.isdigit() and _ONE_CARD.fullmatch(name)
    is_off = text.lower() in _OFF or (isinstance(value, int | float) and value <= 0)
    if is_off and not is_one_card:
        return None
    if means := _meaning(name, value, text):
        return Reading(stated, value, means)
    if name in _MAKERS:
        return Reading(stated, value, write="nothing: nvinx knows NVIDIA's cards only")
    if _SIZE.fullmatch(name):
        return Reading(stated, value, write=_WRITE_SIZE)
    return Reading(stated, value) if is_one_card or _looks_like_gpu(stated, value) else None


def _meaning(name: str, value: float | str, text: str) -> dict[str, Any]:
    """In nvinx's hints; empty where that is not known."""
    if name in _COUNTS and card_count.is_written(value):
        return {gpu_hint.HINT: text}
    if name in _SHARES or (name in _COUNTS and card_share.is_written(value)):
        return {share_hint.HINT: value}
    if name in _NAMES and isinstance(value, str):
        return {gpu_hint.HINT: 1 if text.lower() in _ANY_CARD else text}
    if size := _SIZE.fullmatch(name):
        return _vram(text, size["unit"])
    is_switch = (name in _COUNTS and value is True) or (
        name in _SWITCHES and text.lower() in _ANY_CARD
    )
    is_ours = name in _MAKERS and text.lower() == "nvidia"
    if is_switch or is_ours or name.endswith("_per_gpu"):
        return {gpu_hint.HINT: 1}
    option = f"--gpus={text}" if name in _COUNTS else f"--gres={text}" if name == "gres" else text
    count = scheduler_options.cards_asked(option) if isinstance(value, str) else None
    return {} if count is None else {gpu_hint.HINT: count}


def _vram(text: str, unit: str | None) -> dict[str, Any]:
    if unit and _NUMBER.fullmatch(text):
        return {"vram": text + unit}
    return {"vram": text} if _NUMBER_AND_UNIT.fullmatch(text) else {}


def _looks_like_gpu(name: str, value: float | str) -> bool:
    if isinstance(value, str) and "/" in value:
        return False  # a path, whose name says nothing of where the job runs
    if _NAMED_NO_GPU.search(gpu_spelling.plain(name)):
        return False
    is_named = _LIKE_GPU.search(name.lower()) or _NAMED_GPU.search(gpu_spelling.plain(name))
    text = scheduler_options.without_excluded(word_of(value).lower())
    return bool(is_named or _LIKE_GPU.search(text))


def _together(wishes: list[Any], stated: str) -> Any:
    """One wish for several words: the name with the largest number, but for one that is stated.

    stated: what `gpu` itself says, which has the word; None where nothing is added to it.
    """
    counts = [wish for wish in wishes if isinstance(wish, int) or card_count.is_written(wish)]
    names = [wish for wish in wishes if wish not in counts]
    count = max(counts, key=_most, default=1 if names else None)
    if stated == "none":
        return gpu_hint.with_name(count, names[0]) if names and count else count
    is_count = stated in _ANY_CARD or _most(stated) > 0
    return gpu_hint.with_name(_count_text(stated), names[0]) if names and is_count else None


def _most(wish: int | str) -> int:
    """The most cards that a count asks for; 0 of what is none."""
    if isinstance(wish, int):
        return wish
    try:
        return card_count.read(wish).most
    except ValueError:
        return 0


def _count_text(stated: str) -> str:
    return "1" if stated in _ANY_CARD else stated


_ANY_CARD = {"1", "true", "yes", "on", "any"}

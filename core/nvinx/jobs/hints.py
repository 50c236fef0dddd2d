"""A rule's resource hints, understood or refused: the same words for every engine."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nvinx.errors import HintError
from nvinx.formatting import value_text
from nvinx.jobs import gpu_hint, preemption, share_hint, stage_hint, vram_range
from nvinx.jobs.card_count import ONE
from nvinx.jobs.claim import Claim
from nvinx.jobs.vram_range import VramRange
from nvinx.residency import Residency
from nvinx.sizes import need_from_gb, need_from_mb, need_mib, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nvinx.catalog import ModelSpec
    from nvinx.jobs.card_count import CardCount
    from nvinx.jobs.card_share import CardShare
    from nvinx.jobs.gpu_hint import GpuWish
    from nvinx.jobs.preemption import Preemptible

HINTS = (
    gpu_hint.HINT,
    share_hint.HINT,
    "vram_mb",
    "vram",
    "residency",
    "cpu_fallback",
    "ram_overflow",
    "cpu_runtime",
    "model",
    "max_slowdown",
    preemption.HINT,
    stage_hint.HINT,
    "nvinx_size",
)
ASKING = (gpu_hint.HINT, share_hint.HINT, "vram_mb", "vram", "residency", "model")  # for a card
AUTO = "auto"  # the VRAM that earlier runs took
NO_WISH = (
    "model",
    preemption.HINT,
    stage_hint.HINT,
    "nvinx_size",
)  # alone they do not ask for a card
_LARGEST = 1e15  # of any number: larger ones can be neither converted nor counted with
_SIZES = ("vram_mb", "vram")
_LONGEST_NUMBER = 15  # digits


class Common(Struct, frozen=True, kw_only=True):
    """What every workflow engine states for a job, in nvinx's units; kind, size, preempts: see
    `Claim`. open: names of resources whose values nobody knows yet.
    """

    cores: int = 1
    mem_mb: float | None = None
    disk_mb: float | None = None
    runtime_s: float | None = None
    priority: int = 0
    kind: str = ""
    size: float | None = None
    preempts: int | None = None
    open: tuple[str, ...] = ()


def read(
    rule: str,
    hints: Mapping[str, Any],
    common: Common,
    models: Mapping[str, ModelSpec],
    calibrated: Collection[str] = (),
    cards: Collection[str] = (),
) -> Claim:
    """The claim that a rule's hints make.

    hints: resource values by name; names that are not nvinx's are left alone, except those that
    look like a misspelt hint. models: those of the bench file; calibrated: those whose slowdowns
    are known; cards: what those of the bench are called, where that is known. As long as values are
    open, what they may still change is no error, and the claim is as if they said nothing. Raises
    HintError naming rule, value and fix.
    """
    reader = _Reader(rule, hints, common.open)
    reader.demand_known_names()
    gpu = gpu_hint.named(rule, hints.get(gpu_hint.HINT))
    if reader.is_switched_off(gpu):
        reader, gpu = reader.without_hints(), None
    model = reader.model(models, calibrated)
    spec = models.get(model) if model is not None else None
    auto, stated, residency = reader.wants_auto(), reader.vram(), reader.residency()
    stated_vram = vram_mib = None if stated is None else stated.least_mib
    share = reader.share(gpu, residency)
    residency = residency if share is None else _residency_with(share)
    if spec is not None:
        known = spec.vram_gb if vram_mib is None and not auto and share is None else None
        vram_mib = need_from_gb(known) if known else vram_mib
        residency = residency or spec.residency
    if auto:
        residency = reader.until_known(residency)
    if residency is None:
        residency = _default_residency(vram_mib, gpu)
    cpu_fallback = reader.flag("cpu_fallback", bool(spec and spec.cpu_fallback_supported))
    overflow = reader.flag("ram_overflow", bool(spec and spec.ram_overflow_supported))
    count = (gpu.cards if gpu else None) or ONE
    residency = _of_several(residency, count, is_large=overflow and vram_mib is not None)
    residency = reader.consistent(residency, stated_vram, share or vram_mib, gpu)
    if gpu is not None and cards and not (cpu_fallback or reader.may_have("cpu_fallback")):
        reader.demand_one_of(cards, gpu)
    stage_hint.named(rule, hints.get(stage_hint.HINT))
    spills = overflow or residency is Residency.GPU_RAM_OVERFLOW
    return Claim(
        residency=residency,
        vram_mib=vram_mib if residency.uses_gpu else None,
        elastic_mib=reader.elastic_mib(stated, residency, count, overflow=overflow),
        ram_mib=reader.ram_mib(common, _ram_of(spec if overflow else None, common), spills=spills),
        disk_mib=reader.mib("disk_mb", common.disk_mb),
        cores=common.cores,
        cpu_fallback=cpu_fallback,
        ram_overflow=overflow,
        model=model,
        max_slowdown=reader.max_slowdown(),
        runtime_s=reader.runtime_s(common.runtime_s),
        cpu_runtime_s=reader.cpu_runtime_s(cpu_fallback),
        priority=reader.priority(common.priority),
        kind=str(common.kind),
        card_name=gpu.card if gpu and residency.uses_gpu else None,
        size=reader.size(common.size),
        auto_vram=auto,
        share=None if share is None or share.is_whole else share,
        cards=count if residency.uses_gpu else ONE,
        preemptible=reader.preemptible(residency),
        preempts=common.preempts if residency.uses_gpu else None,
    )


def wish(hints: Mapping[str, Any]) -> str | None:
    """The first hint that asks for a card, whatever its value; None where none does."""
    return next((name for name in HINTS if name in hints and name not in NO_WISH), None)


def _default_residency(vram_mib: int | None, gpu: GpuWish | None) -> Residency:
    if vram_mib is not None:
        return Residency.GPU_SHARED
    return Residency.GPU_EXCLUSIVE if gpu else Residency.CPU_ONLY


def _of_several(residency: Residency, count: CardCount, *, is_large: bool) -> Residency:
    """What may spill takes all that several cards have."""
    is_shared = residency is Residency.GPU_SHARED
    return Residency.GPU_RAM_OVERFLOW if count.is_gang and is_large and is_shared else residency


def _ram_of(spec: ModelSpec | None, common: Common) -> int | None:
    """What a model needs of RAM, where the job does not say itself."""
    needed = spec.ram_gb_needed if spec is not None and common.mem_mb is None else None
    return need_from_gb(needed) if needed else None


def _residency_with(share: CardShare) -> Residency:
    return Residency.GPU_EXCLUSIVE if share.is_whole else Residency.GPU_SHARED


class _Reader:
    """Reads single hints of one rule and words the errors."""

    def __init__(self, rule: str, hints: Mapping[str, Any], names: Collection[str]) -> None:
        """names: of the resources whose values are open."""
        self._rule = rule
        self._hints = hints
        self._open = names

    def error(self, hint: str, problem: str, fix: str) -> HintError:
        shown = f"{hint}={value_text(self._hints[hint])}" if hint in self._hints else hint
        return HintError(self._rule, shown, problem, fix)

    def without_hints(self) -> _Reader:
        others = {k: v for k, v in self._hints.items() if k not in HINTS}
        return _Reader(self._rule, others, self._open)

    def may_have(self, *names: str) -> bool:
        """Whether one of these, or the model that stands for them, may still get a value."""
        return any(name in self._open for name in (*names, "model"))

    def demand_known_names(self) -> None:
        others = {name: value for name, value in self._hints.items() if name not in HINTS}
        for name, value in others.items():
            from nvinx.jobs import misspelt

            better = misspelt.meant(name, value, HINTS)
            if better is not None:
                raise self.error(name, "nvinx knows no such hint", f"write {better}")

    def is_switched_off(self, gpu: GpuWish | None) -> bool:
        """Whether the rule says by `gpu=0` or a size of 0 that it wants no card, as a switch does.

        All that it says besides then counts for nothing.
        """
        if gpu is not None:
            return gpu.cards is None
        stated = [name for name in _SIZES if name in self._hints]
        asks = any(name in self._hints for name in ("residency", "model", share_hint.HINT))
        return bool(stated) and not asks and all(self._is_zero(name) for name in stated)

    def _is_zero(self, name: str) -> bool:
        return self._hints[name] != AUTO and self._size(name).most_mib == 0

    def demand_one_of(self, cards: Collection[str], gpu: GpuWish) -> None:
        if any(gpu_hint.matches(gpu.card, card) for card in cards):
            return
        problem = f"no card here has such a name (there is {', '.join(sorted(set(cards)))})"
        raise self.error(
            gpu_hint.HINT,
            problem,
            "write gpu=1, gpu=2 for two, gpu='1/3' for a third of a card, or a part of one of "
            "these names",
        )

    def model(self, models: Mapping[str, ModelSpec], calibrated: Collection[str]) -> str | None:
        name = self._hints.get("model")
        if name is None:
            return None
        word, names = str(name) if isinstance(name, str) else "", {*models, *calibrated}
        if word in names:
            return word
        close = _close(word, names)
        known = ", ".join(sorted(names)) or "none yet"
        fix = f"write model={close[0]!r}" if close else "add it to the bench file under models:"
        raise self.error("model", f"the bench file has no such model (it has: {known})", fix)

    def residency(self) -> Residency | None:
        value = self._hints.get("residency")
        if value is None:
            return None
        word = value.lower() if isinstance(value, str) else ""
        try:
            return Residency(word)
        except ValueError:
            names = [r.value for r in Residency]
            close = _close(word, names)
            fix = f"write {close[0]!r}" if close else f"write one of {', '.join(names)}"
            raise self.error("residency", "no such residency", fix) from None

    def ram_mib(self, common: Common, of_model: int | None, *, spills: bool) -> int:
        """RAM as stated, else the model's. Raises HintError where it spills and none is known."""
        mib = self.mib("mem_mb", common.mem_mb) if of_model is None else of_model
        if spills and mib == 0 and not self.may_have("mem_mb"):
            hint = "ram_overflow" if "ram_overflow" in self._hints else "residency"
            problem = "a job that may spill to RAM must say how much it then needs"
            raise self.error(hint, problem, "add mem_mb=...")
        return mib

    def share(self, gpu: GpuWish | None, residency: Residency | None) -> CardShare | None:
        """The part of a card that `gpu` or `gpu_share` asks for; both are fine when they agree.

        Raises HintError where anything else says how much of a card it is to be.
        """
        hint = share_hint.HINT
        share = share_hint.named(self._rule, self._hints.get(hint))
        of_gpu = None if gpu is None else gpu.share
        if share is None or of_gpu is None:
            hint = hint if of_gpu is None else gpu_hint.HINT
            share = share or of_gpu
        elif share != of_gpu:
            raise self.error(hint, f"contradicts gpu={of_gpu.hint!r}", "keep one")
        if share is not None:
            self._demand_no_other_size(hint, residency, _residency_with(share))
        return share

    def _demand_no_other_size(
        self, hint: str, residency: Residency | None, fits: Residency
    ) -> None:
        for name in _SIZES:
            if name in self._hints and not self._is_zero(name):
                problem = f"contradicts {name}={self._hints[name]!r}"
                raise self.error(hint, problem, "keep one: a size, or a part of the card")
        if residency not in (None, Residency.GPU_SHARED, fits):
            problem = f"contradicts residency {residency.value}"
            raise self.error(hint, problem, "leave one of the two out")

    def vram(self) -> VramRange | None:
        """VRAM from `vram_mb` or `vram`; both are fine when they agree. 0 says nothing."""
        stated = [name for name in _SIZES if name in self._hints]
        sizes = {name: self._size(name) for name in stated if self._hints[name] != AUTO}
        if len(set(sizes.values())) > 1:
            raise self.error("vram", f"contradicts vram_mb={self._hints['vram_mb']!r}", "keep one")
        found = next(iter(sizes.values()), None)
        return found if found is not None and found.most_mib else None

    def wants_auto(self) -> bool:
        """Whether the VRAM is to be learned. Raises HintError where it is stated as well."""
        stated = [self._hints[name] for name in _SIZES if name in self._hints]
        if AUTO in stated and any(value != AUTO for value in stated):
            raise self.error("vram", f"contradicts vram_mb={self._hints['vram_mb']!r}", "keep one")
        return AUTO in stated

    def until_known(self, residency: Residency | None) -> Residency:
        """Where a job runs whose need is to be learned: alone, so that nobody is in its way."""
        if residency not in (None, Residency.GPU_SHARED):
            hint = "vram_mb" if self._hints.get("vram_mb") == AUTO else "vram"
            problem = "learns which share of a card a job needs, but this job shares no card"
            raise self.error(hint, problem, f"leave it or residency={residency.value!r} out")
        return Residency.GPU_EXCLUSIVE

    def elastic_mib(
        self, stated: VramRange | None, residency: Residency, count: CardCount, *, overflow: bool
    ) -> int:
        """What the job can give back. Raises HintError where it could have no use of a range."""
        if stated is None or not stated.elastic_mib:
            return 0
        hint = "vram_mb" if "vram_mb" in self._hints else "vram"
        if overflow or residency is Residency.GPU_RAM_OVERFLOW:
            problem = "is a range, and a job that spills takes all that its card has"
            raise self.error(hint, problem, "state one size, or leave the spilling out")
        if residency is Residency.GPU_EXCLUSIVE:
            problem = "is a range, and a job that has its card alone gives nothing of it back"
            raise self.error(hint, problem, "state one size, or let it share the card")
        if count.is_gang:
            problem = "is a range, and a job of several cards holds the same of each to its end"
            raise self.error(hint, problem, "state one size, or ask for one card")
        agreed = preemption.named(self._rule, self._hints.get(preemption.HINT))
        if agreed is not None and agreed.signal == vram_range.SIGNAL:
            problem = f"and a range of VRAM are both told by {vram_range.SIGNAL}"
            fix = "write preemptible='signal:USR2', or state one size"
            raise self.error(preemption.HINT, problem, fix)
        if agreed is not None and agreed.suspends:
            problem = "moves a memory of one size to RAM, and a range has none"
            fix = "write preemptible='requeue', or state one size"
            raise self.error(preemption.HINT, problem, fix)
        return stated.elastic_mib

    def size(self, known: float | None) -> float | None:
        """The size of the input: the rule's own measure goes before the one that is known."""
        value = self._hints.get("nvinx_size", known)
        if value is None:
            return None
        try:
            size = -1.0 if isinstance(value, bool) else float(value)
        except (OverflowError, TypeError, ValueError):
            size = -1.0
        if not 0 <= size <= _LARGEST:
            problem = "is not an input size"
            raise self.error("nvinx_size", problem, "write a number, such as residues or bytes")
        return size

    def _size(self, name: str) -> VramRange:
        value = self._hints[name]
        stated = vram_range.named(self._rule, name, value)
        if stated is not None:
            return stated
        if name == "vram_mb" and isinstance(value, str) and _is_digits(value):
            value = int(value)
        if name == "vram_mb" and _is_number(value):
            if value < 0:
                raise self.error(name, "must not be below 0", "state the VRAM the job needs")
            mib = need_from_mb(value)
        elif name == "vram" and isinstance(value, str):
            try:
                mib = need_mib(parse_bytes(value))
            except (OverflowError, ValueError):
                problem = "this is not a size with a unit that nvinx knows"
                raise self.error(
                    name, problem, "write it like vram='900MB' or vram='2GiB'"
                ) from None
        else:
            example = "vram_mb=900" if name == "vram_mb" else "vram='900MB'"
            problem = "must be a number of MB" if name == "vram_mb" else "needs a unit"
            raise self.error(name, problem, f"write it like {example}")
        return VramRange(mib, mib)

    def mib(self, name: str, mb: float | None) -> int:
        if mb is None:
            return 0
        if not _is_number(mb) or mb < 0:
            problem = f"{value_text(mb)} is not a number of MB"
            raise self.error(name, problem, f"write it like {name}=2000")
        return need_from_mb(mb)

    def runtime_s(self, seconds: float | None) -> float | None:
        if seconds is None:
            return None
        if not _is_number(seconds) or seconds < 0:
            problem = f"{value_text(seconds)} s is not a time"
            raise self.error("runtime", problem, "write it in minutes, like runtime=30")
        return float(seconds)

    def priority(self, value: int) -> int:
        if not _is_number(value) or int(value) != value:
            problem = f"{value_text(value)} is not a whole number"
            raise self.error("priority", problem, "write it like priority=10")
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._hints.get(name, default)
        if value not in (0, 1):
            raise self.error(name, "must be 0 or 1", f"write {name}=1, or leave it out")
        return bool(value)

    def max_slowdown(self) -> float | None:
        value = self._hints.get("max_slowdown")
        if value is None:
            return None
        try:
            limit = float(value)
        except (OverflowError, TypeError, ValueError):
            limit = 0.0
        if not (limit >= 1.0 and isfinite(limit)):
            problem = "must be a factor of at least 1"
            raise self.error("max_slowdown", problem, "write it like max_slowdown='1.5'")
        return limit

    def preemptible(self, residency: Residency) -> Preemptible | None:
        """How it gives its card back; a mere switch means nothing to a job without a card."""
        value = self._hints.get(preemption.HINT)
        agreed = preemption.named(self._rule, value)
        if agreed is None or residency.uses_gpu or self.may_have(*ASKING):
            return agreed
        if isinstance(value, str) and not value.strip().isdigit():
            raise self.means_nothing(preemption.HINT)
        return None

    def means_nothing(self, hint: str) -> HintError:
        """Of a job that uses no GPU; where that is stated, a wish for one would contradict it."""
        is_stated = any(name in self._hints for name in ("residency", "model"))
        also = "" if is_stated else ", or add vram_mb=... or gpu=1"
        problem = "means nothing for a job that uses no GPU"
        return self.error(hint, problem, f"leave {hint} out{also}")

    def cpu_runtime_s(self, cpu_fallback: bool) -> float | None:
        value = self._hints.get("cpu_runtime")
        if value is None:
            return None
        try:
            minutes = float(value)
        except (OverflowError, TypeError, ValueError):
            minutes = 0.0
        if not 0 < minutes <= _LARGEST:
            raise self.error("cpu_runtime", "must be minutes, above 0", "write cpu_runtime=30")
        if not cpu_fallback and not self.may_have("cpu_fallback"):
            problem = "says how long the CPU takes, but the job may not run there"
            raise self.error("cpu_runtime", problem, "add cpu_fallback=1")
        return minutes * 60

    def consistent(
        self,
        residency: Residency,
        stated: int | None,
        size: CardShare | int | None,
        gpu: GpuWish | None,
    ) -> Residency:
        """The residency, which is that of a whole card as long as the size of a part is open."""
        if residency is Residency.CPU_ONLY:
            self._demand_no_gpu_words(stated, gpu)
        if residency.needs_vram and size is None:
            if self.may_have(*ASKING):
                return Residency.GPU_EXCLUSIVE
            problem = f"{residency.value} needs to know how much VRAM the job takes"
            part = ", or gpu_share='1/3' for a third of a card"
            fix = (
                f"add vram_mb=... (or model=...){part if residency is Residency.GPU_SHARED else ''}"
            )
            raise self.error("residency", problem, fix)
        return residency

    def _demand_no_gpu_words(self, stated: int | None, gpu: GpuWish | None) -> None:
        problem, fix = "contradicts residency cpu_only", "leave one of the two out"
        if stated is not None:
            raise self.error("vram_mb" if "vram_mb" in self._hints else "vram", problem, fix)
        if gpu:
            raise self.error(gpu_hint.HINT, problem, fix)
        if self.may_have(*ASKING):
            return
        for name in ("ram_overflow", "max_slowdown", "cpu_runtime", stage_hint.HINT):
            if self._hints.get(name, stage_hint.OFF) not in (0, stage_hint.OFF):
                raise self.means_nothing(name)


def _is_digits(text: str) -> bool:
    digits = text.strip()
    return digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_NUMBER


def _close(word: str, known: Collection[str], cutoff: float = 0.6) -> list[str]:
    """The one that may have been meant, or none."""
    import difflib

    return difflib.get_close_matches(word, known, n=1, cutoff=cutoff)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST

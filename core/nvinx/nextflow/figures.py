"""What a task did on the card, as lines for people and for the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from nvinx.bench.capacity import Card

FILE = ".nvinx.trace"
_FIRST = "nvinx.trace/1"


class Use(Struct):
    """How busy the cards of a task were while it ran, look by look; shares of 1."""

    looks: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        return sum(self.looks) / len(self.looks) if self.looks else None

    @property
    def peak(self) -> float | None:
        return max(self.looks, default=None)


class Figures(Struct, frozen=True, kw_only=True):
    """placement: a residency. Memory in MB (10^6 bytes), use as shares of 1, times in seconds.

    What nobody could see is None, and left out. partners: kinds of task that shared the card.
    """

    placement: str
    cards: tuple[Card, ...] = ()
    declared_mb: int | None = None
    peak_mb: int | None = None
    use: Use = field(default_factory=Use)
    partners: tuple[str, ...] = ()
    waited_s: float = 0.0
    waited_for: str = ""
    held_s: float = 0.0
    outcome: str = ""


def text(figures: Figures) -> str:
    """One `name=value` a line, as in Nextflow's .command.trace."""
    said = {
        "placement": figures.placement,
        "gpu": ";".join(str(card.index) for card in figures.cards),
        "gpu_uuid": ";".join(card.id for card in figures.cards),
        "gpu_name": ";".join(card.name for card in figures.cards),
        "vram_declared_mb": figures.declared_mb,
        "vram_peak_mb": figures.peak_mb,
        "gpu_use_mean": _percent(figures.use.mean),
        "gpu_use_peak": _percent(figures.use.peak),
        "gpu_partners": ";".join(figures.partners),
        "gpu_waited_s": round(figures.waited_s, 1),
        "gpu_waited_for": figures.waited_for,
        "gpu_held_s": round(figures.held_s, 1),
        "gpu_outcome": figures.outcome,
    }
    lines = [
        f"{name}={_one_line(value)}" for name, value in said.items() if value not in (None, "")
    ]
    return "\n".join([_FIRST, *lines, ""])


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())

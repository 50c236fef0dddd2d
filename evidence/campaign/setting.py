"""Where, with what, and by which command something is measured."""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

from nvinx.bench import machine
from nvinx.gpu import meter
from nvinx.host import resources

if TYPE_CHECKING:
    from nvinx.bench.capacity import Card

DISTRIBUTIONS = (
    *("snakemake-executor-plugin-nvinx", "snakemake", "numpy"),
    *("torch", "transformers", "accelerate", "jax", "jaxlib"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """card: its name, None for CPU workers. session: one start of the campaign on one machine.

    small: toys and short times, to try the campaign.
    """

    card: str | None
    driver: str | None
    total_mib: int | None
    command: str
    small: bool
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    ram_mib: int = field(default_factory=lambda: resources.detect().ram_mib)
    versions: dict[str, str] = field(default_factory=dict)
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def plain(self) -> dict[str, object]:
        """All but the session, for JSON."""
        plain = asdict(self)
        del plain["session"]
        return plain


def here(card: Card | None, command: str, *, small: bool) -> Setting:
    """The setting on this card, or on CPU workers."""
    facts = None if card is None else meter.facts(card.id)
    if card is None or facts is None:
        return Setting(None, None, None, command, small, versions=versions())
    of_card = card.name, facts.driver, facts.total_mib
    return Setting(*of_card, command, small, versions=versions())


def versions() -> dict[str, str]:
    """Of Python, and of those distributions that are installed."""
    found = {"python": platform.python_version()}
    cupy = {d.name for d in metadata.distributions() if (d.name or "").startswith("cupy")}
    for name in (*DISTRIBUTIONS, *sorted(cupy)):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def real_card(index: int | None) -> Card | None:
    """The card of this position, the first by default; None where the driver shows none."""
    cards = {card.index: card for card in machine.bench().cards if not card.simulated}
    return cards.get(min(cards, default=0) if index is None else index)

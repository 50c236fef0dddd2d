"""Which bytes of a loaded model lie on a card, in RAM and on disk, and where they were planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.overflow import from_config
from nvinx.overflow.split import Free, plan_overflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nvinx.overflow.split import Part, Split
    from nvinx.placement import CurrentPlacement

TIERS = ("card", "RAM", "disk")


def held(model: Any) -> list[tuple[str, int, str]]:
    """Each layer's name, bytes and tier, in the order of use, by the map that transformers made.

    It makes none for a model that is on one device whole.
    """
    device_map = getattr(model, "hf_device_map", {"": model.device})
    places = {name: tier(device) for name, device in device_map.items()}
    return [
        (part.name, part.size, place(part.name, places))
        for part in layers(from_config.parts(model))
    ]


def planned(model: Any, placement: CurrentPlacement) -> dict[str, dict[str, int]]:
    """Bytes by tier: `here`, and on a real card of the size of a simulated one (`on_card`)."""
    if not placement.spills:
        return {}
    limits, pieces = placement.max_memory, from_config.parts(model)
    cards = tuple(size for device, size in limits.items() if isinstance(device, int))
    real = Free(cards=cards, ram=limits["cpu"], disk=limits.get("disk", 0))
    return {
        name: by_tier(plan_overflow(pieces, free, context=0))
        for name, free in (("here", placement.tiers()), ("on_card", real))
    }


def by_tier(split: Split) -> dict[str, int]:
    return dict(zip(TIERS, (sum(split.cards), split.ram, split.disk), strict=True))


def layers(pieces: Iterable[Part]) -> Iterator[Part]:
    for part in pieces:
        if part.parts:
            yield from layers(part.parts)
        elif part.size:
            yield part


def tier(device: object) -> str:
    """A device as torch and accelerate name it: 0, "cuda:0", "cpu", "disk"."""
    word = str(device)
    return {"cpu": "RAM", "disk": "disk"}.get(word, "card")


def place(name: str, places: Mapping[str, str]) -> str:
    """The word of the longest name in `places` that `name` is below."""
    above = [key for key in places if key in ("", name) or name.startswith(f"{key}.")]
    return places[max(above, key=len)]

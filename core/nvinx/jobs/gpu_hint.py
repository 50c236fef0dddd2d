"""The hint `gpu`: how many cards, which part of one, or what they are called. Pure."""

from __future__ import annotations

from msgspec import Struct

from nvinx.errors import HintError
from nvinx.formatting import value_text, word_of
from nvinx.jobs import card_count, card_share, share_hint

# msgspec looks these up when it makes a wish.
from nvinx.jobs.card_count import ONE, CardCount
from nvinx.jobs.card_share import CardShare  # noqa: TC001

HINT = "gpu"
_OFF = {"", "false", "no", "off", "none"}
_ON = {"true", "yes", "on", "any"}
_FIX = (
    "write gpu=1, gpu=2 for two cards at once, gpu='1-2' for as many of them as are free, a part "
    "of a card like gpu='1/3', or of its name like gpu='a100'"
)
_MAKERS = ("nvidiacomgpu", "nvidiacom", "nvidia")
_SERIES = "tesla"  # which the driver wrote before the names of cards up to the T4
_NAMED = r"(?s)(?P<card>.*[^\W\d].*?)(?::(?P<count>\d+(?:-\d+)?))?"


class GpuWish(Struct, frozen=True):
    """How many cards, and a part of their name where they are not any cards that will do.

    cards: None where the hint says that none is wanted. share: the part of each card, where that is
    asked for.
    """

    cards: CardCount | None = ONE
    card: str | None = None
    share: CardShare | None = None


def named(rule: str, value: object) -> GpuWish | None:
    """What the hint asks for: a number (`2`), as many as are free (`"1-4"`), a switch (`True`,
    `"off"`), a name (`"a100"`, `"a100:2"`), or a part of one card (`"1/3"`).

    None where there is no hint. Raises HintError.
    """
    if value is None:
        return None
    if card_share.is_written(value):
        return GpuWish(share=share_hint.named(rule, value, HINT))
    try:
        return _of_text(value.strip()) if isinstance(value, str) else _of_number(value)
    except ValueError:
        stated = f"{HINT}={value_text(value)}"
        raise HintError(
            rule, stated, "must be a number of cards, a part, or a name", _FIX
        ) from None


def is_off(value: object) -> bool:
    """Whether the hint is a switch that stands at no card."""
    text = word_of(value).lower()
    return value is not None and (text in _OFF or (text.isdigit() and not int(text)))


def is_name(value: object) -> bool:
    """Whether a card is asked for by its name."""
    try:
        return isinstance(value, str) and _of_text(value.strip()).card is not None
    except ValueError:
        return False


def with_name(value: object, card: str) -> str:
    """A hint that asks for a number of cards, asking for those of this name."""
    return f"{card}:{word_of(value)}"


def matches(wanted: str | None, card_name: str) -> bool:
    """Whether a card of this name is what was asked for; cases, blanks and dashes do not count.

    Nor does what drivers and clouds write before the name or leave out, as in `nvidia-tesla-t4`;
    the maker's name alone is that of every card.
    """
    if wanted is None:
        return True
    bare, card = _without_maker(_plain(wanted)), _plain(card_name)
    return bare in card or (bare.removeprefix(_SERIES) or bare) in card


def _of_number(value: object) -> GpuWish:
    if not isinstance(value, int):
        raise ValueError(value)  # noqa: TRY004  (as for what is written wrongly)
    return GpuWish(CardCount(int(value), int(value)) if value else None)


def _of_text(text: str) -> GpuWish:
    """Raises ValueError."""
    import re

    if card_count.is_written(text) or (text.isascii() and text.isdigit()):
        return GpuWish(_count(text))
    if text.lower() in _OFF | _ON:
        return GpuWish(ONE if text.lower() in _ON else None)
    found = re.fullmatch(_NAMED, text)
    if found is None or not _plain(found["card"]):
        raise ValueError(text)
    return GpuWish(_count(found["count"] or "1"), found["card"])


def _count(text: str) -> CardCount | None:
    return card_count.read(text) if text.strip("0") else None


def _without_maker(word: str) -> str:
    maker = next((maker for maker in _MAKERS if word.startswith(maker)), "")
    return word.removeprefix(maker)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())

"""The hint `gpu`: how many cards, which part of one, or what the card is called. Pure."""

from __future__ import annotations

from msgspec import Struct

from nvinx.errors import HintError
from nvinx.formatting import value_text
from nvinx.jobs import card_share, share_hint

# msgspec looks this up when it makes a wish.
from nvinx.jobs.card_share import CardShare  # noqa: TC001

HINT = "gpu"
_OFF = {"", "false", "no", "off", "none"}
_ON = {"true", "yes", "on", "any"}
_NAMED = r"(?s)(?P<card>.*[^\W\d].*?)(?::(?P<count>\d+))?"


class GpuWish(Struct, frozen=True):
    """How many cards, and a part of their name where it is not any card that will do.

    share: the part of one card, where that is asked for.
    """

    count: int
    card: str | None = None
    share: CardShare | None = None


def named(rule: str, value: object) -> GpuWish | None:
    """What the hint asks for: a number, a switch (`True`, `"off"`), a name (`"a100"`), or a part of
    one card (`"1/3"`).

    None where there is no hint. Raises HintError.
    """
    if value is None:
        return None
    if card_share.is_written(value):
        return GpuWish(1, share=share_hint.named(rule, value, HINT))
    wish = _of_text(value.strip()) if isinstance(value, str) else _of_number(value)
    stated = f"{HINT}={value_text(value)}"
    if wish is None or wish.count < 0:
        fix = "write gpu=1, a part of a card like gpu='1/3', or of its name like gpu='a100'"
        raise HintError(rule, stated, "must be a whole number, a part of a card, or a name", fix)
    if wish.count > 1:
        problem = "a job gets one card at most"
        raise HintError(rule, stated, problem, f"write gpu={wish.card or 1!r}")
    return wish


def is_off(value: object) -> bool:
    """Whether the hint is a switch that stands at no card."""
    text = str(value).strip().lower()
    return value is not None and (text in _OFF or (text.isdigit() and not int(text)))


def is_name(value: object) -> bool:
    """Whether a card is asked for by its name."""
    wish = _of_text(value.strip()) if isinstance(value, str) else None
    return wish is not None and wish.card is not None


def matches(wanted: str | None, card_name: str) -> bool:
    """Whether a card of this name is what was asked for; cases, blanks and dashes do not count."""
    return wanted is None or _plain(wanted) in _plain(card_name)


def _of_number(value: object) -> GpuWish | None:
    return GpuWish(int(value)) if isinstance(value, int) else None


def _of_text(text: str) -> GpuWish | None:
    import re

    if text.isascii() and text.isdigit():
        return GpuWish(int(text[:9]))
    if text.lower() in _OFF | _ON:
        return GpuWish(int(text.lower() in _ON))
    found = re.fullmatch(_NAMED, text)
    if found is None or not _plain(found["card"]):
        return None
    return GpuWish(int(found["count"] or 1), found["card"])


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())

"""A part of whichever card a job gets, for those who know only how many of it fit. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from nvinx.formatting import word_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

_RATIO = r"(?a)(\d{1,9})\s*/\s*(\d{1,9})"
_NUMBER = r"(?a)(\d{1,9}(?:\.\d{0,20})?|\.\d{1,20})\s*(%?)"
_FINEST = 10_000  # parts of a card that are told apart, so that 0.33333333 is a third
_COUNTED = 20  # parts that people count; finer ones are told in percent
_WORDS = {
    "1/1": "all of the card that may be shared",
    "1/2": "half of the card",
    "1/3": "a third of the card",
    "2/3": "two thirds of the card",
    "1/4": "a quarter of the card",
    "3/4": "three quarters of the card",
}


class CardShare(Struct, frozen=True):
    """So many `parts` of a card that is cut into `of` equal ones.

    Raises ValueError where that is nothing, or more than a card.
    """

    parts: int
    of: int

    def __post_init__(self) -> None:
        if not 0 < self.parts <= self.of <= _FINEST:
            raise ValueError(f"{self.parts}/{self.of} is not a part of a card")

    @property
    def hint(self) -> str:
        """As it is written in a hint: `1/3`."""
        return f"{self.parts}/{self.of}"

    @property
    def text(self) -> str:
        """As people say it: `a third of the card`, `2/5 of the card`, `33 % of the card`."""
        if words := _WORDS.get(self.hint):
            return words
        if self.of <= _COUNTED:
            return f"{self.hint} of the card"
        return f"{100 * self.parts / self.of:.4g} % of the card"

    @property
    def is_whole(self) -> bool:
        return self.parts == self.of

    @property
    def fit(self) -> int:
        """How many such parts a card has."""
        return self.of // self.parts

    def mib(self, card_mib: int) -> int:
        """Whole MiB of a card of this size, rounded down: parts that add up to a card fit it."""
        return max(card_mib * self.parts // self.of, 1)

    def is_more_than(self, other: CardShare) -> bool:
        return self.parts * other.of > other.parts * self.of

    def larger(self) -> CardShare | None:
        """A part half as large again at least, of which a card has a whole number; None for all."""
        fit = 2 * self.of // (3 * self.parts)
        return CardShare(1, fit) if fit > 1 else None

    def smaller(self) -> CardShare:
        """A part of which twice as many fit a card."""
        return CardShare(1, min(2 * self.fit, _FINEST))


def is_written(value: object) -> bool:
    """Whether the value is written as a part of a card is, and not as a number of cards."""
    if isinstance(value, str):
        word = value.strip()
        return bool(
            re.fullmatch(_RATIO, word) or (re.fullmatch(_NUMBER, word) and not word.isdigit())
        )
    return isinstance(value, float)


def read(value: object) -> CardShare:
    """The part in `"1/3"`, `"0.33"`, `0.5` or `"50%"`. Raises ValueError."""
    part = _fraction(value).limit_denominator(_FINEST)
    return CardShare(part.numerator, part.denominator)


def together(shares: Iterable[CardShare]) -> Fraction:
    """How much of one card these are, side by side."""
    from fractions import Fraction

    return sum((Fraction(share.parts, share.of) for share in shares), Fraction(0))


def _fraction(value: object) -> Fraction:
    from fractions import Fraction

    is_value = isinstance(value, str | int | float) and not isinstance(value, bool)
    word = word_of(value) if is_value else ""
    if (ratio := re.fullmatch(_RATIO, word)) and int(ratio[2]):
        return Fraction(int(ratio[1]), int(ratio[2]))
    if number := re.fullmatch(_NUMBER, word):
        return Fraction(number[1]) / (100 if number[2] else 1)
    raise ValueError(f"{word!r} is not a part of a card")

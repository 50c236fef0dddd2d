"""Hints that a profile or `--default-resources` gives all rules, beside a rule's own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.formatting import word_of
from nvinx.jobs import card_share, gpu_hint, gpu_words, hints, share_hint
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZES = {"vram", "vram_mb", share_hint.HINT}
_ASKING = set(hints.ASKING)
_OF_A_SIZE = {residency.value for residency in Residency if residency.needs_vram}


def beside(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's resources with the defaults that do not contradict them; all in nvinx's hints.

    Where the rule says itself what it needs of a card, no default says so; a default may still give
    the size that it leaves out, or the name of the card.
    """
    own, defaults = gpu_words.translated(own), gpu_words.translated(defaults)
    asks = own.keys() & _ASKING
    if asks:
        kept = {name: value for name, value in defaults.items() if _adds(name, value, own)}
    elif defaults.keys() & _ASKING:
        kept = defaults
    else:
        kept = {name: value for name, value in defaults.items() if name not in hints.HINTS}
    together = {**kept, **own}
    if "cpu_runtime" not in own and not (together.get("cpu_fallback") or "model" in together):
        together.pop("cpu_runtime", None)  # the job never runs on the CPU instead
    return together


def _adds(name: str, value: object, own: Mapping[str, Any]) -> bool:
    if name not in hints.HINTS:
        return True
    if _residency(own) == Residency.CPU_ONLY.value:
        return False
    if name in _SIZES or card_share.is_written(value):
        return _residency(own) in _OF_A_SIZE and not _says_how_much(own)
    if name == gpu_hint.HINT:
        return gpu_hint.HINT not in own and gpu_hint.is_name(value)
    return name not in _ASKING


def _residency(own: Mapping[str, Any]) -> str:
    return word_of(own.get("residency")).lower()


def _says_how_much(own: Mapping[str, Any]) -> bool:
    stated = own.keys() & {"model", *_SIZES}
    return bool(stated) or card_share.is_written(own.get(gpu_hint.HINT))

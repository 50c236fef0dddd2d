"""The class of a card decides whether a kernel-size term is warned of."""

import warnings

import pytest

from nvinx.substrate import (
    SubstrateInfo,
    classify,
    detect_substrate,
    warn_if_datacenter_with_nonzero_gamma,
)

CARDS = {
    "A100 40 GB": (108, 42_000, "datacenter"),
    "T4": (40, 16_100, "mobile"),
    "RTX A1000": (16, 4_300, "mobile"),
    "RTX 4090": (128, 25_700, "datacenter"),
    "RTX 3080 10 GB": (68, 10_700, "mobile"),
    "a middle card": (56, 16_000, "unknown"),
    "many but not large": (70, 14_000, "unknown"),
    "just large enough": (65, 16_000, "datacenter"),
    "just few enough": (48, 80_000, "mobile"),
    "nothing known": (None, None, "unknown"),
    "only its memory known": (None, 80_000, "unknown"),
    "only that it is small": (None, 8_000, "mobile"),
}


@pytest.mark.parametrize(("sms", "memory_mb", "kind"), CARDS.values(), ids=CARDS)
def test_cards_are_classified_by_multiprocessors_and_memory(sms, memory_mb, kind):
    assert classify(sms, memory_mb) == kind


@pytest.mark.parametrize(
    ("kind", "datacenter", "mobile"),
    [("datacenter", True, False), ("mobile", False, True), ("unknown", False, False)],
)
def test_a_class_answers_questions(kind, datacenter, mobile):
    info = SubstrateInfo("A100", 108, 42_000, 8, 0, kind)
    assert (info.is_datacenter(), info.is_mobile()) == (datacenter, mobile)


def test_without_a_card_nothing_is_known():
    assert detect_substrate(99) == SubstrateInfo("(unknown)", None, None, None, None, "unknown")


@pytest.mark.parametrize("gamma", [None, 0.0, 0.75])
def test_without_a_card_nothing_is_warned_of(gamma):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_datacenter_with_nonzero_gamma(gamma, device_index=99)

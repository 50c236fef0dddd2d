"""A card is asked for by a part of its name, however clouds and drivers write it."""

import pytest

from nvinx.jobs import gpu_hint

T4, A100, RTX = "Tesla T4", "NVIDIA A100-SXM4-40GB", "NVIDIA GeForce RTX 3090"


@pytest.mark.parametrize(
    ("wanted", "cards"),
    [
        ("a100", {A100}),
        ("NVIDIA A100", {A100}),
        ("nvidia-tesla-a100", {A100}),
        ("nvidia-tesla-t4", {T4}),
        ("tesla", {T4}),
        ("nvidia", {T4, A100, RTX}),
        ("nvidia.com/gpu", {T4, A100, RTX}),
        ("geforce", {RTX}),
        ("nvidia-h100", set()),
        (None, {T4, A100, RTX}),
    ],
)
def test_a_name_is_that_of_these_cards(wanted, cards):
    assert {card for card in (T4, A100, RTX) if gpu_hint.matches(wanted, card)} == cards

"""A model that is too large is split over what is free, and says what that costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvinx.errors import DoesNotFitError
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.overflow.split import Free, Part, plan_overflow

MB = 10**6


def decoder(layers=8, layer=10 * MB, embedding=4 * MB, head=4 * MB):
    """Embedding, layers in a list, head: as transformers has them."""
    below = tuple(Part(f"model.layers.{n}", layer) for n in range(layers))
    listed = Part("model.layers", layers * layer, below)
    model = Part("model", embedding + listed.size, (Part("model.embed", embedding), listed))
    return (model, Part("head", head))


def plan(parts, *cards, ram=1000 * MB, disk=0, **kw):
    return plan_overflow(parts, Free(cards=cards, ram=ram, disk=disk), context=0, **kw)


def test_what_fits_stays_on_the_card():
    split = plan(decoder(), 100 * MB)

    assert (split.cards, split.ram, split.disk) == ((88 * MB,), 0, 0)
    assert split.fits
    assert split.added_s(Bandwidth()) == 0


def test_the_largest_layer_has_room_on_the_card_to_be_brought_there():
    split = plan(decoder(), 50 * MB)

    assert split.cards == (34 * MB,)  # embedding and three layers: the fifth ten is kept
    assert split.ram == 54 * MB
    assert split.max_memory() == {0: 50 * MB, "cpu": 1000 * MB}


def test_headroom_and_context_stay_free_on_each_card():
    parts = decoder()
    free = Free(cards=(60 * MB, 60 * MB), ram=1000 * MB)
    split = plan_overflow(parts, free, headroom=20 * MB, context=10 * MB)

    assert split.budgets == (30 * MB, 30 * MB)


def test_unequal_cards_are_filled_in_proportion():
    split = plan(decoder(layers=30), 600 * MB, 200 * MB)

    assert split.fits
    assert split.cards[0] == pytest.approx(3 * split.cards[1], rel=0.2)


def test_what_ram_cannot_hold_goes_to_the_disk():
    split = plan(decoder(), 50 * MB, ram=35 * MB, disk=100 * MB)

    assert (split.cards, split.ram, split.disk) == ((34 * MB,), 20 * MB, 34 * MB)


def test_a_card_of_nothing_is_no_card():
    split = plan(decoder(), 0)

    assert (split.cards, split.ram) == ((0,), 88 * MB)


def test_the_bytes_that_are_missing_are_told():
    with pytest.raises(DoesNotFitError, match="34 MB are missing") as failure:
        plan(decoder(), 50 * MB, ram=35 * MB)
    assert failure.value.missing == 34 * MB
    assert "mem_mb" in str(failure.value)


def test_a_model_that_would_be_all_on_disk_is_refused():
    with pytest.raises(DoesNotFitError, match="any card or RAM") as failure:
        plan(decoder(), 11 * MB, ram=5 * MB, disk=1000 * MB)
    assert failure.value.missing == 3 * MB  # embedding and largest layer, 14 MB


def test_a_model_of_nothing_fits():
    assert plan((), 1).fits


def test_seconds_are_those_of_bytes_over_bandwidth():
    split = plan(decoder(), 50 * MB, ram=35 * MB, disk=100 * MB)

    assert split.added_s(Bandwidth(bus=10 * MB, disk=2 * MB)) == pytest.approx(5.4 + 17)


sizes = st.integers(0, 50)


@st.composite
def models(draw):
    layers = draw(st.lists(st.integers(1, 20), min_size=1, max_size=8))
    below = tuple(Part(f"layers.{n}", size) for n, size in enumerate(layers))
    body = Part("layers", sum(layers), below)
    return (Part("embed", draw(st.integers(1, 20))), body, Part("head", draw(sizes)))


@given(models(), st.lists(sizes, max_size=3), sizes, st.integers(0, 200))
def test_nothing_is_lost_and_no_tier_is_overfull(parts, cards, ram, disk):
    total = sum(part.size for part in parts)
    try:
        split = plan(parts, *cards, ram=ram, disk=disk)
    except DoesNotFitError:
        split = None
    if split is None:
        assert all(total > card for card in cards)
        return
    assert sum(split.cards) + split.ram + split.disk == total
    assert all(held <= room for held, room in zip(split.cards, cards, strict=True))
    assert split.ram <= ram
    assert split.disk <= disk
    assert split.disk < total or total == 0


@given(models(), st.lists(sizes, min_size=1, max_size=3))
def test_cards_with_room_for_twice_the_largest_layer_more_hold_all_of_it(parts, cards):
    total = sum(part.size for part in parts)
    largest = max(part.largest for part in parts)
    generous = [total * (card + 1) // sum(c + 1 for c in cards) + 2 * largest for card in cards]

    assert plan(parts, *generous, ram=0).fits

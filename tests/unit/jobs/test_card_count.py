"""A job may ask for several cards, all of which it gets at once."""

import msgspec
import pytest

from nvinx.catalog import Residency
from nvinx.jobs.card_count import CardCount, read
from nvinx.jobs.card_share import CardShare
from nvinx.jobs.claim import Claim
from nvinx.jobs.hints import Common
from nvinx.jobs.hints import read as read_hints

MIB_OF_6000_MB = 5722


def claim(**hints):
    return read_hints("train", hints, Common(mem_mb=8000), {})


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (1, CardCount(1, 1)),
        (2, CardCount(2, 2)),
        ("2", CardCount(2, 2)),
        ("1-2", CardCount(1, 2)),
        (" 2 - 4 ", CardCount(2, 4)),
        ("a100:2", CardCount(2, 2)),
        ("a100:1-2", CardCount(1, 2)),
        ("a100", CardCount(1, 1)),
        (True, CardCount(1, 1)),
    ],
)
def test_cards_are_counted_in_each_way_of_writing_them(value, count):
    assert claim(gpu=value).cards == count


def test_without_a_size_they_are_whole():
    assert claim(gpu=2).residency is Residency.GPU_EXCLUSIVE


def test_a_size_is_so_much_on_each():
    made = claim(gpu=2, vram_mb=6000)
    assert (made.residency, made.vram_mib) == (Residency.GPU_SHARED, MIB_OF_6000_MB)


def test_a_part_is_that_part_of_each():
    made = claim(gpu=2, gpu_share="1/3")
    assert (made.cards, made.share) == (CardCount(2, 2), CardShare(1, 3))


def test_a_size_beside_whole_cards_is_the_least_that_each_must_have():
    made = claim(gpu=2, vram_mb=6000, residency="gpu_exclusive")
    assert (made.residency, made.vram_mib) == (Residency.GPU_EXCLUSIVE, MIB_OF_6000_MB)


def test_what_may_spill_has_whole_cards_and_its_size_is_that_of_all_of_it():
    made = claim(gpu=2, vram_mb=6000, ram_overflow=1)
    assert made.residency is Residency.GPU_RAM_OVERFLOW
    assert claim(gpu=1, vram_mb=6000, ram_overflow=1).residency is Residency.GPU_SHARED


def test_a_job_that_is_switched_off_counts_no_cards():
    assert claim(gpu=0, vram_mb=900).cards == CardCount(1, 1)


@pytest.mark.parametrize("text", ["", "1-", "-2", "0", "2-1", "a", "1/2", "1-2000"])
def test_what_is_no_number_of_cards_is_refused(text):
    with pytest.raises(ValueError, match="number of cards"):
        read(text)


def test_words_are_those_of_people():
    assert CardCount(2, 2).text == "2 cards"
    assert CardCount(1, 2).text == "1 to 2 cards"
    assert CardCount().text == "1 card"


def test_a_claim_that_was_written_before_asks_for_one_card():
    plain = msgspec.to_builtins(Claim(residency=Residency.GPU_EXCLUSIVE))
    del plain["cards"]
    assert msgspec.convert(plain, Claim).cards == CardCount()

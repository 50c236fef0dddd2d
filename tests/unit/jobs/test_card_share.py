"""A part of a card is read as people write it, and parts that add up to a card fit it."""

import pytest
from builders import card, exclusive_claim, part_claim, shared_claim
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, convert, to_builtins

from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import HintError
from nvinx.jobs import card_share, default_hints, gpu_words
from nvinx.jobs.card_share import CardShare
from nvinx.jobs.claim import Claim
from nvinx.jobs.hints import Common, read

A100 = "NVIDIA A100-SXM4-80GB"
MODELS = {"embed": ModelSpec("embed", 0.9, Residency.GPU_EXCLUSIVE)}
parts = st.integers(1, 100).flatmap(
    lambda of: st.builds(CardShare, st.integers(1, of), st.just(of))
)


def claim(**hints):
    return read("embed", gpu_words.translated(hints), Common(), MODELS, (), [A100])


def problem(**hints):
    with pytest.raises(HintError) as caught:
        claim(**hints)
    return str(caught.value)


THIRD = [
    {"gpu": "1/3"},
    {"gpu": " 1 / 3 "},
    {"gpu": "2/6"},
    {"gpu": "0.33333333"},
    {"gpu": 1 / 3},
    {"gpu_share": "1/3"},
    {"gpu_share": "33.333333%"},
    {"gpu_share": 1 / 3},
    {"gpu_share": "1/3", "residency": "gpu_shared"},
    {"gpu_share": "1/3", "gpu": 1},
    {"gpu_share": "1/3", "gpu": "1/3"},
    {"gpu_share": "1/3", "vram_mb": 0},
    {"gpu_share": "1/3", "model": "embed"},
    {"GPU_SHARE": "1/3"},
    {"gpuShare": "1/3"},
    {"gpus": "1/3"},
    {"num_gpus": 1 / 3},
    {"gpu_fraction": "0.33333333"},
    {"gpus": 1, "gpu_fraction": "1/3"},
]


@pytest.mark.parametrize("hints", THIRD, ids=str)
def test_a_third_is_a_third_however_it_is_written(hints):
    found = claim(**hints)
    assert (found.residency, found.share, found.vram_mib) == (
        Residency.GPU_SHARED,
        CardShare(1, 3),
        None,
    )


@pytest.mark.parametrize(
    ("written", "share"),
    [
        ("0.33", CardShare(33, 100)),
        ("33%", CardShare(33, 100)),
        (0.5, CardShare(1, 2)),
        (".5", CardShare(1, 2)),
        ("50 %", CardShare(1, 2)),
        ("2/5", CardShare(2, 5)),
    ],
)
def test_other_parts_are_what_they_say(written, share):
    assert claim(gpu=written).share == claim(gpu_share=written).share == share


@pytest.mark.parametrize("whole", ["1/1", "3/3", 1.0, "1.0", "100%"])
def test_all_of_a_card_is_a_whole_card(whole):
    assert claim(gpu=whole) == claim(gpu=1)
    assert claim(gpu_share=whole, residency="gpu_exclusive") == claim(gpu=1)


def test_a_part_of_a_card_of_one_name():
    found = claim(gpu="a100", gpu_share="1/2")
    assert (found.card_name, found.share) == ("a100", CardShare(1, 2))


@pytest.mark.parametrize(
    "bad", ["1/0", "4/3", "0/3", "133%", 0.0, 1.5, "0.0", float("nan"), "0.00001"]
)
@pytest.mark.parametrize("hint", ["gpu", "gpu_share"])
def test_what_is_no_part_of_a_card_is_refused_with_the_rule_and_the_fix(hint, bad):
    said = problem(**{hint: bad})
    assert f"embed: {hint}={bad!r}: must be a part of one card, above 0 and at most 1" in said
    assert f"write {hint}='1/3' for a third of a card, or gpu=1 for a whole one" in said


@pytest.mark.parametrize(
    "bad", ["a third", 0, "0", -1, "-1/3", "1/-3", "", True, "9" * 5000 + "/1"]
)
def test_words_and_counts_are_no_part_either(bad):
    assert "must be a part of one card" in problem(gpu_share=bad)


def test_words_that_name_no_card_say_how_a_part_is_written():
    assert "gpu='1/3' for a third of a card" in problem(gpu="a third")
    assert "a part of a card like gpu='1/3'" in problem(gpu=-1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"vram_mb": 900}, "gpu_share='1/3': contradicts vram_mb=900"),
        ({"vram": "2GiB"}, "gpu_share='1/3': contradicts vram='2GiB'"),
        ({"vram_mb": "auto"}, "gpu_share='1/3': contradicts vram_mb='auto'"),
        ({"gpu": "1/2"}, "gpu_share='1/3': contradicts gpu='1/2'"),
        ({"residency": "gpu_exclusive"}, "gpu_share='1/3': contradicts residency gpu_exclusive"),
        ({"residency": "gpu_ram_overflow"}, "contradicts residency gpu_ram_overflow"),
        ({"residency": "cpu_only"}, "gpu_share='1/3': contradicts residency cpu_only"),
    ],
    ids=str,
)
def test_what_else_says_how_much_contradicts_it(other, said):
    assert said in problem(gpu_share="1/3", **other)


def test_a_share_without_a_size_is_told_that_a_part_would_do():
    assert "or gpu_share='1/3' for a third of a card" in problem(residency="gpu_shared")


def test_numbers_of_cards_are_what_they_were():
    assert claim(gpu=1).residency is Residency.GPU_EXCLUSIVE
    assert claim(gpu=0, gpu_share="1/3").residency is Residency.CPU_ONLY
    assert claim(gpu=2).cards.least == 2
    assert claim(vram_mb=900, num_gpus="0.5") == claim(vram_mb=900)


@pytest.mark.parametrize(
    ("own", "default", "share"),
    [
        ({}, {"gpu": "1/3"}, CardShare(1, 3)),
        ({"residency": "gpu_shared"}, {"gpu_share": "1/3"}, CardShare(1, 3)),
        ({"residency": "gpu_shared"}, {"gpu": "1/3"}, CardShare(1, 3)),
        ({"gpu": "1/2"}, {"gpu_share": "1/3", "vram_mb": 900}, CardShare(1, 2)),
        ({"gpu": "1/2", "residency": "gpu_shared"}, {"vram_mb": 900}, CardShare(1, 2)),
        ({"gpu": 1}, {"gpu_share": "1/3"}, None),
        ({"vram_mb": 900}, {"gpu_share": "1/3", "gpu": "1/3"}, None),
    ],
    ids=str,
)
def test_a_default_gives_a_part_only_where_the_rule_says_nothing_else(own, default, share):
    assert read("embed", default_hints.beside(own, default), Common(), {}).share == share


@given(parts, st.integers(0, 10**6))
def test_as_many_as_a_card_has_parts_fit_any_card_and_no_more(share, card_mib):
    each = share.mib(card_mib)
    assert share.fit * each <= max(card_mib, share.fit)
    assert each > card_mib * share.parts / share.of - 1


@given(parts)
def test_a_larger_part_is_half_as_much_again_at_least_and_several_fit(share):
    larger = share.larger()
    if larger is None:
        assert share.parts / share.of > 1 / 3
    else:
        assert larger.fit > 1
        assert larger.parts / larger.of >= 1.5 * share.parts / share.of - 1e-12
        assert larger.is_more_than(share)
    assert share.smaller().fit == 2 * share.fit


@given(parts)
def test_a_part_is_read_back_from_its_hint(share):
    again = card_share.read(share.hint)
    assert again.parts * share.of == share.parts * again.of


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1/3", "a third of the card"),
        ("50%", "half of the card"),
        ("2/5", "2/5 of the card"),
        ("0.33", "33 % of the card"),
        ("0.125", "1/8 of the card"),
    ],
)
def test_a_part_is_told_as_people_say_it(written, text):
    assert card_share.read(written).text == text


def test_what_a_part_is_in_mib_depends_on_the_card():
    small, large = card(total_mib=4000, headroom_mib=400), card(total_mib=24_000)
    assert [c.need_mib(part_claim("1/3")) for c in (small, large)] == [1200, 8000]
    assert small.need_mib(shared_claim(900)) == 900
    assert small.need_mib(exclusive_claim()) == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"residency": "gpu_exclusive", "share": {"parts": 1, "of": 3}},
        {"residency": "gpu_shared", "vram_mib": 9, "share": {"parts": 1, "of": 3}},
        {"residency": "gpu_shared", "share": {"parts": 0, "of": 3}},
        {"residency": "gpu_shared", "share": {"parts": 4, "of": 3}},
        {"residency": "gpu_shared", "share": {"parts": 1, "of": 10**12}},
        {"residency": "gpu_shared"},
    ],
    ids=str,
)
def test_a_claim_that_makes_no_sense_is_not_read(odd):
    with pytest.raises(ValidationError):
        convert(odd, Claim)


def test_a_claim_without_a_part_is_read_as_it_was_written_before():
    old = {k: v for k, v in to_builtins(shared_claim(900)).items() if k != "share"}
    assert convert(old, Claim) == shared_claim(900)

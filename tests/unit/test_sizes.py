"""What adds up to a card in MB or GB fits on it."""

import pytest
from builders import exclusive_claim, shared_claim, simulated_card
from hypothesis import given
from hypothesis import strategies as st

from nvinx.admission.job import Job, Waiting
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.waiting_queue import Queue
from nvinx.bench.capacity import Capacity
from nvinx.sizes import (
    capacity_from_gb,
    need_from_gb,
    need_from_mb,
    need_mib,
    parse_bytes,
    used_mib,
    whole_mb,
)

CARDS_GB = (4, 6, 8, 12, 16, 24)


@pytest.mark.parametrize("card_gb", CARDS_GB)
@pytest.mark.parametrize("shares", [1, 2, 3, 4, 7])
def test_shares_that_add_up_to_a_card_start_together_on_it(card_gb, shares):
    vram_mib = need_from_mb(card_gb * 1000 // shares)
    card = simulated_card(total_mib=capacity_from_gb(card_gb))
    jobs = [Job(str(n), str(n), shared_claim(vram_mib)) for n in range(shares)]
    state = State(Capacity((card,), 8), Queue(Waiting(job, 0.0) for job in jobs))

    assert len(LongestChainFirst().decide(state, 0.0).starts) == shares


@pytest.mark.parametrize("card_gb", CARDS_GB)
def test_a_job_of_the_cards_size_is_possible_with_or_without_headroom(card_gb):
    whole = need_mib(parse_bytes(f"{card_gb}GB"))
    rest = need_from_gb(card_gb - 0.5)
    card = simulated_card(total_mib=capacity_from_gb(card_gb))
    tight = simulated_card(total_mib=card.total_mib, headroom_mib=need_from_gb(0.5))

    assert LongestChainFirst().impossible(_job(exclusive_claim(vram_mib=whole)), _of(card)) is None
    assert LongestChainFirst().impossible(_job(shared_claim(whole)), _of(card)) is None
    assert LongestChainFirst().impossible(_job(shared_claim(rest)), _of(tight)) is None
    assert LongestChainFirst().impossible(_job(shared_claim(rest + 2)), _of(tight)) is not None


@given(st.lists(st.floats(0.001, 100_000), min_size=1, max_size=20))
def test_no_shares_are_more_than_their_sum(shares_mb):
    assert sum(map(need_from_mb, shares_mb)) <= capacity_from_gb(sum(shares_mb) / 1000) + sum(
        share < 1.1 for share in shares_mb
    )


@given(st.integers(1, 10**6))
def test_megabytes_come_back_as_the_same_size(mib):
    assert need_from_mb(whole_mb(mib)) == mib


def test_a_little_is_never_nothing_and_use_is_never_less_than_it_was():
    assert (need_from_mb(0.1), need_from_mb(0), need_from_mb(-3) <= 0) == (1, 0, True)
    assert (used_mib(1), used_mib(2**20), used_mib(2**20 + 1)) == (1, 1, 2)


def _job(claim):
    return Job("job", "job", claim)


def _of(card):
    return Capacity((card,), 8)

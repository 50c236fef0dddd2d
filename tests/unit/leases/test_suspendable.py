"""Which jobs are suspended here, and what the others are told."""

import pytest
from builders import exclusive_claim, spilling_claim
from msgspec.structs import replace

from nvinx.errors import SuspendError
from nvinx.jobs.card_count import CardCount
from nvinx.jobs.preemption import Mode, Preemptible
from nvinx.leases.suspendable import Suspendable
from nvinx.testing import FakeCheckpoint

CLAIM = exclusive_claim(preemptible=Preemptible(Mode.SUSPEND), kind="fold@1")


@pytest.fixture
def checkpoint():
    return FakeCheckpoint()


@pytest.fixture
def suspendable(checkpoint, tmp_path):
    return Suspendable(checkpoint, tmp_path)


def test_on_a_machine_that_can_it_stands(suspendable):
    assert suspendable.judged(CLAIM, "fold") == (CLAIM, None)


@pytest.mark.parametrize("how", [None, Preemptible(Mode.REQUEUE)])
def test_whoever_does_not_ask_for_it_is_not_judged(suspendable, checkpoint, how):
    checkpoint.unable = SuspendError("it cannot", "mend it")
    claim = replace(CLAIM, preemptible=how)
    assert suspendable.judged(claim, "fold") == (claim, None)


def test_on_a_machine_that_cannot_it_keeps_its_card_and_is_told_the_fix(suspendable, checkpoint):
    checkpoint.unable = SuspendError("it cannot", "mend it")
    claim, told = suspendable.judged(CLAIM, "fold")
    assert claim.preemptible is None
    text = "rule fold: preemptible='suspend': has no effect here, it keeps its card: it cannot"
    assert str(told) == f"{text}. Fix: mend it."


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (replace(CLAIM, cards=CardCount(2, 2)), "it asks for several cards"),
        (spilling_claim(preemptible=CLAIM.preemptible), "it may spill to RAM"),
    ],
    ids=["gang", "spills"],
)
def test_what_is_not_on_one_card_alone_is_not_suspended(suspendable, claim, why):
    judged, told = suspendable.judged(claim, "fold")
    assert judged.preemptible is None
    assert why in str(told)


def test_a_kind_that_failed_once_is_remembered_with_the_reason_by_others_too(
    suspendable, checkpoint, tmp_path
):
    suspendable.remember("fold@1", "its memory is\nmanaged")
    suspendable.remember("other", "not this")
    again = Suspendable(checkpoint, tmp_path)
    claim, told = again.judged(CLAIM, "fold")
    assert claim.preemptible is None
    assert "it failed before (its memory is" in str(told)
    assert str(tmp_path / "not-suspended.jsonl") in str(told)
    other = replace(CLAIM, kind="fold@2")
    assert again.judged(other, "fold") == (other, None)


def test_what_makes_no_sense_there_is_passed_over(suspendable, tmp_path):
    (tmp_path / "not-suspended.jsonl").write_bytes(b"\xff\n{}\n[1\n")
    assert suspendable.judged(CLAIM, "fold") == (CLAIM, None)

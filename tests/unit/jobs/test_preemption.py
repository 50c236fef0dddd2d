"""How a job agrees to give its card back: in the field's words, or refused with the fix."""

import pytest

from nvinx.errors import HintError
from nvinx.jobs.hints import Common, read
from nvinx.jobs.preemption import Mode, Preemptible, named


@pytest.mark.parametrize(
    ("value", "agreed"),
    [
        ("requeue", Preemptible(Mode.REQUEUE)),
        ("Requeue", Preemptible(Mode.REQUEUE)),
        (1, Preemptible(Mode.REQUEUE)),
        (True, Preemptible(Mode.REQUEUE)),
        ("signal", Preemptible(Mode.SIGNAL, "USR1", 30.0)),
        ("signal:USR2", Preemptible(Mode.SIGNAL, "USR2", 30.0)),
        ("signal:SIGTERM@5", Preemptible(Mode.SIGNAL, "TERM", 5.0)),
        ("signal:@60", Preemptible(Mode.SIGNAL, "USR1", 60.0)),
        ("suspend", Preemptible(Mode.SUSPEND)),
        ("Suspend", Preemptible(Mode.SUSPEND)),
        (0, None),
        ("off", None),
        (None, None),
    ],
    ids=str,
)
def test_what_a_person_means_by_it(value, agreed):
    assert named("fold", value) == agreed
    assert agreed is None or named("fold", agreed.hint) == agreed


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("suspend@3", "not a way to give up a card"),
        ("kill", "not a way to give up a card"),
        (3, "not a way to give up a card"),
        ("signal:KILL", "not one of USR1, USR2"),
        ("signal:USR1@0", "1 to 3600 seconds"),
        ("signal:USR1@9999", "1 to 3600 seconds"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_with_a_way_to_write_it(value, problem):
    with pytest.raises(HintError, match=problem) as told:
        named("fold", value)
    assert "rule fold" in str(told.value)
    assert "Fix: write" in str(told.value)


def _claim(preempts=None, **hints):
    return read("fold", hints, Common(preempts=preempts), {})


def test_it_is_no_wish_for_a_card():
    with pytest.raises(HintError, match="means nothing for a job that uses no GPU"):
        _claim(preemptible="requeue")
    assert _claim(preemptible=1).preemptible is None  # another scheduler's switch
    assert _claim(preemptible="requeue", vram_mb=0).preemptible is None


def test_a_job_with_a_card_agrees_and_one_without_asks_nobody():
    assert _claim(preemptible="requeue", vram_mb=900).preemptible == Preemptible(Mode.REQUEUE)
    assert _claim(preempts=10, gpu=1).preempts == 10
    assert _claim(preempts=10).preempts is None

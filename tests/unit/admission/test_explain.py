"""Every reason has a sentence that a person can act on."""

import pytest
from builders import card, running, shared_job

from nvinx.admission import explain
from nvinx.admission.job import Placement
from nvinx.catalog import Residency
from nvinx.formatting import duration, gb
from nvinx.jobs.out_of_memory import evidence
from nvinx.reasons import Reason, Why
from nvinx.sizes import capacity_from_gb, need_from_mb

CARD = card(total_mib=3814, headroom_mib=477)


@pytest.mark.parametrize("why", Why)
def test_every_reason_has_a_sentence(why):
    for reason in (Reason("j", why), Reason("j", why, 900, 100, ("a", "b"))):
        text = explain.sentence(reason)
        assert text
        assert "{" not in text


@pytest.mark.parametrize(
    ("kernel_kills", "told"),
    [
        (None, "nvinx cannot tell by what"),
        (0, "not by the kernel for lack of RAM"),
        (2, "probably by the kernel for lack of RAM: it killed 2 of"),
    ],
)
def test_of_a_job_that_was_killed_no_more_is_said_than_is_known(kernel_kills, told):
    killed = evidence(["loading\nslurm_script: line 31: 37987 Killed    fold -t 8"], 1)
    for found in (killed, evidence([""], 137), evidence([], -9)):
        text = explain.lacks_ram("fold", found, kernel_kills)
        assert text.startswith("nvinx: fold was killed (SIGKILL)")
        assert told in text


def test_a_wait_for_several_jobs_speaks_of_several():
    reason = Reason("j", Why.CARD_GIVEN_BACK, behind=("a", "b"))
    assert explain.sentence(reason) == "a, b are giving up the card"


def test_a_wait_names_the_sizes_and_who_is_in_the_way():
    reason = Reason("j", Why.NOT_ENOUGH_VRAM, 954, 95, ("a", "b", "c", "d", "e"))
    assert (
        explain.sentence(reason) == "needs 1.00 GB of VRAM, 100 MB free beside a, b, c and 2 more"
    )


@pytest.mark.parametrize(
    "why", [Why.NO_GPU_ON_BENCH, Why.NOT_ENOUGH_CORES, Why.NOT_ENOUGH_RAM, Why.LARGER_THAN_CARD]
)
def test_a_job_that_can_never_run_is_told_the_problem_and_the_fix(why):
    problem, fix = explain.impossible(Reason("embed[3]", why, 9000, 4000))

    assert "embed[3]" in problem
    assert fix


def test_where_there_is_no_gpu_the_drivers_words_are_given_with_one_fix_only():
    problem, fix = explain.impossible(
        Reason("j", Why.NO_GPU_ON_BENCH), "no driver. Fix: install it"
    )

    assert "no driver" in problem
    assert "Fix" not in problem + fix


@pytest.mark.parametrize(
    ("mib", "text"),
    [
        (None, "an unknown amount"),
        (0, "0.00 GB"),
        (50, "52 MB"),
        (859, "0.90 GB"),
        (3814, "4.00 GB"),
    ],
)
def test_memory_reads_as_people_state_it(mib, text):
    assert gb(mib) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0.0 s"), (3.21, "3.2 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")]
)
def test_time_reads_as_people_state_it(seconds, text):
    assert duration(seconds) == text


def test_a_start_is_one_quiet_line_that_says_who_is_beside_and_how_full_the_card_is():
    here, beside = (running(shared_job(name, 859)) for name in ("embed[3]", "embed[1]"))
    line = explain.started(here.job, here.placement, (CARD,), [beside])

    assert line == "nvinx: embed[3] -> GPU 0 shared with embed[1] (1.80 GB of 3.50 GB)"


def test_a_start_says_how_much_longer_the_job_is_expected_to_take():
    here, beside = (running(shared_job(name, 859)) for name in ("embed[3]", "embed[1]"))
    line = explain.started(here.job, here.placement, (CARD,), [beside], slowdown=1.58)

    assert line.endswith("(1.80 GB of 3.50 GB), expected to take 1.6x as long")


def test_a_start_says_when_a_job_went_to_the_cpu_because_it_is_too_large():
    job = shared_job("embed[3]", 9000)
    line = explain.started(job, Placement(Residency.CPU_ONLY, Why.LARGER_THAN_CARD), (CARD,), [])

    assert line == "nvinx: embed[3] -> CPU (larger than the card)"


def test_a_short_wait_is_not_worth_a_word_and_a_long_one_is():
    placed = running(shared_job("a", 1)).placement
    waited_for = Reason("a", Why.CARD_HELD_EXCLUSIVELY, behind=("x",))

    assert explain.start_reason(placed, 0.1, waited_for) == "fits beside others"
    assert (
        explain.start_reason(placed, 9.0, waited_for)
        == "fits beside others; waited: card held exclusively by x"
    )


def test_cards_that_a_variable_hides_are_not_blamed_on_the_driver():
    hidden = "CUDA_VISIBLE_DEVICES='' hides GPU 0"
    _, fix = explain.impossible(Reason("j", Why.NO_GPU_ON_BENCH), hidden)
    assert fix.startswith("unset CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(("need_mb", "have_gb"), [(4001, 4), (8003, 8), (24003, 24)])
def test_a_job_that_is_too_large_by_little_needs_another_number_than_the_card_gives(
    need_mb, have_gb
):
    need, have = need_from_mb(need_mb), capacity_from_gb(have_gb)
    reason = Reason("fold", Why.LARGER_THAN_CARD, need=need, have=have)
    problem, _ = explain.impossible(reason)
    needed, given = (int(words.split(" MB")[0].split()[-1]) for words in problem.split(";"))
    assert needed > given

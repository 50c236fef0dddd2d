"""A run's log ends with what it took and saved, or with what failed, why, and what was done."""

import pytest
from recorded import ALONE, SHARED, Recorder

from nvinx.jobs.outcome import Outcome
from nvinx.runs import read as recorded
from snakemake_executor_plugin_nvinx import ending

OOM = Outcome.OUT_OF_MEMORY
SEE = "See: nvinx jobs, nvinx report."


@pytest.fixture
def ended(tmp_path):
    def lines(*jobs, at=60):
        run = Recorder(tmp_path)
        for name, *rest, more in jobs:
            run.job(name, *rest, **more)
        run.at(at).close()
        return list(ending.lines(recorded.last(tmp_path)))

    return lines


def test_both_times_are_of_the_same_replay_however_long_the_run_took(ended):
    pause_s = 30
    said = ended(
        ("a", (0, pause_s, pause_s + 4), SHARED, {}),
        ("b", (0, pause_s, pause_s + 6), SHARED, {}),
    )
    assert said == [
        (
            "nvinx: 2 jobs in 36.0 s. Replayed without the time between jobs, they take 6.0 s, "
            f"and 10.0 s with one GPU job at a time: 40% less. {SEE}"
        )
    ]


def test_where_nothing_was_saved_or_all_is_over_in_seconds_no_time_is_compared(ended):
    assert ended(("a", (0, 0, 9), ALONE, {})) == [f"nvinx: 1 job in 9.0 s. {SEE}"]
    short = ended(("a", (0, 0, 1), SHARED, {}), ("b", (0, 0, 1), SHARED, {}))
    assert short == [f"nvinx: 2 jobs in 1.0 s. {SEE}"]


def test_without_a_card_a_run_that_went_well_ends_in_silence(ended):
    assert ended(("a", (0, 0, 9), {})) == []


def test_a_failed_run_ends_with_what_failed_and_why(ended):
    said = ended(
        ("first", (0, 0, 4), {}),
        ("call", (0, 1, 3), SHARED, {"outcome": Outcome.FAILED}),
        ("last", (0,), {}),
    )
    assert said == [
        "nvinx: 1 job failed, 1 done, 1 never started, in 4.0 s.",
        "nvinx: call failed on GPU 0 shared after 2.0 s; see its own message above.",
        "nvinx: See: nvinx explain call, nvinx jobs, nvinx report.",
    ]


def test_what_ran_out_of_memory_is_told_so(ended):
    said = ended(("call", (0, 1, 3), ALONE, {"outcome": OOM}))
    assert said[1] == "nvinx: call ran out of GPU memory on GPU 0 alone after 2.0 s."


def test_of_many_that_failed_the_first_are_told(ended):
    said = ended(*((f"j{n}", (0, n, n + 1), {"outcome": Outcome.FAILED}) for n in range(9)))
    assert said[0] == "nvinx: 9 jobs failed, 0 done, in 9.0 s."
    assert said[-1].startswith(
        "nvinx: Failed as well: j3, j4, j5 and 3 more. See: nvinx explain j0"
    )
    assert len(said) == 5

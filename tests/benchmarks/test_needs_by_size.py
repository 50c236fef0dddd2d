"""In a simulated lab the learned VRAM is enough, and not much more than that."""

from pathlib import Path
from statistics import mean

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def played(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import needs_by_size

    return needs_by_size.play_all(seed=0)


def test_few_jobs_run_out_and_little_is_held_for_nothing(played):
    auto, again, maximum, oracle = (played[m] for m in ("auto", "again", "maximum", "oracle"))
    for name, tally in played.items():
        print(f"{name}: held {mean(tally.held_over_used):.2f} times what was used, "
              f"{tally.share_out:.1%} ran out, {tally.makespan_s:.0f} s")  # fmt: skip
    assert auto.share_out <= 0.03
    assert mean(auto.held_over_used) <= 1.3
    assert mean(maximum.held_over_used) > 2 * mean(oracle.held_over_used)
    assert oracle.makespan_s < again.makespan_s < maximum.makespan_s

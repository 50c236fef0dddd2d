"""On a card that long jobs fill, urgent ones hardly wait, and little work is lost."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def preemption(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import preemption

    return preemption


@pytest.mark.parametrize("name", ["told by a signal (30 s)", "a quarter requeued"])
def test_urgent_jobs_hardly_wait_and_little_work_is_lost(preemption, name):
    before_s, after_s, lost, times = preemption.figures(preemption.STREAMS[name], 100.0, 2)
    print(f"{name}: {before_s:.0f} s and {after_s:.0f} s, {lost:.2%} lost in {times}")
    assert after_s <= 0.05 * before_s
    assert lost < 0.05
    assert times > 0

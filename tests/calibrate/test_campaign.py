"""A campaign's programs: several side by side, and how many of them stay loaded."""

import os

import pytest

from nvinx.calibration.campaign import Campaign
from nvinx.calibration.programs import Program
from nvinx.calibration.results import Alone, Failed
from nvinx.calibration.tasks import Solo, Together, Windows
from nvinx.errors import CalibrationError

CORE = min(os.sched_getaffinity(0))
WINDOWS = Windows(seconds=0.1, warm_up_s=0.05)


def campaign(folder, names, command="sleep 0.01", **more):
    programs = {name: Program(name, command=command) for name in names}
    return Campaign(programs, folder, WINDOWS, core=CORE, **more)


def pids(campaign):
    return {name: timed.pid for name, timed in campaign._loaded.items()}


def test_three_programs_run_side_by_side_in_the_same_windows(tmp_path):
    crowd = campaign(tmp_path, "abc")
    rates = crowd.side_by_side(["a", "b", "c"])
    crowd.close()
    assert [len(each) for each in rates] == [3, 3, 3]
    assert all(rate > 0 for each in rates for rate in each)


def test_programs_stay_loaded_where_there_is_room(tmp_path):
    crowd = campaign(tmp_path, "abc", loaded_at_once=3)
    assert isinstance(crowd.run(Solo("a")), Alone)
    crowd.run(Together("b", "c"))
    before = pids(crowd)
    crowd.run(Together("a", "b"))
    assert pids(crowd) == before
    assert set(before) == {"a", "b", "c"}
    crowd.close()


def test_those_not_needed_make_room_for_others(tmp_path):
    crowd = campaign(tmp_path, "abc")
    crowd.run(Together("a", "b"))
    crowd.run(Together("b", "c"))
    assert set(pids(crowd)) == {"b", "c"}
    crowd.close()


def test_a_crowd_that_fails_ends_all_and_the_campaign_goes_on(tmp_path):
    crowd = campaign(tmp_path, "ab", f"flock --nonblock {tmp_path}/vram sleep 0.02")
    with pytest.raises(CalibrationError, match="exit status 1"):
        crowd.side_by_side(["a", "b"])
    assert pids(crowd) == {}
    assert isinstance(crowd.run(Together("a", "b")), Failed)
    assert crowd.run(Solo("a")).rate > 0
    crowd.close()

"""What is read ahead, for whom, and how much of it; nothing here touches a file."""

import pytest

from nvinx.errors import HintError
from nvinx.jobs.stage_hint import named
from nvinx.sizes import MIB
from nvinx.staging.choose import Load, Memory, choose
from nvinx.staging.ports import File


def load(job_id, **sizes_mib):
    return Load(job_id, job_id, tuple(File(path, size * MIB) for path, size in sizes_mib.items()))


def chosen(queue, warm=(), left_mib=4000, share=0.25):
    found = choose(queue, warm, Memory(left_mib, share))
    return found and (found.job_id, {f.path: f.size_bytes // MIB for f in found.files})


def test_the_first_job_of_the_queue_with_cold_files_comes_first():
    queue = [load("a", x=100), load("b", y=200)]
    assert chosen(queue) == ("a", {"x": 100})
    assert chosen(queue, warm={"x"}) == ("b", {"y": 200})
    assert chosen(queue, warm={"x", "y"}) is None


def test_a_file_that_several_jobs_load_is_read_for_the_first_of_them_and_takes_room_once():
    queue = [load("a", x=900), load("b", x=900, y=100)]
    assert chosen(queue) == ("a", {"x": 900})
    assert chosen(queue, warm={"x"}) == ("b", {"y": 100})


def test_files_take_their_share_of_memory_and_no_more():
    assert chosen([load("a", x=600, y=600, z=600)]) == ("a", {"x": 600, "y": 400})
    assert chosen([load("a", x=600, y=600)], share=1.0) == ("a", {"x": 600, "y": 600})


def test_what_is_warm_still_takes_its_room():
    queue = [load("a", x=1000), load("b", y=100)]
    assert chosen(queue, warm={"x"}) is None


def test_what_is_too_small_to_matter_is_passed_over():
    assert chosen([load("a", x=15), load("b", y=16)]) == ("b", {"y": 16})
    many = Load("a", "a", tuple(File(str(n), 900_000) for n in range(99)))
    assert chosen([many]) is None
    assert chosen([load("a", x=15, y=15)]) == ("a", {"x": 15, "y": 15})


def test_nobody_waits_or_nothing_is_left_and_nothing_is_read():
    assert chosen([]) is None
    assert chosen([load("a")]) is None
    assert chosen([load("a", x=100)], left_mib=0) is None


def test_a_queue_is_looked_at_no_further_than_needed():
    def queue():
        yield load("a", x=100)
        raise AssertionError

    assert chosen(queue()) == ("a", {"x": 100})


def test_reading_stops_when_half_of_the_memory_that_was_there_has_gone():
    assert Memory(1000, 0.25).floor_mib == 500


def test_a_hint_names_files_as_a_shell_would():
    assert named("r", "a.bin  'my model/b.bin'") == ("a.bin", "my model/b.bin")
    assert named("r", "off") == ()
    assert named("r", None) is None


@pytest.mark.parametrize("value", ["", "   ", "''", "a '' b", "it's", 3, 1.5, True, ["a"]])
def test_a_wrong_hint_names_rule_value_and_fix(value):
    with pytest.raises(HintError) as caught:
        named("embed", value)
    assert "rule embed: nvinx_stage=" in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "Fix: " in str(caught.value)

"""What the kernel killed for lack of RAM is counted where it says so."""

from pathlib import Path

import pytest

from nvinx.host import kernel_kills


def counters(folder, text):
    file = folder / "vmstat"
    file.write_text(text)
    return file


def test_the_kernels_own_counter_is_read(tmp_path):
    file = counters(tmp_path, "nr_free_pages 9\noom_kill 3\noom_killer 7\n")
    assert kernel_kills.count(file) == 3


@pytest.mark.parametrize("text", ["", "nr_free_pages 9\n", "oom_kill\n", "oom_kill many\n"])
def test_a_kernel_that_does_not_say_so_is_not_guessed_for(tmp_path, text):
    assert kernel_kills.count(counters(tmp_path, text)) is None


def test_no_counters_are_no_error():
    assert kernel_kills.count(Path("/nonexistent/vmstat")) is None


def test_between_two_looks_the_difference_counts():
    before = kernel_kills.count()
    now = kernel_kills.since(before)
    assert now is None if before is None else now >= 0
    assert kernel_kills.since(None) is None

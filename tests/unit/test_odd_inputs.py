"""What a fuzz of the readers found: odd texts and values are refused in words that help."""

import pytest

from nvinx import bench_text
from nvinx.errors import BenchError


def refused(text, parse=bench_text.parse):
    with pytest.raises(BenchError, match=r"^bench.yaml(, line \d+)?: .*Fix: ") as caught:
        parse(text, "bench.yaml")
    return caught.value


def test_aliases_of_aliases_are_read_once_and_do_not_hang():
    lines = [f"x{n}: &x{n} [{f'*x{n - 1}, ' * 9}]" for n in range(1, 30)]
    assert refused("\n".join(["x0: &x0 [1]", *lines])).line == 1


def test_a_value_that_contains_itself_is_refused():
    assert "contains itself" in refused("hardware: &a {vram_gb: *a}").problem

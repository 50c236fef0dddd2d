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


@pytest.mark.parametrize("tag", ["int", "bool", "float", "timestamp", "seq", "map", "set", "omap"])
def test_a_tag_that_its_value_does_not_bear_is_refused_with_its_line(tag):
    assert refused(f"hardware:\n  vram_gb: !!{tag} x").line == 2


def test_a_key_that_is_marked_as_a_list_is_refused():
    assert refused("? !!seq x\n: 1").line == 1


@pytest.mark.parametrize("letter", ["UFFFFFFFF", "U00110000"])
def test_an_escape_beyond_unicode_is_refused_with_its_line(letter):
    assert refused(f'hardware:\n  vram_gb: "\\{letter}"').line == 2

"""What a fuzz of the readers found: odd texts and values are refused in words that help."""

import pytest

from nvinx.bench import coruns
from nvinx.bench import parse as bench_parser
from nvinx.errors import BenchError, HintError
from nvinx.jobs import hints
from nvinx.simulation import workload_file


def refused(text, parse=bench_parser.parse):
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


HUGE = "0x" + "f" * 4000


@pytest.mark.parametrize("key", ["vram_gb", "cpu_cores", HUGE])
def test_a_number_of_thousands_of_digits_is_refused_with_its_line(key):
    assert refused(f"hardware:\n  {key}: {HUGE}").line == 2


@pytest.mark.parametrize("number", [".inf", ".nan", "1.0e+308"])
@pytest.mark.parametrize("key", ["mem_mb", "vram_mb", "release_s", "runtime_s", "cpu_duration_s"])
def test_a_number_of_a_workload_that_nobody_can_count_with_is_refused(key, number):
    text = f"- name: a\n  duration_s: 1\n  {key}: {number}"
    assert refused(text, workload_file.parse).line == 3


def test_a_slowdown_too_large_for_a_float_is_refused():
    text = f"pairs: [{{a: x, b: y, slowdown_a: {'9' * 400}}}]"
    assert refused(text, coruns.parse).line == 1


ODD_HINTS = (
    *(("model", ["esm2"]), ("vram_mb", 10**400), ("vram_mb", 1e308), ("vram_mb", 10**5000)),
    *(("vram", "9" * 400 + "GB"), ("vram", "\u0663GB"), ("gpu", 10**5000), ("gpu", -(10**5000))),
    *(("max_slowdown", 10**400), ("cpu_runtime", 10**400), ("residency", 10**5000)),
)


@pytest.mark.parametrize(("hint", "value"), ODD_HINTS, ids=range(len(ODD_HINTS)))
def test_a_hint_of_an_odd_kind_or_size_is_refused_with_a_fix(hint, value):
    with pytest.raises(HintError, match=r"^rule embed: .*Fix: ") as caught:
        hints.read("embed", {hint: value}, hints.Common(), {})
    assert caught.value.hint.startswith(hint)


def test_minutes_on_the_cpu_that_are_endless_in_seconds_are_refused():
    stated = {"vram_mb": 900, "cpu_fallback": 1, "cpu_runtime": 1e308}
    with pytest.raises(HintError, match=r"cpu_runtime=1e\+308: .*Fix: "):
        hints.read("embed", stated, hints.Common(), {})


@pytest.mark.parametrize("mem_mb", [float("inf"), float("nan"), -1, 1e300])
def test_memory_that_is_no_number_of_mb_is_refused_with_a_fix(mem_mb):
    with pytest.raises(HintError, match=r"rule embed: mem_mb: .*Fix: "):
        hints.read("embed", {}, hints.Common(mem_mb=mem_mb), {})

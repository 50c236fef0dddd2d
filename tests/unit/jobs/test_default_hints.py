"""A default from a profile gives way to what a rule says itself."""

import pytest

from nvinx.catalog import ModelSpec, Residency
from nvinx.jobs import default_hints
from nvinx.jobs.hints import Common, read

SHARED, ALONE, CPU = Residency.GPU_SHARED, Residency.GPU_EXCLUSIVE, Residency.CPU_ONLY
MODELS = {"esm2": ModelSpec("esm2", 2.0, SHARED)}


@pytest.mark.parametrize(
    ("own", "defaults", "residency", "vram_mib"),
    [
        ({}, {"gpu": 1}, ALONE, None),
        ({}, {"gres": "gpu:1"}, ALONE, None),
        ({}, {"vram_mb": 900}, SHARED, 858),
        ({"gpu": 0}, {"vram_mb": 900}, CPU, None),
        ({"gpus": 0}, {"vram_mb": 900}, CPU, None),
        ({"residency": "cpu_only"}, {"gpu": 1, "max_slowdown": "2"}, CPU, None),
        ({"residency": "CPU_ONLY"}, {"vram_mb": 900}, CPU, None),
        ({"residency": "gpu_exclusive"}, {"gpu_share": "1/4"}, ALONE, None),
        ({"residency": "gpu_exclusive"}, {"vram_mb": "auto"}, ALONE, None),
        ({"residency": "gpu_exclusive"}, {"vram_mb": "1000-2000"}, ALONE, None),
        ({"vram_mb": 900}, {"gpu": 0}, SHARED, 858),
        ({"vram_mb": 900}, {"gpus": 0}, SHARED, 858),
        ({"gres": "gpu:1"}, {"gpu": 0}, ALONE, None),
        ({"vram_mb": 900}, {"residency": "cpu_only"}, SHARED, 858),
        ({"vram_mb": 900}, {"vram": "4GB"}, SHARED, 858),
        ({"gpu": 1}, {"vram_mb": 900}, ALONE, None),
        ({"gpu": 1}, {"residency": "gpu_shared", "vram_mb": 900}, ALONE, None),
        ({"residency": "gpu_shared"}, {"vram_mb": 900}, SHARED, 858),
        ({"model": "esm2"}, {"vram_mb": 900}, SHARED, 1907),
        ({}, {"max_slowdown": "1.5", "cpu_fallback": 1}, CPU, None),
        ({}, {"max_slowdown": "1.5", "vram_mb": 900}, SHARED, 858),
    ],
)
def test_the_rule_has_the_last_word(own, defaults, residency, vram_mib):
    made = read("embed", default_hints.beside(own, defaults), Common(), MODELS)
    assert (made.residency, made.vram_mib) == (residency, vram_mib)


def test_what_the_rule_leaves_open_a_default_may_say():
    asked = default_hints.beside({"vram_mb": 900}, {"gpu": "a100", "cpu_fallback": 1, "mem_mb": 9})
    made = read("embed", asked, Common(), {})
    assert (made.card_name, made.cpu_fallback, asked["mem_mb"]) == ("a100", True, 9)


def test_a_default_time_on_the_cpu_is_for_jobs_that_may_run_there():
    times = {"cpu_runtime": 30}
    assert "cpu_runtime" not in default_hints.beside({"gpu": 1}, times)
    assert "cpu_runtime" not in default_hints.beside({"gpu": 1, "cpu_fallback": 0}, times)
    assert "cpu_runtime" in default_hints.beside({"gpu": 1, "cpu_fallback": 1}, times)
    assert "cpu_runtime" in default_hints.beside({"gpu": 1}, times | {"cpu_fallback": 1})
    assert "cpu_runtime" in default_hints.beside({"gpu": 1, "cpu_runtime": 5}, {})

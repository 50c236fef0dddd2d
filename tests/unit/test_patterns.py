"""The three patterns keep upstream's names, arguments, defaults and results."""

import pytest

from nvinx import HardwareSpec, ModelSpec, Residency
from nvinx.patterns import fractional_coresidency, ram_overflow, serial_handoff
from nvinx.reasons import Why

HW = HardwareSpec(vram_gb=4.0, ram_gb=32.0, cpu_cores=8)
LONG = ModelSpec("long", 3.5, Residency.GPU_EXCLUSIVE)


def shared(name, vram_gb, **kw):
    return ModelSpec(name, vram_gb, Residency.GPU_SHARED, **kw)


def cpu(name):
    return ModelSpec(name, 0.0, Residency.CPU_ONLY)


def why(plan, name):
    return [r.why for r in plan.reasons if r.job == name]


def test_cpu_work_runs_while_one_job_holds_the_card():
    plan = serial_handoff(
        LONG, [cpu("a"), shared("b", 1.0), shared("c", 1.0, cpu_fallback_supported=True)], HW
    )

    assert plan.gpu_foreground is LONG
    assert [m.name for m in plan.cpu_parallel] == ["a", "c"]
    assert [m.name for m in plan.unscheduled] == ["b"]
    assert why(plan, "b") == [Why.NO_CPU_FALLBACK]
    assert why(plan, "c") == [Why.DURING_EXCLUSIVE]


def test_a_job_of_the_size_of_the_card_may_hold_it():
    assert (
        serial_handoff(ModelSpec("x", 4.0, Residency.GPU_EXCLUSIVE), [], HW).gpu_foreground.name
        == "x"
    )


@pytest.mark.parametrize("job", [shared("x", 1.0), ModelSpec("x", 4.1, Residency.GPU_EXCLUSIVE)])
def test_a_shared_or_too_large_job_cannot_hold_the_card_alone(job):
    with pytest.raises(ValueError, match="x: "):
        serial_handoff(job, [], HW)


def test_small_models_are_packed_largest_first_below_the_headroom():
    models = [
        shared("a", 0.7),
        shared("b", 0.3),
        shared("c", 1.2),
        shared("big", 4.0, cpu_fallback_supported=True),
    ]

    plan = fractional_coresidency(models, HW)

    assert [m.name for m in plan.gpu_coresident] == ["c", "a", "b"]
    assert [m.name for m in plan.cpu_parallel] == ["big"]
    assert plan.notes[0].endswith("2.20/3.50 GB VRAM used (+ 0.5 GB headroom).")


def test_a_model_that_fits_to_the_last_byte_is_packed():
    assert fractional_coresidency([shared("a", 3.5)], HW).gpu_coresident


def test_what_does_not_fit_and_has_no_fallback_is_unscheduled_with_its_numbers():
    plan = fractional_coresidency([shared("a", 3.0), shared("b", 1.0)], HW)

    assert [m.name for m in plan.unscheduled] == ["b"]
    short = next(r for r in plan.reasons if r.job == "b")
    assert short.why is Why.NOT_ENOUGH_VRAM
    assert short.need > short.have > 0


def test_exclusive_never_shares_and_cpu_only_never_uses_the_card():
    plan = fractional_coresidency([LONG, cpu("a")], HW)

    assert not plan.gpu_coresident
    assert [m.name for m in plan.cpu_parallel] == ["a"]
    assert [m.name for m in plan.unscheduled] == ["long"]
    assert why(plan, "long") == [Why.CANNOT_SHARE]


def test_a_headroom_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match="leaves nothing"):
        fractional_coresidency([], HW, headroom_gb=4.0)


def big(**kw):
    return ModelSpec(
        "big",
        6.0,
        Residency.GPU_RAM_OVERFLOW,
        **{"ram_overflow_supported": True, "ram_gb_needed": 10.0, **kw},
    )


def test_a_large_model_is_split_between_card_and_ram():
    hint = ram_overflow(big(), HW)

    assert hint["device_map"] == "auto"
    assert hint["max_memory"] == {0: "3.5GiB", "cpu": "6.5GiB"}
    assert "3-5x" in hint["estimated_slowdown"]
    assert "big" in hint["notes"]


@pytest.mark.parametrize(
    "model", [big(ram_overflow_supported=False), big(ram_gb_needed=None), big(ram_gb_needed=33.0)]
)
def test_a_model_that_may_not_or_cannot_spill_is_an_error(model):
    with pytest.raises(ValueError, match="big: "):
        ram_overflow(model, HW)


@pytest.mark.parametrize("kw", [{"vram_gb": -1}, {"ram_gb": -1}, {"cpu_cores": -1}])
def test_a_bench_of_negative_size_is_an_error(kw):
    with pytest.raises(ValueError, match="negative"):
        HardwareSpec(**{"vram_gb": 1, "ram_gb": 1, "cpu_cores": 1, **kw})

"""A rule's hints are understood, or refused with the rule, the value and the fix."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import HintError
from nvinx.jobs import gpu_hint
from nvinx.jobs.claim import Claim
from nvinx.jobs.hints import HINTS, Common, read
from nvinx.sizes import need_from_mb

MODELS = {
    "esm2": ModelSpec("esm2", 0.9, Residency.GPU_SHARED, cpu_fallback_supported=True),
    "big": ModelSpec(
        "big", 6.0, Residency.GPU_RAM_OVERFLOW, ram_overflow_supported=True, ram_gb_needed=10.0
    ),
    "caller": ModelSpec("caller", 3.5, Residency.GPU_EXCLUSIVE),
}


def claim(common=None, **hints):
    return read("embed", hints, common or Common(), MODELS)


def refused(common=None, **hints):
    with pytest.raises(HintError) as caught:
        claim(common, **hints)
    assert caught.value.rule == "embed"
    assert "Fix: " in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("hints", "residency", "vram_mib"),
    [
        ({}, Residency.CPU_ONLY, None),
        ({"gpu": 0}, Residency.CPU_ONLY, None),
        ({"gpu": 1}, Residency.GPU_EXCLUSIVE, None),
        ({"gpu": True}, Residency.GPU_EXCLUSIVE, None),
        ({"gpu": "1"}, Residency.GPU_EXCLUSIVE, None),
        ({"gpu": "yes"}, Residency.GPU_EXCLUSIVE, None),
        ({"gpu": "a100"}, Residency.GPU_EXCLUSIVE, None),
        ({"vram_mb": 0, "gpu": 1}, Residency.GPU_EXCLUSIVE, None),
        ({"vram_mb": 900}, Residency.GPU_SHARED, 858),
        ({"vram_mb": "900"}, Residency.GPU_SHARED, 858),
        ({"vram_mb": 900, "gpu": "a100"}, Residency.GPU_SHARED, 858),
        ({"gpu": 1, "vram_mb": 900}, Residency.GPU_SHARED, 858),
        ({"vram": "900MB"}, Residency.GPU_SHARED, 858),
        ({"vram": "1.5 GB"}, Residency.GPU_SHARED, 1430),
        ({"vram": "2GiB"}, Residency.GPU_SHARED, 2048),
        ({"vram": "2 Gi"}, Residency.GPU_SHARED, 2048),
        ({"vram": "3g"}, Residency.GPU_SHARED, 2861),
        ({"vram": "512kib"}, Residency.GPU_SHARED, 1),
        ({"vram": "0.5 TB"}, Residency.GPU_SHARED, 476_837),
        ({"vram": "900MB", "vram_mb": 900}, Residency.GPU_SHARED, 858),
        ({"vram_mb": 900, "residency": "GPU_EXCLUSIVE"}, Residency.GPU_EXCLUSIVE, 858),
        ({"model": "esm2"}, Residency.GPU_SHARED, 858),
        ({"model": "esm2", "vram_mb": 2000}, Residency.GPU_SHARED, 1907),
        ({"model": "caller"}, Residency.GPU_EXCLUSIVE, 3337),
        ({"model": "esm2", "residency": "cpu_only"}, Residency.CPU_ONLY, None),
    ],
)
def test_hints_say_where_a_job_wants_to_live(hints, residency, vram_mib):
    made = claim(**hints)
    assert (made.residency, made.vram_mib) == (residency, vram_mib)


SWITCHES = [
    {"gpu": 0},
    {"gpu": "0"},
    {"gpu": False},
    {"gpu": ""},
    {"gpu": "off"},
    {"vram_mb": 0},
    {"vram_mb": "0"},
    {"vram": "0MB"},
    {"gpu": 0, "vram_mb": 900},
    {"gpu": 0, "residency": "gpu_exclusive"},
    {"gpu": 0, "model": "esm2"},
    {"vram_mb": 0, "max_slowdown": "1.5"},
]


@pytest.mark.parametrize("hints", SWITCHES)
def test_a_hint_of_nothing_is_a_switch_that_is_off(hints):
    made = claim(Common(cores=2), **hints, cpu_fallback=1, ram_overflow=1)
    assert (made.residency, made.vram_mib, made.cores) == (Residency.CPU_ONLY, None, 2)
    assert (made.may_overflow, made.model, made.max_slowdown) == (False, None, None)


A100 = "NVIDIA A100-SXM4-80GB"


@pytest.mark.parametrize("gpu", ["a100", "A100-SXM4", "a100_sxm4", "a100:1", "NVIDIA A100"])
def test_a_card_is_asked_for_by_a_part_of_its_name(gpu):
    made = read("embed", {"gpu": gpu}, Common(), {}, (), [A100, "NVIDIA T4"])
    assert gpu_hint.matches(made.card_name, A100)
    assert not gpu_hint.matches(made.card_name, "NVIDIA T4")


def test_a_name_that_no_card_has_is_refused_with_those_that_are_there():
    with pytest.raises(HintError, match=f"gpu='h100': no card here .*there is {A100}"):
        read("embed", {"gpu": "h100"}, Common(), {}, (), [A100, A100])


def test_a_job_that_may_run_on_the_cpu_may_name_a_card_that_is_not_there():
    assert read("embed", {"gpu": "h100", "cpu_fallback": 1}, Common(), {}, (), [A100]).cpu_fallback


def test_a_model_supplies_what_the_rule_leaves_out():
    assert claim(model="esm2").cpu_fallback
    assert not claim(model="esm2", cpu_fallback=0).cpu_fallback
    big = claim(model="big")
    assert (big.ram_overflow, big.ram_mib) == (True, need_from_mb(10_000))
    assert claim(Common(mem_mb=500), model="big").ram_mib == need_from_mb(500)


def test_what_every_engine_states_passes_through():
    made = claim(
        Common(cores=3, mem_mb=100, runtime_s=60.0, priority=7), vram_mb=1, max_slowdown="1.5"
    )
    assert (made.cores, made.ram_mib, made.runtime_s, made.priority) == (3, 95, 60.0, 7)
    assert made.max_slowdown == 1.5


def test_resources_that_are_not_ours_are_left_alone():
    assert claim(partition="fast", disk_mb=5, virtual=1).residency is Residency.CPU_ONLY


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({"residency": "gpu_sharde"}, ["gpu_sharde", "gpu_shared"]),
        ({"residency": "moon"}, ["moon", "gpu_exclusive"]),
        ({"residency": 3}, ["3"]),
        ({"vram": "4 bananas"}, ["4 bananas", "900MB"]),
        ({"vram": "900"}, ["900", "900MB"]),
        ({"vram": 900}, ["900", "unit"]),
        ({"vram_mb": True}, ["True"]),
        ({"vram_mb": -5}, ["-5"]),
        ({"vram_mb": float("nan")}, ["nan"]),
        ({"vram_mb": float("inf")}, ["inf"]),
        ({"vram": "900MB", "vram_mb": 1}, ["900MB", "vram_mb=1"]),
        ({"vram_mb": 900, "residency": "cpu_only"}, ["900", "cpu_only"]),
        ({"gpu": 1, "residency": "cpu_only"}, ["gpu=1", "cpu_only"]),
        ({"gpu": "0-2"}, ["gpu='0-2'", "gpu='1-2'"]),
        ({"gpu": "2-1"}, ["gpu='2-1'", "gpu='1-2'"]),
        ({"gpu": "1-2-3"}, ["gpu='1-2-3'", "gpu=2"]),
        ({"gpu": 10**9}, ["gpu=1000000000", "gpu=2"]),
        ({"gpu": "a100:2-1"}, ["a100:2-1", "gpu='a100'"]),
        ({"gpu": 1.5}, ["gpu=1.5"]),
        ({"gpu": "-1"}, ["gpu='-1'"]),
        ({"gpu": "1.5"}, ["gpu='1.5'"]),
        ({"gpu": "?"}, ["gpu='?'"]),
        ({"vram_mb": "9 GB"}, ["9 GB"]),
        ({"gpu": -1}, ["gpu=-1"]),
        ({"residency": "gpu_shared"}, ["vram_mb"]),
        ({"residency": "gpu_ram_overflow"}, ["vram_mb"]),
        ({"vram_mb": 6000, "ram_overflow": 1}, ["mem_mb"]),
        ({"ram_overflow": 1}, ["ram_overflow"]),
        ({"max_slowdown": "1.5"}, ["max_slowdown"]),
        ({"model": "esm3"}, ["esm3", "esm2"]),
        ({"vram_mb": 1, "max_slowdown": "0.5"}, ["0.5", "1.5"]),
        ({"vram_mb": 1, "max_slowdown": "fast"}, ["fast"]),
        ({"vram_mb": 1, "max_slowdown": "nan"}, ["nan"]),
        ({"vram_mb": 1, "max_slowdown": "inf"}, ["inf"]),
        ({"cpu_fallback": 2}, ["2"]),
        ({"vram_gb": 2}, ["vram_gb=2", "vram_mb"]),
        ({"vram_mib": 2}, ["vram_mib", "vram_mb"]),
        ({"residence": "cpu_only"}, ["residence", "residency"]),
        ({"max_slowdwon": "2"}, ["max_slowdwon", "max_slowdown"]),
    ],
)
def test_what_cannot_be_understood_is_refused_with_value_and_fix(hints, words):
    text = str(refused(**hints))
    assert [w for w in words if w not in text] == []


values = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=8),
    st.none(),
    st.sampled_from(["gpu_shared", "cpu_only", "900MB", "esm2", "big", "1.5"]),
)


@given(st.dictionaries(st.sampled_from([*HINTS, "vram_gb", "other"]), values, max_size=5))
def test_any_hints_make_a_claim_or_a_hint_error(hints):
    made = None
    with contextlib.suppress(HintError):
        made = read("embed", hints, Common(mem_mb=10), MODELS)
    assert made is None or isinstance(made, Claim)


def test_the_time_on_the_cpu_is_minutes_like_runtime():
    claim = read("r", {"vram_mb": 900, "cpu_fallback": 1, "cpu_runtime": 30}, Common(), {})
    assert claim.cpu_runtime_s == 1800


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        ({"vram_mb": 9, "cpu_fallback": 1, "cpu_runtime": "soon"}, "must be minutes"),
        ({"vram_mb": 9, "cpu_fallback": 1, "cpu_runtime": 0}, "must be minutes"),
        ({"vram_mb": 9, "cpu_runtime": 5}, "add cpu_fallback=1"),
        ({"cpu_runtime": 5, "cpu_fallback": 1}, "uses no GPU"),
    ],
)
def test_a_time_on_the_cpu_that_means_nothing_is_refused(hints, said):
    with pytest.raises(HintError, match=said):
        read("r", hints, Common(), {})


def test_a_model_that_was_calibrated_need_not_stand_in_the_bench_file():
    assert read("r", {"vram_mb": 9, "model": "esm"}, Common(), {}, ("esm",)).model == "esm"
    with pytest.raises(HintError, match="write model='esm'"):
        read("r", {"vram_mb": 9, "model": "emm"}, Common(), {}, ("esm",))


def test_vram_that_is_to_be_learned_means_the_card_alone_until_it_is_known():
    for hints in ({"vram_mb": "auto"}, {"vram": "auto"}, {"vram_mb": "auto", "gpu": 1}):
        asked = claim(**hints)
        assert (asked.residency, asked.vram_mib, asked.auto_vram) == (
            Residency.GPU_EXCLUSIVE,
            None,
            True,
        )
    assert claim(vram_mb="auto", residency="gpu_shared").auto_vram
    assert claim(vram_mb="auto", model="esm2").vram_mib is None
    assert not claim(vram_mb=900).auto_vram


def test_a_rule_that_is_switched_off_has_nothing_to_learn():
    off = claim(vram_mb="auto", gpu=0)
    assert (off.residency, off.auto_vram) == (Residency.CPU_ONLY, False)


@pytest.mark.parametrize(
    "hints",
    [
        {"vram_mb": "auto", "vram": "2GB"},
        {"vram_mb": "auto", "residency": "gpu_exclusive"},
        {"vram_mb": "auto", "residency": "cpu_only"},
        {"vram_mb": "auto", "residency": "gpu_ram_overflow"},
        {"vram_mb": "auto", "vram": "0GB"},
        {"vram_mb": "automatic"},
        {"nvinx_size": "large"},
        {"nvinx_size": -1},
        {"nvinx_size": True},
    ],
)
def test_what_contradicts_learning_or_is_no_size_is_refused(hints):
    assert refused(**hints)


def test_the_rules_own_measure_of_its_input_goes_before_bytes():
    assert claim(Common(size=5e6)).size == 5e6
    assert claim(Common(size=5e6), nvinx_size=350).size == 350.0
    assert claim().size is None


RIGHT = st.fixed_dictionaries(
    {},
    optional={
        "gpu": st.sampled_from([1, 2, "a100", "1-2", "1/3"]),
        "gpu_share": st.sampled_from(["1/3", "50%"]),
        "vram_mb": st.sampled_from([900, "auto", "500-900"]),
        "vram": st.sampled_from(["900MB", "auto"]),
        "residency": st.sampled_from([r.value for r in Residency]),
        "cpu_fallback": st.just(1),
        "ram_overflow": st.just(1),
        "cpu_runtime": st.just(30),
        "model": st.sampled_from(["esm2", "big", "caller"]),
        "max_slowdown": st.just("1.5"),
        "preemptible": st.sampled_from(["requeue", "signal:USR1", "suspend"]),
        "nvinx_stage": st.just("weights.bin"),
        "mem_mb": st.just(8000),
    },
)


@given(RIGHT, st.data())
def test_what_an_open_value_may_still_mend_is_no_error(hints, data):
    def read_of(known, names=()):
        common = Common(mem_mb=known.get("mem_mb"), open=tuple(names))
        return read("embed", known, common, MODELS, cards=[A100])

    try:
        read_of(hints)
    except HintError:
        return
    names = data.draw(st.sets(st.sampled_from(sorted(hints) or ["gpu"])))
    assert isinstance(read_of({k: v for k, v in hints.items() if k not in names}, names), Claim)


@pytest.mark.parametrize(
    ("hints", "names", "word"),
    [
        ({"cpu_falback": 1}, ["vram_mb", "mem_mb"], "cpu_fallback"),
        ({"residency": "gpu_sharde", "vram_mb": 900}, ["mem_mb"], "gpu_sharde"),
        ({"residency": "gpu_shared"}, ["mem_mb"], "vram"),
        ({"max_slowdown": "1.5"}, ["mem_mb"], "no GPU"),
        ({"vram_mb": 900, "residency": "cpu_only"}, ["ram_overflow"], "contradicts"),
    ],
)
def test_what_no_open_value_can_mend_is_refused_at_once(hints, names, word):
    assert word in str(refused(Common(open=tuple(names)), **hints))


@pytest.mark.parametrize(
    ("hints", "fix"),
    [
        ({"residency": "cpu_only", "max_slowdown": "2"}, "leave max_slowdown out."),
        ({"residency": "cpu_only", "preemptible": "requeue"}, "leave preemptible out."),
        ({"max_slowdown": "2"}, "leave max_slowdown out, or add vram_mb=... or gpu=1."),
        ({"residency": "gpu_ram_overflow", "mem_mb": 9}, "add vram_mb=... (or model=...)."),
    ],
)
def test_what_to_write_contradicts_nothing_that_is_stated(hints, fix):
    assert str(refused(**hints)).endswith(f"Fix: {fix}")

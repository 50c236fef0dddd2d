"""Whatever somebody writes is understood, or refused with a place and a fix."""

import math

import pytest
from builders import gpu_state
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nvinx.bench import coruns
from nvinx.bench import parse as bench_parser
from nvinx.bench.resolve import resolve
from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import NvinxError
from nvinx.gpu.ports import GpuInventory
from nvinx.host.resources import Machine
from nvinx.jobs import gpu_words, hints
from nvinx.jobs.claim import Claim
from nvinx.simulation import workload_file

MODELS = {
    "esm2": ModelSpec("esm2", 0.9, Residency.GPU_SHARED, cpu_fallback_supported=True),
    "big": ModelSpec("big", 6.0, Residency.GPU_RAM_OVERFLOW, ram_overflow_supported=True),
}
ODD = (
    *("", "~", "yes", "0", "-1", "-0.0", ".inf", "-.inf", ".nan", "1e308", "1e999", "0x_", "0b2"),
    *("0x" + "f" * 4000, "-0x" + "f" * 4000, "9" * 400, "9" * 5000, "1:00" * 300, "1_0", "a: b"),
    *("1" + ":00" * 300, "1" + ":00" * 300 + ".5", "2026-02-30", "0001-01-01 00:00:00 +23:00"),
    *(
        "<<",
        "=",
        "*a",
        "&a 1",
        "&a [*a]",
        "&a {name: *a}",
        "{<<: {name: b}}",
        "!!int x",
        "!!int ''",
    ),
    *("!!bool x", "!!float x", "!!timestamp x", "!!binary x", "!!set x", "!!seq x", "!!map x"),
    *("!!omap x", "!!python/name:os.system", "!unknown 1", "!!null x", "!!str 1", "!!merge x"),
    *(
        '"\\UFFFFFFFF"',
        '"\\U00110000"',
        '"\\ud800"',
        '"\\q"',
        "\x00",
        "\t",
        "\ud800",
        "'",
        "|",
        ">-",
    ),
    *(
        "- a",
        "? [1]",
        "? !!seq x\n: 1",
        "? !!set x\n: 1",
        "{? {a: 1} : 2}",
        "[" * 500,  # deeper than Python recurses
        "{a: " * 500,
    ),
    *(
        "%YAML 9.9\n---\n1",
        "%YAML 1." + "1" * 5000 + "\n---\n1",
        "%TAG ! !\n---\n!x 1",
        "---\n---\n",
    ),
    *(
        "2GB",
        "'4'",
        "gpu_shared",
        "cpu_only",
        "gpu_ram_overflow",
        "true",
        "[]",
        "{}",
        "[a]",
        "[1, [2]]",
    ),
)
KEYS = (
    *(
        "hardware",
        "gpus",
        "headroom_gb",
        "models",
        "interference",
        "vram_gb",
        "ram_gb",
        "cpu_cores",
    ),
    *("simulated", "name", "residency", "cpu_fallback_supported", "ram_overflow_supported"),
    *("ram_gb_needed", "file", "any_card", "pairs", "utilisation", "a", "b", "slowdown_a"),
    *("slowdown_b", "jobs", "duration_s", "model", "threads", "mem_mb", "vram_mb", "after"),
    *(
        "release_s",
        "max_slowdown",
        "cpu_duration_s",
        "runtime_s",
        "priority",
        "kind",
        "<<",
        "1",
        "~",
    ),
)
plain = (
    st.sampled_from(ODD)
    | st.integers(-3, 70).map(str)
    | st.floats().map(str)
    | st.text(max_size=8)
    | st.sampled_from(["a", "esm2", "j1", "4.5"])
)


def _block(entries, at):
    lines = [f"{key}: {value}" for key, value in entries]
    return "{" + ", ".join(lines) + "}" if at else "\n".join(lines)


def _lists(inner):
    return st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]")


def _tables(inner, *, flow=True):
    pairs = st.tuples(st.sampled_from(KEYS) | plain, inner)
    return st.lists(pairs, max_size=5).map(lambda entries: _block(entries, flow))


nested = st.recursive(plain, lambda inner: _lists(inner) | _tables(inner), max_leaves=8)
texts = st.text(max_size=60) | nested | _tables(nested, flow=False)


def _with(right, one_wrong):
    """Tables with all that is needed, some of it odd."""
    wrong = st.dictionaries(st.sampled_from(one_wrong), plain, max_size=3)
    return wrong.map(lambda odd: {**right, **odd}.items())


JOB = {"name": "j1", "duration_s": "5", "vram_mb": "900", "residency": "gpu_shared"}
JOB_KEYS = (*JOB, "model", "threads", "mem_mb", "after", "release_s", "max_slowdown", "runtime_s")
PAIR = {"a": "esm2", "b": "big", "slowdown_a": "1.5", "slowdown_b": "1.2"}
HARDWARE = {"ram_gb": "16", "cpu_cores": "8"}
GPU = {"name": "card", "vram_gb": "4", "simulated": "true"}
SPEC = {"name": "esm2", "vram_gb": "0.9", "residency": "gpu_shared"}


def _listed(tables):
    return st.lists(tables.map(lambda t: _block(t, True)), max_size=3).map(
        lambda items: "[" + ", ".join(items) + "]"
    )


almost_pairs = _listed(_with(PAIR, tuple(PAIR)))
almost_workloads = _listed(_with(JOB, (*JOB_KEYS, "cpu_duration_s", "priority", "kind", "size")))
almost_benches = st.builds(
    lambda hardware, gpus, models, rest: _block(
        {"hardware": _block(hardware, True), "gpus": gpus, "models": models, **rest}.items(), False
    ),
    _with(HARDWARE, (*HARDWARE, "vram_gb", "headroom_gb", "simulated")),
    _listed(_with(GPU, (*GPU, "headroom_gb"))),
    _listed(_with(SPEC, (*SPEC, "cpu_fallback_supported", "ram_gb_needed"))),
    st.dictionaries(
        st.sampled_from(["headroom_gb", "interference", "gpus"]),
        plain
        | almost_pairs.map("{{pairs: {}}}".format)
        | plain.map("{{utilisation: {{a: {}}}}}".format),
        max_size=2,
    ),
)
LAUGHS = "x0: &x0 [1]\n" + "".join(f"x{n}: &x{n} [{f'*x{n - 1}, ' * 9}]\n" for n in range(1, 30))
MANY = settings(max_examples=200, suppress_health_check=list(HealthCheck))


def understood(read, place):
    """What `read` gives; None where it refuses, which must be in words that help."""
    try:
        return read()
    except NvinxError as refusal:
        said = str(refusal)
        assert place in said or "task " in said, said
        assert "Fix: " in said, said
        return None


@MANY
@example(LAUGHS)
@example("&a [*a]")
@example("hardware: &a {vram_gb: *a}")
@given(texts | almost_benches)
def test_a_bench_file_is_understood_or_refused_with_a_place_and_a_fix(text):
    file = understood(lambda: bench_parser.parse(text, "bench.yaml"), "bench.yaml")
    if file is not None:
        look = GpuInventory((gpu_state(total_mib=4096),))
        understood(lambda: resolve(file, Machine(4, 8000), look), "bench.yaml")


@MANY
@example(LAUGHS)
@given(texts | almost_workloads | almost_workloads.map("jobs: {}".format))
def test_a_workload_is_understood_or_refused_with_a_place_and_a_fix(text):
    workload = understood(lambda: workload_file.parse(text, "work.yaml"), "work.yaml")
    if workload is not None:
        for name in workload.tasks:
            assert isinstance(workload.job(name).claim, Claim)
        assert math.isfinite(workload.critical_path_s())
        assert workload_file.parse(workload_file.write(workload), "again") == workload


@MANY
@example(LAUGHS)
@given(texts | almost_pairs.map("pairs: {}".format))
def test_co_runs_are_understood_or_refused_with_a_place_and_a_fix(text):
    understood(lambda: coruns.parse(text, "pairs.yaml"), "pairs.yaml")


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10_000),
    st.sampled_from([10**400, -(10**400), 10**5000, 1e308, -1e308, 5e-324, b"x", (), [], {}, {1}]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["900MB", "٣GB", "1.5 GiB", "9" * 400 + "GB", "9" * 5000 + "MB", "0MB", "1 k"]),
    st.sampled_from(
        [*(r.value for r in Residency), "esm2", "big", "1.5", "1e400", "nan", "9" * 5000]
    ),
)
names = st.sampled_from([*hints.HINTS, "vram_gb", "max_slow", "nvinx_x", "resid", "mem_mb"])
commons = st.builds(
    hints.Common,
    cores=st.integers(0, 64),
    mem_mb=st.none() | st.integers(0, 10**400) | st.floats(),
    runtime_s=st.none() | st.floats(0),
)


@settings(MANY, max_examples=3000)
@given(st.dictionaries(names | st.text(max_size=8), values, max_size=5), commons)
def test_the_hints_of_a_rule_make_a_claim_or_are_refused_with_a_fix(stated, common):
    claim = understood(lambda: hints.read("embed", stated, common, MODELS), "rule embed: ")
    if claim is not None and claim.cpu_runtime_s is not None:
        assert math.isfinite(claim.cpu_runtime_s)


@pytest.mark.parametrize("parse", [bench_parser.parse, workload_file.parse, coruns.parse])
@pytest.mark.parametrize("text", ODD)
def test_no_odd_value_breaks_a_reader(parse, text):
    for whole in (
        text,
        f"- {text}",
        f"pairs: {text}",
        f"{text}: 1",
        f"hardware: {{vram_gb: {text}}}",
    ):
        understood(lambda whole=whole: parse(whole, "file.yaml"), "file.yaml")


OTHERS_NAMES = ["gpus", "gres", "gpu_count", "slurm_extra", "machine_type", "partition", "gpu_mem"]
HUGE = [10**5000, -(10**5000), [10**5000], {"gpu": 10**5000}]


@pytest.mark.parametrize("name", [*hints.HINTS, *OTHERS_NAMES, "accelerator", "my_gpu"])
@pytest.mark.parametrize("value", HUGE, ids=["big", "negative", "in a list", "in a dict"])
def test_a_number_too_long_to_write_is_a_value_like_any_other(name, value):
    list(gpu_words.readings({name: value}))

    def read():
        stated = gpu_words.translated({name: value})
        return hints.read("embed", stated, hints.Common(), MODELS)

    understood(read, "rule embed: ")

"""A bench file is read strictly: a mistake is refused with its line and a way out."""

import re

import pytest
from builders import BENCH_FILE

from nvinx.bench import strict_yaml
from nvinx.bench.oom_words import words_for
from nvinx.bench.parse import parse
from nvinx.bench.resolve import DeclaredGpu, Interference
from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import BenchError
from nvinx.interference import CoRun


def read(text):
    return parse(text, "folder/nvinx.yaml")


def refused(text):
    with pytest.raises(BenchError) as caught:
        read(text)
    assert caught.value.path == "folder/nvinx.yaml"
    assert caught.value.fix
    return caught.value


def test_everything_a_file_may_say_is_read():
    file = read(BENCH_FILE)
    assert (file.vram_gb, file.ram_gb, file.cpu_cores, file.headroom_gb) == (4.0, 15.5, 8, 0.25)
    assert file.gpus == (DeclaredGpu(None, 4.0, simulated=True),)
    assert file.models == {
        "fold": ModelSpec("fold", 6.0, Residency.GPU_RAM_OVERFLOW, False, True, 8.0),
        "embed": ModelSpec("embed", 0.9, Residency.GPU_SHARED, True),
    }
    assert file.interference == Interference(file="profile.json")


def test_a_file_that_says_one_thing_leaves_the_rest_open():
    file = read("hardware: {cpu_cores: 3}")
    assert file.cpu_cores == 3
    assert (file.vram_gb, file.ram_gb, file.headroom_gb, file.interference) == (None,) * 4
    assert (file.gpus, dict(file.models)) == ((), {})


def test_sections_that_hold_nothing_yet_are_allowed():
    assert read("hardware:\nmodels:\ninterference:\n").gpus == ()


@pytest.mark.parametrize("prefix", ["", "hardware:\n  "])
def test_gpus_and_headroom_may_stand_at_the_top_or_under_hardware(prefix):
    inner = "gpus: [{name: a, vram_gb: 4}, {vram_gb: 2, headroom_gb: 1, simulated: true}]"
    file = read(f"{prefix}{inner}\n{prefix and '  '}headroom_gb: 0.5\n")
    assert file.gpus == (DeclaredGpu("a", 4.0), DeclaredGpu(None, 2.0, True, 1.0))
    assert file.headroom_gb == 0.5


def test_measured_slowdowns_may_stand_in_the_file():
    pairs = "[{a: x, b: y, slowdown_a: 1.5}, {a: x, b: x, slowdown_a: 2, slowdown_b: 2}]"
    file = read(f"interference:\n  pairs: {pairs}\n  utilisation: {{x: 0.9, y: 1}}\n")
    coruns = (CoRun("x", "y", 1.5), CoRun("x", "x", 2, 2))
    assert file.interference == Interference(None, False, coruns, {"x": 0.9, "y": 1.0})


def test_a_file_of_slowdowns_may_be_meant_for_any_card():
    file = read("interference: {file: a.json, any_card: true}")
    assert file.interference == Interference("a.json", any_card=True)


def test_a_model_that_spills_need_not_say_how_much_ram_it_takes():
    text = "models: [{name: a, vram_gb: 6, residency: gpu_ram_overflow}]"
    assert read(text).models["a"].ram_gb_needed is None


def test_anchors_are_read_as_yaml_means_them():
    file = read("hardware: {ram_gb: &size 8, headroom_gb: *size}")
    assert file.ram_gb == file.headroom_gb == 8.0


def model(**changes):
    entry = {"name": "a", "vram_gb": "1", "residency": "gpu_shared", **changes}
    lines = [f"    {key}: {value}" for key, value in entry.items() if value is not None]
    return "models:\n  -\n" + "\n".join(lines)


PAIRS = "interference:\n  pairs:\n    - {a: x, b: y, slowdown_a: 1.5}\n"

MISTAKES = {
    "an interference of two sources": (PAIRS + "  file: a.json\n", 1, "a file and pairs"),
    "an interference that says nothing": ("interference: {any_card: true}", 1, "is empty"),
    "an interference that is a number": ("interference: 3", 1, "neither a path nor a mapping"),
    "an interference key that is unknown": ("interference:\n  paths: a\n", 2, "'paths'"),
    "a pair of one": ("interference:\n  pairs:\n    - {a: x, slowdown_a: 2}\n", 3, "lacks b"),
    "a pair key that is unknown": (PAIRS.replace("1.5", "1.5, slowdown: 2"), 3, "'slowdown'"),
    "a slowdown of nought": (PAIRS.replace("1.5", "0"), 3, "slowdown_a is 0"),
    "a slowdown below nought": (PAIRS.replace("1.5", "-1"), 3, "negative"),
    "an endless slowdown": (PAIRS.replace("1.5", ".inf"), 3, "slowdown_a is inf"),
    "a slowdown that is no number": (PAIRS.replace("1.5", ".nan"), 3, "slowdown_a is nan"),
    "a slowdown in quotes": (PAIRS.replace("1.5", "'1.5'"), 3, "not a number"),
    "a utilisation in percent": (PAIRS + "  utilisation: {x: 97}\n", 4, "x is 97"),
    "a utilisation of a list": (PAIRS + "  utilisation: [x]\n", 4, "a list, not a mapping"),
    "an empty file": ("", None, "empty"),
    "a file of comments": ("# nothing\n", None, "empty"),
    "a null": ("~\n", None, "empty"),
    "a list": ("- a\n", 1, "not a mapping"),
    "a word": ("hardware\n", 1, "not a mapping"),
    "broken YAML": ("hardware:\n  cpu_cores: 8\n ram_gb: [", 3, "not YAML"),
    "a tab": ("hardware:\n\tcpu_cores: 8\n", 2, "not YAML"),
    "two documents": ("hardware: {}\n---\nhardware: {}\n", 2, "not YAML"),
    "an unknown tag": ("hardware: {ram_gb: !!python/name:os.sep ''}", 1, "not YAML"),
    "a character that YAML forbids": ("hardware:\n  ram_gb: \x01", 2, "forbids"),
    "a file that contains itself": ("interference: &a\n  b: *a\n", None, "itself"),
    "a date that is none": ("interference: {a: 2024-13-45}", 1, "2024-13-45"),
    "a key that is a list": ("hardware:\n  [a]: 1\n", 2, "list or a mapping"),
    "an unknown section": ("model: []\n", 1, "'model'"),
    "an unknown hardware key": ("hardware:\n  cpu_cores: 1\n  vram: 4\n", 3, "'vram'"),
    "an unknown GPU key": ("gpus:\n  - vram_gb: 4\n    size: 4\n", 3, "'size'"),
    "an unknown model key": (model(vram_mb="4"), 6, "'vram_mb'"),
    "a number in quotes": ("hardware:\n  vram_gb: '4'\n", 2, "not a number"),
    "a size with a unit": ("hardware:\n  vram_gb: 4GB\n", 2, "not a number"),
    "a bool for a size": ("hardware:\n  vram_gb: true\n", 2, "true, not a number"),
    "a size without a value": ("hardware:\n  vram_gb:\n", 2, "empty, not a number"),
    "a bool for a count": ("hardware:\n  cpu_cores: yes\n", 2, "not a whole number"),
    "half a core": ("hardware:\n  cpu_cores: 1.5\n", 2, "not a whole number"),
    "no core": ("hardware:\n  cpu_cores: 0\n", 2, "cpu_cores is 0"),
    "negative cores": ("hardware:\n  cpu_cores: -2\n", 2, "cpu_cores is -2"),
    "a negative size": ("hardware:\n  ram_gb: -1\n", 2, "negative"),
    "an endless size": ("hardware:\n  ram_gb: .inf\n", 2, "not a size"),
    "a size that is no number": ("hardware:\n  ram_gb: .nan\n", 2, "not a size"),
    "a size in bytes": ("hardware:\n  ram_gb: 16000000000\n", 2, "not a size"),
    "an answer that is neither yes nor no": (model(cpu_fallback_supported="1"), 6, "true or false"),
    "hardware that is a list": ("hardware: [4]\n", 1, "not a mapping"),
    "models that are a mapping": ("models:\n  a: {}\n", 1, "not a list"),
    "a model that is a word": ("models:\n  - a\n", 2, "not a mapping"),
    "a model that is empty": ("models:\n  -\n", 2, "not a mapping"),
    "a model without a name": (model(name=None), 3, "lacks name"),
    "a model without vram_gb": (model(vram_gb=None), 3, "lacks vram_gb"),
    "a model without a residency": (model(residency=None), 3, "lacks residency"),
    "a name that is a number": (model(name="7"), 3, "not a text"),
    "a name without a letter": (model(name="''"), 3, "not a text"),
    "a negative model": (model(vram_gb="-1"), 4, "negative"),
    "an unknown residency": (model(residency="gpu_sharde"), 5, "gpu_sharde"),
    "a residency that is a number": (model(residency="1"), 5, "unknown"),
    "two models of one name": (model() + model()[len("models:") :], 7, "two models"),
    "two GPUs of one name": (
        "gpus:\n  - {name: a, vram_gb: 4}\n  - {name: a, vram_gb: 4}\n",
        3,
        "two GPUs",
    ),
    "a GPU without vram_gb": ("gpus:\n  - name: a\n", 2, "lacks vram_gb"),
    "a GPU of no size": ("gpus:\n  - vram_gb: 0\n", 2, "no card"),
    "a simulated GPU of no size": ("hardware: {vram_gb: 0, simulated: true}", 1, "no card"),
    "a list of no GPUs": ("gpus: []\n", 1, "empty"),
    "a key twice": ("hardware:\n  ram_gb: 8\n  ram_gb: 9\n", 3, "on line 2"),
    "a key twice in the profile": ("interference:\n  a: 1\n  a: 2\n", 3, "on line 2"),
    "GPUs in both places": (
        "gpus: [{vram_gb: 4}]\nhardware:\n  gpus: [{vram_gb: 4}]\n",
        3,
        "both at the top",
    ),
    "headroom in both places": ("headroom_gb: 1\nhardware: {headroom_gb: 1}\n", 2, "both"),
    "vram_gb and gpus": ("hardware:\n  vram_gb: 4\ngpus: [{vram_gb: 4}]\n", 2, "exclude"),
    "simulated and gpus": ("hardware: {simulated: true, gpus: [{vram_gb: 4}]}", 1, "exclude"),
    "simulated alone": ("hardware:\n  simulated: true\n", 2, "without vram_gb"),
    "headroom over the card": ("hardware:\n  vram_gb: 4\n  headroom_gb: 5\n", 3, "more than"),
    "headroom over its own card": (
        "gpus:\n  - {vram_gb: 4}\n  - vram_gb: 1\n    headroom_gb: 2\n",
        4,
        "more than",
    ),
    "an interference number": ("interference: 5\n", 1, "neither"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_line_and_a_fix(mistake):
    text, line, words = MISTAKES[mistake]
    error = refused(text)
    assert words in error.problem
    assert error.line == line


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("hardwear: {}", "hardware"),
        ("hardware: {vram: 4}", "vram_gb"),
        ("hardware: {cpu_core: 4}", "cpu_cores"),
        (model(residency="shared_gpu"), "gpu_shared"),
        (model(cpu_fallback="true"), "cpu_fallback_supported"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(text, better):
    assert refused(text).fix == f"write {better}"


def test_a_word_like_none_of_the_right_ones_is_answered_with_all_of_them():
    fix = refused("zzz: 1").fix
    assert "hardware" in fix
    assert "models" in fix


ODD_TEXTS = (
    *("- [", "a: \x01", "a: !!int x", "a: 1\na: 2", "x: 'ü'\n\tb: 1"),
    "[" * 5000 + "]" * 5000,
)


@pytest.mark.parametrize("text", [BENCH_FILE, "", *ODD_TEXTS], ids=map(str, range(8)))
def test_a_file_reads_the_same_whether_libyaml_is_there_or_not(text, monkeypatch):
    def understood():
        try:
            return strict_yaml.read(text, "nvinx.yaml")
        except BenchError as error:
            return str(error)

    with_libyaml = understood()
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert understood() == with_libyaml


def test_what_programs_write_when_vram_runs_out_may_be_said_by_rule():
    file = read("oom_patterns:\n  fold: no room\n  '*': [full, 'board \\(\\d+\\)']\n")
    assert file.oom_patterns == {"fold": ("no room",), "*": ("full", r"board \(\d+\)")}
    assert words_for(file.oom_patterns, "fold") == ("no room", "full", r"board \(\d+\)")
    assert words_for(file.oom_patterns, "other") == ("full", r"board \(\d+\)")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("oom_patterns:\n  fold: 'a ('\n", 2, "'a \\(' is not a regular expression"),
        ("oom_patterns:\n  fold: [x, 3]\n", 2, "a pattern is 3, not a text"),
        ("oom_patterns:\n  fold: ''\n", 2, "a pattern is '', not a text"),
        ("oom_patterns: full\n", 1, "oom_patterns is 'full', not a mapping"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_line(text, line, problem):
    error = refused(text)
    assert error.line == line
    assert re.search(problem, error.problem)

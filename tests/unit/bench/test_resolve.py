"""A bench file is read strictly, and what is in force says where it came from."""

from pathlib import Path

import pytest

from nvinx.bench import file as bench_file
from nvinx.bench.draft import render
from nvinx.bench.parse import parse
from nvinx.bench.resolve import BenchFile, DeclaredGpu, Interference, resolve
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import ModelSpec, Residency
from nvinx.errors import BenchError
from nvinx.gpu.ports import GpuInventory, GpuState
from nvinx.host.resources import Machine
from nvinx.interference import CoRun, Provenance
from nvinx.sizes import capacity_from_gb, need_from_gb, need_from_mb

MACHINE = Machine(cores=6, ram_mib=10_000)
FULL = """\
# a bench
hardware:
  vram_gb: 4
  ram_gb: 15.5
  cpu_cores: 8
  simulated: true
  headroom_gb: 0.25
models:
  - name: fold
    vram_gb: 6
    residency: GPU_RAM_OVERFLOW
    ram_overflow_supported: true
    ram_gb_needed: 8
  - {name: embed, vram_gb: 0.9, residency: gpu_shared, cpu_fallback_supported: true}
interference: profile.json
"""


def sight(index, total_mib=8000, name="Card"):
    return GpuState(f"GPU-{index}", index, name, total_mib, 0)


def read(text):
    return parse(text, "folder/nvinx.yaml")


def in_force(text, *gpus, problem=None, **options):
    return resolve(read(text), MACHINE, GpuInventory(gpus, problem), **options)


def refused(text):
    with pytest.raises(BenchError) as caught:
        read(text)
    assert caught.value.path == "folder/nvinx.yaml"
    assert caught.value.fix
    return caught.value


# what a file says


def test_utilisation_alone_is_enough_to_know_who_fills_the_card():
    file = read("interference: {utilisation: {x: 0.9}}")
    assert file.interference == Interference(utilisation={"x": 0.9})
    assert resolve(file, MACHINE, GpuInventory()).utilisation == {"x": 0.9}


def test_everything_a_file_may_say_is_read():
    file = read(FULL)
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
    "an interference that says nothing": ("interference: {any_card: true}", 1, "says nothing"),
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
    "an endless size": ("hardware:\n  ram_gb: .inf\n", 2, "no size"),
    "a size that is no number": ("hardware:\n  ram_gb: .nan\n", 2, "no size"),
    "a size in bytes": ("hardware:\n  ram_gb: 16000000000\n", 2, "no size"),
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


# what is in force


def test_without_a_file_the_machine_is_in_force():
    bench = resolve(None, MACHINE, GpuInventory((sight(0), sight(1))))
    assert [card.id for card in bench.cards] == ["GPU-0", "GPU-1"]
    assert (bench.cores, bench.ram_mib, bench.path, bench.problem) == (6, 10_000, None, None)
    assert bench.origins["cpu_cores"] == bench.origins["ram_gb"] == "this machine"
    assert bench.origins["gpus[1].vram_gb"] == bench.origins["gpus"] == "this machine (NVML)"
    assert bench.origins["gpus[0].headroom_gb"] == bench.origins["models"] == "default"
    assert not bench.simulated


def test_without_a_gpu_the_driver_says_why():
    assert resolve(None, MACHINE, GpuInventory((), "it is off")).problem == "it is off"
    assert resolve(None, MACHINE, GpuInventory()).problem == "the driver shows no GPU"


def test_what_the_file_says_comes_before_the_machine():
    bench = in_force(FULL, sight(0))
    assert (bench.cores, bench.ram_mib) == (8, capacity_from_gb(15.5))
    assert bench.path == "folder/nvinx.yaml"
    assert bench.origins["cpu_cores"] == "nvinx.yaml, line 5"
    assert bench.origins["models"] == "nvinx.yaml, line 8"
    assert set(bench.models) == {"fold", "embed"}


def test_a_simulated_card_comes_from_the_file_alone():
    bench = in_force(FULL, sight(0))
    (card,) = bench.cards
    assert bench.simulated
    assert (card.id, card.index, card.simulated) == ("simulated-0", 0, True)
    assert card.total_mib == capacity_from_gb(4)
    assert bench.origins["gpus[0].vram_gb"] == bench.origins["gpus"] == "nvinx.yaml, line 3"
    assert bench.origins["gpus[0].headroom_gb"] == "nvinx.yaml, line 7"


def test_a_declared_gpu_caps_the_real_one_of_its_place():
    bench = in_force("gpus:\n- vram_gb: 2\n- vram_gb: 99\n", sight(0), sight(1), sight(2))
    assert [card.id for card in bench.cards] == ["GPU-0", "GPU-1"]
    assert [card.total_mib for card in bench.cards] == [capacity_from_gb(2), 8000]
    assert bench.origins["gpus[0].vram_gb"] == "nvinx.yaml, line 2"
    assert bench.origins["gpus[1].vram_gb"] == "this machine (NVML); nvinx.yaml, line 3 says more"
    assert bench.problem is None


def test_a_real_card_keeps_the_name_its_driver_gives_it():
    assert in_force("gpus: [{name: mine, vram_gb: 2}]", sight(0)).cards[0].name == "Card"


def test_a_declared_gpu_that_is_not_there_is_a_problem_with_a_way_out():
    bench = in_force("hardware: {vram_gb: 4}", problem="the driver sleeps")
    assert bench.cards == ()
    assert "nvinx.yaml, line 1" in (bench.problem or "")
    assert "(the driver sleeps)" in (bench.problem or "")
    assert "`simulated: true`" in (bench.problem or "")
    assert "driver (nvidia-smi)" in (bench.problem or "")


def test_a_lost_card_does_not_lend_its_place_to_the_next():
    bench = in_force("gpus: [{vram_gb: 2}, {vram_gb: 3}]", sight(1), problem="GPU 0: lost")
    assert [(c.id, c.total_mib) for c in bench.cards] == [("GPU-1", capacity_from_gb(3))]
    assert "GPU 0: lost" in (bench.problem or "")
    assert "gpus[0].vram_gb" in bench.origins


def test_real_and_simulated_cards_may_stand_side_by_side():
    text = "gpus: [{name: toy, vram_gb: 1, simulated: true}, {vram_gb: 3, headroom_gb: 1}]"
    bench = in_force(text, sight(0), sight(1))
    assert [card.id for card in bench.cards] == ["simulated-0", "GPU-0"]
    assert [card.name for card in bench.cards] == ["toy", "Card"]
    assert [card.headroom_mib for card in bench.cards] == [0, need_from_gb(1)]


def test_a_bench_may_declare_that_it_has_no_gpu():
    bench = in_force("hardware:\n  vram_gb: 0\n", sight(0))
    assert bench.cards == ()
    assert bench.problem == "nvinx.yaml, line 2 says that this bench has no GPU"


def test_a_simulated_bench_does_not_complain_about_the_driver():
    assert in_force(FULL, problem="no driver").problem is None


def test_a_problem_of_a_real_card_is_passed_on():
    assert in_force("gpus: [{vram_gb: 2}]", sight(0), problem="it hides").problem == "it hides"


def test_a_real_card_keeps_half_a_gb_free_and_a_simulated_one_nothing():
    text = "gpus: [{vram_gb: 4}, {vram_gb: 4, simulated: true}]"
    real, simulated = in_force(text, sight(0)).cards
    assert (real.headroom_mib, simulated.headroom_mib) == (need_from_gb(0.5), 0)


def test_a_tiny_real_card_is_all_headroom():
    assert resolve(None, MACHINE, GpuInventory((sight(0, 100),))).cards[0].headroom_mib == 100


@pytest.mark.parametrize(
    ("text", "option", "expected", "origin"),
    [
        ("headroom_gb: 1", None, need_from_gb(1), "nvinx.yaml, line 1"),
        ("headroom_gb: 0", None, 0, "nvinx.yaml, line 1"),
        (
            "headroom_gb: 1\ngpus:\n- {vram_gb: 4, headroom_gb: 2}",
            None,
            need_from_gb(2),
            "nvinx.yaml, line 3",
        ),
        (
            "headroom_gb: 1\ngpus:\n- {vram_gb: 4, headroom_gb: 2}",
            300,
            need_from_mb(300),
            "--nvinx-headroom-mb",
        ),
        ("headroom_gb: 1", 0, 0, "--nvinx-headroom-mb"),
    ],
)
def test_the_closest_word_on_headroom_wins(text, option, expected, origin):
    bench = in_force(text, sight(0), headroom_mb=option)
    assert bench.cards[0].headroom_mib == expected
    assert bench.origins["gpus[0].headroom_gb"] == origin


def test_headroom_as_large_as_the_card_leaves_it_to_exclusive_jobs():
    (card,) = in_force("hardware: {vram_gb: 4, headroom_gb: 4, simulated: true}").cards
    assert card.headroom_mib == card.total_mib
    assert (card.shareable_mib, card.alone_mib) == (0, card.total_mib)


@pytest.mark.parametrize("headroom_mb", [-1, 9000])
def test_an_impossible_headroom_option_is_refused_by_its_name(headroom_mb):
    with pytest.raises(BenchError, match="--nvinx-headroom-mb") as caught:
        resolve(None, MACHINE, GpuInventory((sight(0),)), headroom_mb=headroom_mb)
    assert str(headroom_mb) in caught.value.problem


def test_a_negative_headroom_option_is_refused_without_a_card_too():
    with pytest.raises(BenchError, match="negative"):
        resolve(None, MACHINE, GpuInventory(), headroom_mb=-1)


def test_a_headroom_larger_than_the_real_card_is_refused_with_its_line():
    with pytest.raises(BenchError, match="more than") as caught:
        in_force("hardware:\n  headroom_gb: 99\n", sight(0))
    assert caught.value.line == 2


# what is written


@pytest.mark.parametrize("simulate", [None, 4, 0.5])
@pytest.mark.parametrize(
    "gpus", [(), (sight(0),), (sight(0), sight(1)), (sight(0, name='a "b": #c\\'),)]
)
def test_the_file_that_is_written_can_be_read(gpus, simulate):
    inventory = GpuInventory(gpus, None if gpus else "there is\nno driver: # none")
    bench = resolve(read(render(MACHINE, inventory, simulate)), MACHINE, inventory)
    assert bench.cores == MACHINE.cores
    assert 0 <= MACHINE.ram_mib - bench.ram_mib <= 10
    assert bench.simulated == (simulate is not None)
    assert len(bench.cards) == (len(gpus) if simulate is None else 1)
    for card, gpu in zip(bench.cards, gpus, strict=False):
        assert card.simulated or 0 <= gpu.total_mib - card.total_mib <= 10


def test_the_models_of_a_written_file_can_be_uncommented():
    head, _, tail = render(MACHINE, GpuInventory()).partition("models:\n")
    file = read(f"{head}models:\n{tail.replace('#', ' ')}")
    assert file.models["esm2_150m"].residency is Residency.GPU_SHARED


# where it is found


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("hardware: {cpu_cores: 3}", encoding="utf-8")
    return path


def test_the_nearest_bench_file_is_found_first(home):
    user = put(home / "config" / "nvinx" / "nvinx.yaml")
    beside = put(home / "flow" / "nvinx.yaml")
    named, given = put(home / "env.yaml"), put(home / "given.yaml")
    environ = {"NVINX_BENCH": str(named)}
    assert bench_file.find(given, beside.parent, environ) == given
    assert bench_file.find(None, beside.parent, environ) == named
    assert bench_file.find(None, beside.parent, {"NVINX_BENCH": ""}) == beside
    assert bench_file.find(None, home, {}) == user
    assert bench_file.find(None, None, {}) == user


def test_a_bench_file_need_not_exist(home):
    assert bench_file.find(None, home, {}) is None


def test_a_bench_file_that_was_asked_for_must_exist(home):
    with pytest.raises(BenchError, match="not there"):
        bench_file.find(home / "none.yaml", None, {})
    with pytest.raises(BenchError, match="NVINX_BENCH"):
        bench_file.find(None, None, {"NVINX_BENCH": str(home / "none.yaml")})


def test_a_bench_file_is_loaded_from_disk(tmp_path):
    path = put(tmp_path / "nvinx.yaml")
    file = bench_file.load(path)
    assert file == BenchFile(str(path), cpu_cores=3, lines={"hardware": 1, "cpu_cores": 1})


def test_a_bench_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "nvinx.yaml"
    path.write_bytes(b"\xef\xbb\xbfhardware: {cpu_cores: 3}")
    assert bench_file.load(path).cpu_cores == 3


def test_a_folder_is_no_bench_file(tmp_path):
    with pytest.raises(BenchError, match="folder") as caught:
        bench_file.load(tmp_path)
    assert str(tmp_path / "nvinx.yaml") in caught.value.fix


def test_a_file_that_went_away_is_named(tmp_path):
    with pytest.raises(BenchError, match="no such file"):
        bench_file.load(tmp_path / "nvinx.yaml")


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "nvinx.yaml"
    path.write_bytes(b"hardware:\n  ram_gb: 8  # f\xfcnf\n")
    with pytest.raises(BenchError, match="UTF-8") as caught:
        bench_file.load(path)
    assert caught.value.line == 2


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "nvinx.yaml"
    path.symlink_to(path)
    with pytest.raises(BenchError, match="cannot be read"):
        bench_file.load(path)


# who slows whom


def slowdowns(card):
    return fit_slowdown_model([CoRun("x", "y", 1.5, 1.2)], provenance=Provenance(card))


def test_slowdowns_of_this_card_are_in_force_and_say_where_from():
    bench = in_force("interference: a.json", sight(0, name="T4"), slowdowns=slowdowns("T4"))
    assert bench.slowdowns.predict("x", ["y"]).slowdown == pytest.approx(1.5)
    assert bench.origins["interference"] == "nvinx.yaml, line 1"


def test_slowdowns_of_another_card_are_refused_with_the_line():
    text = "headroom_gb: 0\ninterference: a.json"
    with pytest.raises(BenchError, match=r"line 2: .*measured on A100, here is T4.*any_card"):
        in_force(text, sight(0, name="T4"), slowdowns=slowdowns("A100"))


@pytest.mark.parametrize(
    "text",
    ["interference: {file: a.json, any_card: true}", "interference: a.json"],
    ids=["as the file says", "where nobody wrote the card down"],
)
def test_slowdowns_of_any_card_are_taken(text):
    card = "A100" if "any_card" in text else None
    bench = in_force(text, sight(0, name="T4"), slowdowns=slowdowns(card))
    assert bench.slowdowns is not None


def test_a_simulated_card_takes_the_slowdowns_of_any():
    text = "hardware: {vram_gb: 4, simulated: true}\ninterference: a.json"
    assert in_force(text, slowdowns=slowdowns("A100")).slowdowns is not None


def test_the_file_of_slowdowns_is_looked_for_beside_the_bench_file(tmp_path):
    slowdowns("A100").save(tmp_path / "a.json")
    (tmp_path / "nvinx.yaml").write_text("interference: a.json\n")
    found = bench_file.slowdowns(bench_file.load(tmp_path / "nvinx.yaml"))
    assert found == slowdowns("A100")


def test_slowdowns_in_the_file_are_fitted():
    file = read("interference:\n  pairs: [{a: x, b: y, slowdown_a: 1.5, slowdown_b: 1.2}]")
    assert bench_file.slowdowns(file) == slowdowns(None)
    assert bench_file.slowdowns(read("headroom_gb: 0")) is None

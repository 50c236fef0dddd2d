"""Where a bench file is looked for, and what is said of one that cannot be read."""

from pathlib import Path

import pytest

from nvinx.bench import file as bench_file
from nvinx.bench.parse import parse
from nvinx.bench.resolve import BenchFile
from nvinx.calibration import fit_slowdown_model
from nvinx.errors import BenchError
from nvinx.interference import CoRun, Provenance, save_slowdown_model


def read(text):
    return parse(text, "folder/nvinx.yaml")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
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


@pytest.mark.parametrize("snakefile", ["Snakefile", "snakefile", "workflow/Snakefile"])
def test_every_door_looks_in_the_same_places(home, monkeypatch, snakefile):
    project = home / "project"
    flow = (project / snakefile).parent
    put(project / snakefile)
    user = home / "config" / "nvinx"
    searched = tuple(dict.fromkeys(f / "nvinx.yaml" for f in (project, flow, user)))
    monkeypatch.chdir(project)

    assert bench_file.places() == bench_file.places(project) == searched
    assert bench_file.places(flow) == searched
    assert bench_file.default_snakefile(project) == project / snakefile


def test_from_elsewhere_the_working_folder_comes_before_the_project(home):
    here, flow = Path.cwd(), home / "project" / "workflow"
    names = [path.parent for path in bench_file.places(flow)]

    assert names == [here, flow.parent, flow, home / "config" / "nvinx"]


def test_a_bench_file_need_not_exist(home):
    assert bench_file.find(None, home, {}) is None


def test_a_bench_file_that_was_asked_for_must_exist(home):
    with pytest.raises(BenchError, match="does not exist"):
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


def slowdowns(card):
    return fit_slowdown_model([CoRun("x", "y", 1.5, 1.2)], provenance=Provenance(card))


def test_the_file_of_slowdowns_is_looked_for_beside_the_bench_file(tmp_path):
    save_slowdown_model(slowdowns("A100"), tmp_path / "a.json")
    (tmp_path / "nvinx.yaml").write_text("interference: a.json\n")
    found = bench_file.slowdowns(bench_file.load(tmp_path / "nvinx.yaml"))
    assert found == slowdowns("A100")


def test_slowdowns_in_the_file_are_fitted():
    file = read("interference:\n  pairs: [{a: x, b: y, slowdown_a: 1.5, slowdown_b: 1.2}]")
    assert bench_file.slowdowns(file) == slowdowns(None)
    assert bench_file.slowdowns(read("headroom_gb: 0")) is None

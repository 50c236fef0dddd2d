"""A bench file that was read before is read without YAML, and says the same."""

import os

import pytest

from nvinx.bench import read_before, strict_yaml
from nvinx.bench.strict_yaml import At
from nvinx.errors import BenchError
from nvinx.host import user_folders

BENCH = "hardware:\n  vram_gb: 4\n  simulated: true\nmodels: [{name: ü, vram_gb: 1.5}, ]\n"
PLAIN = (
    BENCH,
    "a: 1\nb: [x, 2.5, true, null]\n",
    "1: .nan\n2: .inf\n",
    "{3: a, 2.5: b, true: c, null: d}",
    "a: 999999999999999\nb: -.inf\nc: ''",
    "[]",
)
OTHERS = (
    "a: 2026-01-02",
    "2026-01-02: a",
    "a: 2026-01-02 03:04:05",
    "a: !!binary aGVsbG8=",
    "a: &x [1]\nb: *x",
    "",
    "[" * 40 + "]" * 40,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nvinx" / "yaml"


@pytest.fixture
def without_yaml(monkeypatch):
    """From the call on, whoever asks for YAML fails."""

    def broken(*_):
        raise AssertionError("read as YAML")

    return lambda: monkeypatch.setattr(strict_yaml, "read", broken)


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_that_was_read_before_is_not_read_as_yaml_again(text, without_yaml):
    before = read_before.read(text, "bench")
    without_yaml()
    assert repr(read_before.read(text, "bench")) == repr(before)


@pytest.mark.parametrize("text", OTHERS)
def test_what_cannot_be_kept_reads_the_same_every_time(text):
    assert repr(read_before.read(text, "bench")) == repr(read_before.read(text, "bench"))


def test_the_same_text_in_another_file_names_that_file():
    read_before.read(BENCH, "one")
    assert read_before.read(BENCH, "other").path == "other"


def test_a_mistake_is_told_as_often_as_the_file_is_read():
    for _ in range(2):
        with pytest.raises(BenchError, match=r"line 2.*'a' is there already"):
            read_before.read("a: 1\na: 2\n", "bench")


def test_a_text_that_changed_is_read_anew(monkeypatch):
    monkeypatch.setattr(read_before, "_PLACES", 1)
    first, second = (read_before.read(f"a: {n}", "bench").value["a"].value for n in (1, 2))
    assert (first, second) == (1, 2)
    assert read_before.read("a: 1", "bench").value["a"].value == 1


def test_what_an_earlier_reader_said_is_not_believed(tmp_path, monkeypatch):
    reader = tmp_path / "reader.py"
    reader.write_text("")
    monkeypatch.setattr(strict_yaml, "__file__", str(reader))
    monkeypatch.setattr(strict_yaml, "read", lambda text, path: At(path, 1, text.upper()))
    assert read_before.read("a", "bench").value == "A"
    monkeypatch.setattr(strict_yaml, "read", lambda text, path: At(path, 1, text * 2))
    assert read_before.read("a", "bench").value == "A"
    reader.write_text("# changed")
    assert read_before.read("a", "bench").value == "aa"


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x90", b"\x93\x01\x02\x03", b"\x91" * 5000])
def test_a_damaged_file_of_the_cache_is_left_out_and_replaced(raw, own_cache, without_yaml):
    read_before.read(BENCH, "bench")
    (file,) = own_cache.iterdir()
    file.write_bytes(raw)
    assert read_before.read(BENCH, "bench").value["hardware"].line == 1
    without_yaml()
    assert read_before.read(BENCH, "bench") is not None


def test_a_link_in_the_cache_is_not_followed(own_cache, tmp_path, without_yaml):
    read_before.read(BENCH, "bench")
    (file,) = own_cache.iterdir()
    file.symlink_to(file.rename(tmp_path / "elsewhere"))
    without_yaml()
    with pytest.raises(AssertionError, match="read as YAML"):
        read_before.read(BENCH, "bench")


def test_what_another_user_owns_is_not_believed(monkeypatch, without_yaml):
    read_before.read(BENCH, "bench")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    without_yaml()
    with pytest.raises(AssertionError, match="read as YAML"):
        read_before.read(BENCH, "bench")


def test_without_a_place_for_a_cache_all_is_as_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_before.read(BENCH, "bench") == read_before.read(BENCH, "bench")


def test_the_cache_holds_so_many_files_however_many_texts_are_read(own_cache, monkeypatch):
    monkeypatch.setattr(read_before, "_PLACES", 4)
    for n in range(20):
        read_before.read(f"a: {n}", "bench")
    assert len(list(own_cache.iterdir())) <= 4
    assert user_folders.cache() == own_cache.parent

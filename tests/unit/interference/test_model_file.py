"""A slowdown model on disk comes back as it was, or not at all."""

import json

import pytest

from nvinx.errors import CardMismatchError, ModelFileError
from nvinx.interference import CoRun, Provenance, SlowdownModel
from nvinx.interference.fit import fit_slowdown_model

CARD = "NVIDIA RTX A1000"
MODEL = fit_slowdown_model(
    [CoRun("esm2", "whisper", 1.9, 1.2), CoRun("esm2", "bért", 1.4, 1.1)],
    provenance=Provenance(CARD, "580.65.06", "2026-11-21", "time-slicing"),
)


@pytest.mark.parametrize("name", ["m.json", "m.yaml", "m.yml"])
def test_a_model_survives_the_disk(tmp_path, name):
    MODEL.save(tmp_path / name)
    back = SlowdownModel.load(tmp_path / name)
    assert back == MODEL
    assert back.predict("whisper", ["bért"]) == MODEL.predict("whisper", ["bért"])
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_saving_replaces_the_old_file_whole(tmp_path):
    (tmp_path / "m.json").write_text("old")
    MODEL.save(str(tmp_path / "m.json"))
    assert SlowdownModel.load(str(tmp_path / "m.json")) == MODEL


def test_a_model_of_this_card_is_taken(tmp_path):
    MODEL.save(tmp_path / "m.json")
    assert SlowdownModel.load(tmp_path / "m.json", card=CARD) == MODEL


def test_a_model_of_another_card_is_refused_unless_any_card_will_do(tmp_path):
    MODEL.save(tmp_path / "m.json")
    with pytest.raises(CardMismatchError, match="measured on NVIDIA RTX A1000, not on Tesla T4"):
        SlowdownModel.load(tmp_path / "m.json", card="Tesla T4")
    assert SlowdownModel.load(tmp_path / "m.json", card="Tesla T4", any_card=True) == MODEL


def test_a_suffix_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"suffix '\.txt'.*name it \.json"):
        MODEL.save(tmp_path / "m.txt")
    with pytest.raises(ModelFileError, match=r"suffix ''"):
        SlowdownModel.load(tmp_path / "m")


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ModelFileError, match="No such file"):
        SlowdownModel.load(tmp_path / "none.json")


def test_a_folder_is_no_model(tmp_path):
    (tmp_path / "m.json").mkdir()
    with pytest.raises(ModelFileError, match="directory"):
        SlowdownModel.load(tmp_path / "m.json")


BROKEN = {
    "half a file": lambda text: text[: len(text) // 2],
    "nothing": lambda _: "",
    "a list": lambda _: "[]",
    "another file": lambda _: '{"models": {}}',
    "a model without its noise": lambda text: text.replace('"noise"', '"nose"'),
    "a covariance of another size": lambda text: _edit(text, lambda e: e["covariance"].pop()),
    "a covariance that is a word": lambda text: _edit(text, lambda e: e.update(covariance="x")),
    "a slowdown below zero": lambda text: _edit(
        text, lambda e: e["measured"][0].update(slowdown=-1)
    ),
    "not a number": lambda text: _edit(text, lambda e: e.update(level=float("nan"))),
    "models that are a list": lambda text: _edit(text, lambda e: e.update(models=[])),
    "provenance of another kind": lambda text: _edit(text, lambda e: e["provenance"].update(x=1)),
}


def _edit(text, change):
    entries = json.loads(text)
    change(entries)
    return json.dumps(entries)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_error_that_names_it(tmp_path, broken):
    path = tmp_path / "m.json"
    MODEL.save(path)
    path.write_text(broken(path.read_text()))
    with pytest.raises(ModelFileError, match=r"m\.json.*Fix: calibrate again"):
        SlowdownModel.load(path)


@pytest.mark.parametrize("text", ["a: [", "\tkey: 1", "kind: !!python/object:os.system {}", "- 1"])
def test_broken_yaml_is_one_error_and_runs_nothing(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ModelFileError):
        SlowdownModel.load(tmp_path / "m.yaml")

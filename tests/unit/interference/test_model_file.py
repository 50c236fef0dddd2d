"""A slowdown model on disk comes back as it was, or not at all."""

import json
import math

import pytest
import yaml

from nvinx.errors import CardMismatchError, ModelFileError
from nvinx.interference import (
    CoRun,
    Provenance,
    SlowdownModel,
    Trait,
    load_slowdown_model,
    save_slowdown_model,
)
from nvinx.interference.fit import fit_slowdown_model
from nvinx.interference.slowdown import Measured

CARD = "NVIDIA RTX A1000"
MODEL = fit_slowdown_model(
    [CoRun("esm2", "whisper", 1.9, 1.2), CoRun("esm2", "bért", 1.4, 1.1)],
    provenance=Provenance(CARD, "580.65.06", "2026-11-21", "time-slicing"),
)


# What nvinx wrote before msgspec wrote it, to the letter.
OLD_YAML = r"""kind: nvinx slowdown model
provenance: {card: NVIDIA RTX A1000, driver: null, date: '2026-11-21', sharing: time-slicing}
level: -0.5
noise: 0.1
models:
  esm2: {suffers: 0.25, hurts: -0.5, co_runs: 1}
  "b\xE9rt": {suffers: -0.25, hurts: 0.125, co_runs: 1}
measured:
- {of: esm2, beside: "b\xE9rt", slowdown: 1.4, repeats: 2}
- {of: "b\xE9rt", beside: esm2, slowdown: 1.1, repeats: 1}
covariance:
- [1.0e-05]
- [0.5, 2.0e-05]
- [0.333, 0.25, 3.0000000000000004e-05]
- [0.25, 0.2, 0.167, 4.0e-05]
- [0.2, 0.167, 0.143, 0.125, 5.0e-05]
"""
OLD_JSON = r"""{
 "kind": "nvinx slowdown model",
 "provenance": {
  "card": "NVIDIA RTX A1000",
  "driver": null,
  "date": "2026-11-21",
  "sharing": "time-slicing"
 },
 "level": -0.5,
 "noise": 0.1,
 "models": {
  "esm2": {
   "suffers": 0.25,
   "hurts": -0.5,
   "co_runs": 1
  },
  "b\u00e9rt": {
   "suffers": -0.25,
   "hurts": 0.125,
   "co_runs": 1
  }
 },
 "measured": [
  {
   "of": "esm2",
   "beside": "b\u00e9rt",
   "slowdown": 1.4,
   "repeats": 2
  },
  {
   "of": "b\u00e9rt",
   "beside": "esm2",
   "slowdown": 1.1,
   "repeats": 1
  }
 ],
 "covariance": [
  [
   1e-05
  ],
  [
   0.5,
   2e-05
  ],
  [
   0.333,
   0.25,
   3.0000000000000004e-05
  ],
  [
   0.25,
   0.2,
   0.167,
   4e-05
  ],
  [
   0.2,
   0.167,
   0.143,
   0.125,
   5e-05
  ]
 ]
}
"""
OLD = SlowdownModel(
    level=-0.5,
    noise=0.1,
    traits={"esm2": Trait(0.25, -0.5, 1), "bért": Trait(-0.25, 0.125, 1)},
    covariance=(
        (1e-05, 0.5, 0.333, 0.25, 0.2),
        (0.5, 2e-05, 0.25, 0.2, 0.167),
        (0.333, 0.25, 3.0000000000000004e-05, 0.167, 0.143),
        (0.25, 0.2, 0.167, 4e-05, 0.125),
        (0.2, 0.167, 0.143, 0.125, 5e-05),
    ),
    measured={("esm2", "bért"): Measured(1.4, 2), ("bért", "esm2"): Measured(1.1)},
    provenance=Provenance(CARD, None, "2026-11-21", "time-slicing"),
)


@pytest.mark.parametrize(("name", "text"), [("m.json", OLD_JSON), ("m.yaml", OLD_YAML)])
def test_a_file_of_before_is_read_and_written_to_the_letter(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert load_slowdown_model(tmp_path / name) == OLD
    save_slowdown_model(OLD, tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_text() == text


@pytest.mark.parametrize("name", ["m.json", "m.yaml", "m.yml"])
def test_a_model_survives_the_disk(tmp_path, name):
    save_slowdown_model(MODEL, tmp_path / name)
    back = load_slowdown_model(tmp_path / name)
    assert back == MODEL
    assert back.predict("whisper", ["bért"]) == MODEL.predict("whisper", ["bért"])
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_saving_replaces_the_old_file_whole(tmp_path):
    (tmp_path / "m.json").write_text("old")
    save_slowdown_model(MODEL, str(tmp_path / "m.json"))
    assert load_slowdown_model(str(tmp_path / "m.json")) == MODEL


def test_a_model_of_this_card_is_taken(tmp_path):
    save_slowdown_model(MODEL, tmp_path / "m.json")
    assert load_slowdown_model(tmp_path / "m.json", card=CARD) == MODEL


def test_a_model_of_another_card_is_refused_unless_any_card_will_do(tmp_path):
    save_slowdown_model(MODEL, tmp_path / "m.json")
    with pytest.raises(CardMismatchError, match="measured on NVIDIA RTX A1000, not on Tesla T4"):
        load_slowdown_model(tmp_path / "m.json", card="Tesla T4")
    assert load_slowdown_model(tmp_path / "m.json", card="Tesla T4", any_card=True) == MODEL


def test_a_suffix_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"suffix '\.txt'.*name it \.json"):
        save_slowdown_model(MODEL, tmp_path / "m.txt")
    with pytest.raises(ModelFileError, match=r"suffix ''"):
        load_slowdown_model(tmp_path / "m")


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ModelFileError, match="No such file"):
        load_slowdown_model(tmp_path / "none.json")


def test_a_folder_is_no_model(tmp_path):
    (tmp_path / "m.json").mkdir()
    with pytest.raises(ModelFileError, match="directory"):
        load_slowdown_model(tmp_path / "m.json")


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
    "more than any number": lambda text: text.replace('"level": ', '"level": 1e999, "_": '),
    "a level that is a word": lambda text: _edit(text, lambda e: e.update(level="x")),
    "a trait that is a number": lambda text: _edit(text, lambda e: e["models"].update(esm2=1)),
    "no repeats": lambda text: _edit(text, lambda e: e["measured"][0].update(repeats=0)),
    "a covariance with a word": lambda text: _edit(
        text, lambda e: e["covariance"][1].__setitem__(0, "x")
    ),
    "nothing but brackets": lambda _: "[" * 100_000,
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
    save_slowdown_model(MODEL, path)
    path.write_text(broken(path.read_text()))
    with pytest.raises(ModelFileError, match=r"m\.json.*Fix: calibrate again"):
        load_slowdown_model(path)


@pytest.mark.parametrize("text", ["a: [", "\tkey: 1", "kind: !!python/object:os.system {}", "- 1"])
def test_broken_yaml_is_one_error_and_runs_nothing(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ModelFileError):
        load_slowdown_model(tmp_path / "m.yaml")


def test_what_is_wrong_is_named_with_its_place(tmp_path):
    path = tmp_path / "m.json"
    save_slowdown_model(MODEL, path)
    path.write_text(_edit(path.read_text(), lambda e: e["models"]["esm2"].update(hurts="much")))
    with pytest.raises(
        ModelFileError, match=r"Expected `float`, got `str` - at `\$\.models.*hurts"
    ):
        load_slowdown_model(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["level", "models", "measured", "covariance"])
def test_no_number_of_a_yaml_file_is_other_than_finite(tmp_path, where, value):
    entries = yaml.safe_load(OLD_YAML)
    if where == "level":
        entries["level"] = value
    elif where == "models":
        entries["models"]["esm2"]["suffers"] = value
    elif where == "measured":
        entries["measured"][0]["slowdown"] = value
    else:
        entries["covariance"][2][1] = value
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(entries))
    with pytest.raises(ModelFileError, match=rf"not a whole slowdown model.*{where}"):
        load_slowdown_model(tmp_path / "m.yaml")


def test_the_functions_are_looked_up_as_any_name_of_the_package_is():
    import nvinx.interference

    assert all(hasattr(nvinx.interference, name) for name in nvinx.interference.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load'"):
        _ = nvinx.interference.load

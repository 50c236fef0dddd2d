"""The campaign where NVML shows a card and CUDA allocates from RAM: calls, records, replays."""

from pathlib import Path

import card_traces
import pytest
from campaign import coruns
from campaign.steps import MeasurementError
from cuda_stand_in import CudaStandIn
from replays import ends_as_it_was, same_look

EVIDENCE = Path(__file__).parents[1]


@pytest.fixture
def measured(made_of_ram):
    """The measurements of a part by key, those that a pattern names."""

    def measure(part, *patterns, words=()):
        for pattern in patterns:
            done = made_of_ram.run(part, "--only", f"{part}/{pattern}", *words)
            assert done.returncode == 0, done.stderr
        return made_of_ram.data(part)

    return measure


def test_contexts_copies_and_nvmls_answers_are_measured(measured, made_of_ram):
    found = measured("facts", "idle", "context/bare", "holding", "copies")
    raw = found["facts/idle"]["raw"]
    assert raw["memory_v1"]["used"] - raw["memory_v2"]["used"] == raw["memory_v2"]["reserved"]
    assert raw["pcie"] == {"error": "FunctionNotFound"}
    assert found["facts/idle"]["look"]["gpus"][0]["used_mib"] == 100
    assert found["facts/context/bare"]["cuda"] == 13020
    assert found["facts/holding"]["mib"] == 512
    rows = found["facts/copies"]["rows"]
    assert {(row["ram"], row["way"]) for row in rows} == {
        (ram, way) for ram in ("pageable", "pinned") for way in ("to_card", "from_card")
    }
    assert all(speed > 0 for row in rows for speed in row["bytes_per_s"])
    assert made_of_ram.lines("facts")[0]["setting"]["card"] == "Test card 0"


def test_an_mps_daemon_is_started_asked_and_ended(measured):
    found = measured("facts", "mps")["facts/mps"]
    assert (found["clients"], found["is_client"], found["nvinx_thinks"]) == (0, False, "mps")


def test_a_full_card_is_told_from_the_words_of_the_driver(measured):
    found = measured("corpus", "full/driver")["corpus/full/driver"]
    assert (found["expected"], found["told"]) == ("out_of_memory", "out_of_memory")
    assert "CUDA_ERROR_OUT_OF_MEMORY" in found["stderr"]
    assert found["reached_mib"] == 2048


def test_memory_goes_to_ram_and_back_and_is_as_it_was(measured, made_of_ram, tmp_path):
    cuda = CudaStandIn(tmp_path / "cuda")
    cuda.folder.mkdir()
    made_of_ram.environ |= cuda.environ()
    found = measured("suspend", "*")
    assert found["suspend/able"] == {"why_not": None}
    moved = found["suspend/size/64"]
    assert (moved["mib"], moved["same"], len(moved["used_mib"])) == (64, True, 3)
    assert cuda.calls() == ["lock", "checkpoint", "restore", "unlock"] * 2
    page = made_of_ram.publish()
    assert page.returncode == 0, page.stderr
    assert "| 64 | 0.01 | " in (made_of_ram.out / "measured-on-cards.md").read_text()


def test_a_card_whose_driver_cannot_suspend_is_told(measured, made_of_ram, tmp_path):
    cuda = CudaStandIn(tmp_path / "cuda")
    cuda.folder.mkdir()
    cuda.let("version", "12070")
    made_of_ram.environ |= cuda.environ()
    found = measured("suspend", "*")
    assert "too old to suspend" in found["suspend/able"]["why_not"]
    assert "too old to suspend" in found["suspend/size/64"]["needs"]
    assert made_of_ram.publish().returncode == 0
    assert "too old to suspend" in (made_of_ram.out / "measured-on-cards.md").read_text()


def test_co_runs_hold_the_card_and_read_it(measured):
    found = measured("coruns", "*", words=("--programs", "plain"))
    alone = [data for data in found.values() if data.get("kind") == "alone"]
    assert len(alone) == 6
    assert all(data["utilisation"] == pytest.approx(0.37) for data in alone)
    assert found["coruns/time-slicing/0/greedy/brief"]["kind"] == "beside"


def test_what_was_recorded_replays(measured, made_of_ram, libraries, tmp_path):
    measured("facts", "idle", "context/bare")
    measured("corpus", "full/driver", "killed")
    folder = tmp_path / "traces"
    published = made_of_ram.publish("--docs", tmp_path / "docs", "--traces", folder)
    assert published.returncode == 0, published.stderr
    page = (tmp_path / "docs/measured-on-cards.md").read_text()
    assert page.startswith("# Measured on real cards\n")
    assert "Test card 0, 4096 MiB, driver 580.65.06" in page

    (probe,) = card_traces.of_cards("probe", folder)
    assert [same_look(line, libraries, tmp_path) for line in probe.lines] == [True, True]
    (ends,) = card_traces.of_cards("ends", folder)
    assert [line["key"] for line in ends.lines] == ["corpus/full/driver", "corpus/killed"]
    assert all(ends_as_it_was(line) for line in ends.lines)
    ends.lines[0]["data"]["stderr"] = "something else"
    assert not ends_as_it_was(ends.lines[0])


PLAIN_JOBS = f"""
import sys
sys.path.insert(0, {str(EVIDENCE)!r})
from campaign import plain, workflows
plain.DEVICE = workflows.models.DEVICE
workflows.models, workflows.LONG = plain, "greedy"
workflows.SMALL = {{"cool": "brief", "hot": "restful"}}
import run
run.main()
"""


def test_a_workflow_of_as_many_iterations_as_take_its_time_runs_on_the_card(made_of_ram):
    for key in ("rates", "cool/nvinx/0"):
        words = ("--only", f"workflows/{key}")
        done = made_of_ram.run("workflows", *words, program=("-c", PLAIN_JOBS))
        assert done.returncode == 0, done.stderr
    found = made_of_ram.data("workflows")
    assert found["workflows/rates"]["alone"].keys() == {"greedy", "brief", "restful"}
    assert found["workflows/rates"]["twins"].keys() == {"cool", "hot"}
    ran = found["workflows/cool/nvinx/0"]
    assert (ran["status"], ran["jobs"]) == (0, 11), ran
    assert ran["busy"] == pytest.approx(0.37)


def test_lines_of_two_cards_make_no_page(measured, made_of_ram):
    measured("facts", "idle")
    file = made_of_ram.out / "facts.jsonl"
    file.write_text(file.read_text() + file.read_text().replace("Test card 0", "Tesla T4"))
    refused = made_of_ram.publish()
    assert refused.returncode == 1
    assert "several cards (Tesla T4, Test card 0)" in refused.stderr


def test_a_card_that_others_hold_is_not_measured(monkeypatch):
    said = []
    waiting = coruns._patience(said.append)
    waiting("held")
    waiting("held")
    assert len(said) == 1
    monkeypatch.setattr(coruns, "PATIENCE_S", -1.0)
    with pytest.raises(MeasurementError, match="not free within"):
        waiting("held")

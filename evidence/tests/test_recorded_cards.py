"""What real cards were seen to do, replayed: the probe, out of memory, and who slows whom."""

import card_traces
import fake_library
import pytest
from campaign import slowdowns
from replays import ends_as_it_was, same_look

MOST_PCT = 10.0  # mean error of pairs that were left out


def recorded(kind):
    """The real cards' traces of a kind; without one a test that is skipped and says why."""
    found = card_traces.of_cards(kind)
    missing = pytest.param(None, marks=pytest.mark.skip(reason=card_traces.NONE_YET), id="none")
    return [pytest.param(trace, id=trace.path.name) for trace in found] or [missing]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return fake_library.build(tmp_path_factory.mktemp("nvml"))


@pytest.mark.parametrize("trace", recorded("probe"))
def test_the_probe_sees_what_it_saw_on_the_card(trace, library, tmp_path):
    for line in trace.lines:
        assert same_look(line, library, tmp_path), line["key"]


@pytest.mark.parametrize("trace", recorded("ends"))
def test_every_end_is_taken_for_what_it_was(trace):
    wrong = [line["key"] for line in trace.lines if not ends_as_it_was(line)]
    assert wrong == []


@pytest.mark.parametrize("trace", recorded("coruns"))
def test_pairs_are_predicted_from_the_others_within_the_target(trace):
    ways = slowdowns.ways(trace.lines)
    errors = slowdowns.errors(ways["time-slicing"])
    assert errors["S x I"].mean_pct <= MOST_PCT


def test_the_traces_folder_holds_real_cards_only():
    assert all(trace.card is not None for trace in card_traces.read())


def test_a_file_that_is_no_trace_is_told(tmp_path):
    (tmp_path / "card.other.jsonl").write_text('{"setting": {"card": null}}\n')
    with pytest.raises(ValueError, match="is no trace of one card"):
        card_traces.read(tmp_path)


def test_memory_that_nvml_does_not_tell_is_replayed_as_untold():
    memory = {"total": 4096, "used": 100}
    raw = {"memory_v1": memory, "memory_v2": {"error": "NotSupported"}}
    state = card_traces.nvml_state({**raw, "processes": [(7, None), (8, 30)]})
    assert state.splitlines() == [
        "gpu 0 GPU-0 4096 0 70",
        "proc 0 7 -1 C",
        "proc 0 8 30 C",
        "fails nvmlDeviceGetMemoryInfo_v2 0 3",
    ]
    state = card_traces.nvml_state({**raw, "processes": {"error": "NotSupported"}})
    assert "fails nvmlDeviceGetComputeRunningProcesses_v3 0 3" in state

"""How near cards are to each other: as the driver says, by the shipped fake and over NVML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import card, exclusive_job, simulated_card
from fake_library import build

import nvinx
from nvinx.admission.events import Submitted
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import step
from nvinx.bench.capacity import Capacity
from nvinx.bench.machine import placed_apart
from nvinx.jobs.card_count import CardCount
from nvinx.testing import FakeTopology

IDS = [f"GPU-{n}" for n in range(3)]
LINKED = ("GPU-0", "GPU-2", 0)
ON_ONE_NODE, FAR = ("GPU-0", "GPU-1", 41), ("GPU-1", "GPU-2", 51)
GPUS = "".join(f"gpu {n} GPU-{n} 4294967296 0 0\n" for n in range(3))
LOOK = """
import json, sys
from nvinx.gpu.topology import NvmlTopology
print(json.dumps(NvmlTopology().read(sys.argv[1:])))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


def over_nvml(folder, library, text, ids=IDS):
    """What NVML says in a process of its own, which finds our library and no other."""
    file = folder / "gpus.txt"
    if text is not None:
        file.write_text(text)
    environ = {
        **os.environ,
        "LD_LIBRARY_PATH": str(library),
        "NVINX_FAKE_NVML": str(file),
        "PYTHONPATH": str(Path(nvinx.__file__).parents[1]),
    }
    words = [sys.executable, "-W", "error", "-c", LOOK, *ids]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    return [tuple(each) for each in json.loads(done.stdout)]


def test_links_come_before_nodes_and_nodes_before_the_machine(tmp_path, library):
    said = GPUS + "near 0 1 40\nnear 0 2 50\nlinked 0 2\n"
    assert over_nvml(tmp_path, library, said) == [ON_ONE_NODE, LINKED, FAR]
    assert [*FakeTopology(ON_ONE_NODE, LINKED, FAR).read(IDS)] == [ON_ONE_NODE, LINKED, FAR]


def test_what_the_driver_does_not_say_is_left_out(tmp_path, library):
    silent = GPUS + "fails nvmlDeviceGetTopologyCommonAncestor -1 3\n"
    assert over_nvml(tmp_path, library, silent) == []
    unlinked = GPUS + "near 0 1 40\nfails nvmlDeviceGetP2PStatus -1 3\n"
    assert over_nvml(tmp_path, library, unlinked, IDS[:2]) == [ON_ONE_NODE]
    assert over_nvml(tmp_path, library, GPUS, ["GPU-0", "GPU-gone"]) == []
    assert FakeTopology(FAR).read(IDS[:2]) == ()


def test_without_a_driver_nothing_is_known(tmp_path, library):
    assert over_nvml(tmp_path, library, None) == []


def started_on(cards, number, **claim):
    state = State(Capacity(cards, 8))
    job = exclusive_job("train", cards=CardCount(number, number), **claim)
    _, (decision,) = step(state, Submitted((job,), 0.0), LongestChainFirst())
    return [int(card_id.rpartition("-")[2]) for card_id in decision.placement.cards]


def test_of_cards_that_are_as_good_the_nearest_are_taken():
    cards = placed_apart(
        tuple(card(n) for n in range(4)),
        [
            *(("gpu-0", f"gpu-{n}", 51) for n in (1, 2, 3)),
            ("gpu-1", "gpu-2", 41),
            ("gpu-1", "gpu-3", 0),
            ("gpu-2", "gpu-3", 41),
        ],
    )
    assert started_on(cards, 2) == [1, 3]
    assert started_on(cards, 3) == [1, 2, 3]


def test_without_distances_they_are_taken_in_order():
    assert started_on(tuple(simulated_card(n) for n in range(4)), 3) == [0, 1, 2]

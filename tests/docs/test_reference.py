"""The reference says what the code says: every option, key, hint, variable and metric, no other."""

import re
import runpy

import pytest
from pages import ROOT

from nvinx import bench_text, caps, corun_text, environment, hints, record
from nvinx.admission import Capacity, Card, Placement
from nvinx.catalog import Residency
from nvinx.reasons import Why

REFERENCE = ROOT / "docs" / "reference"
TABLES = dict(runpy.run_path(str(ROOT / "docs" / "tables.py"))["pages"]())
KEYS = {
    "The top": bench_text._TOP,
    "hardware": bench_text._HARDWARE,
    "gpus": bench_text._GPU,
    "models": bench_text._MODEL,
    "interference": bench_text._INTERFERENCE,
    "pairs": corun_text._PAIR,
    "cluster": bench_text._NODES,
}


def first_cells(page, section):
    """All that stands in ticks in the first column of the tables of a section."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", body, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_a_table_from_the_code_is_up_to_date(page):
    assert page.read_text(encoding="utf-8") == TABLES[page], "make docs writes it"


def test_the_commands_the_settings_and_the_metrics_have_such_a_table():
    assert {page.name for page in TABLES} == {"commands.md", "executor.md", "metrics.md"}


@pytest.mark.parametrize("section", KEYS)
def test_every_key_of_the_bench_file_is_told(section):
    assert first_cells("bench-file.md", section) == set(KEYS[section])


def test_every_event_of_a_trace_is_told():
    text = (REFERENCE / "trace.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == {"run", *record._TAKE}


def test_every_hint_is_told():
    assert first_cells("hints.md", "Hints") == set(hints.HINTS)


def test_every_variable_of_a_job_is_told():
    card = Card(id="card", index=0, name="card", total_mib=4000)
    capacity = Capacity((card,), 1, 1000)
    placement = Placement(Residency.GPU_SHARED, Why.FITS_BESIDE_OTHERS, card="card", vram_mib=900)

    assert first_cells("hints.md", "What a job sees") == set(
        environment.variables("job", placement, capacity)
    )
    assert first_cells("hints.md", "Caps") == set(caps.variables(placement, capacity, "site", {}))

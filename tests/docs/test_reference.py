"""The reference says what the code says: every option, key, hint, variable and metric, no other."""

import re
import runpy

import pytest
from builders import card, granted, shared_claim
from pages import ROOT

from nvinx.bench import coruns
from nvinx.bench import parse as bench_parser
from nvinx.bench.capacity import Capacity
from nvinx.host import budget_files
from nvinx.jobs import attempt, hints
from nvinx.leases import environment, memory_caps
from nvinx.leases.said_peaks import VARIABLE
from nvinx.runs import read as recorded

REFERENCE = ROOT / "docs" / "reference"
TABLES = dict(runpy.run_path(str(ROOT / "docs" / "tables.py"))["pages"]())
KEYS = {
    "The top": bench_parser._TOP,
    "hardware": bench_parser._HARDWARE,
    "gpus": bench_parser._GPU,
    "models": bench_parser._MODEL,
    "interference": bench_parser._INTERFERENCE,
    "pairs": coruns._PAIR,
    "cluster": bench_parser._NODES,
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
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == {"run", *recorded._TAKE}


def test_every_hint_is_told():
    assert first_cells("hints.md", "Hints") == set(hints.HINTS)


def test_every_variable_of_a_job_is_told():
    capacity, placement = Capacity((card(),), 1, 1000), granted(shared_claim())

    assert first_cells("hints.md", "What a job sees") == {
        *environment.variables("job", placement, capacity),
        *attempt.variables(1),
        *attempt.preempted(None),
        VARIABLE,
        budget_files.VARIABLE,
    }
    assert first_cells("hints.md", "Caps") == set(
        memory_caps.variables(placement, capacity, "site", {})
    )

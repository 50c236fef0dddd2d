"""`nvinx status` and `nvinx jobs`, as people type them."""

import json
import re
import sqlite3

import pytest
from builders import shared_job, simulated_card
from click.testing import CliRunner
from msgspec.structs import replace
from recorded import ALONE, Recorder

from nvinx.admission.job import GivenBack
from nvinx.bench.capacity import Capacity
from nvinx.cli import main
from nvinx.host.clock import boot_seconds
from nvinx.jobs.outcome import Outcome
from nvinx.leases import tokens
from nvinx.leases.broker import Broker
from nvinx.leases.ledger import SqliteLedger
from nvinx.leases.liveness import ProcessLiveness
from nvinx.leases.ports import Ports

BENCH = "hardware: {gpus: [{name: small card, vram_gb: 4.0, simulated: true}]}\n"
ENGINE = tokens.new()  # signs of life are seen all over the machine
CARD = simulated_card(name="small card", total_mib=3814)


def nvinx(*args):
    return CliRunner().invoke(main, list(args), env={"COLUMNS": "80"})


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    return tmp_path


@pytest.fixture
def engine(bench):
    """An engine of this process with one lease and one waiting request."""
    (bench / "state").mkdir()
    ledger, liveness = (
        SqliteLedger(bench / "state" / "ledger.db"),
        ProcessLiveness(bench / "state" / "life"),
    )
    broker = Broker(ENGINE, Capacity((CARD,), 4), Ports(ledger, liveness, boot_seconds))
    broker.submit(shared_job(name, 2000, engine=ENGINE) for name in ("embed[1]", "embed[2]"))
    yield liveness
    broker.close()
    ledger.close()


def test_where_nothing_ran_status_says_so_and_leaves_nothing_behind(bench):
    done = nvinx("status")

    assert done.exit_code == 0
    assert "small card (simulated): 0.00 GB of 4.00 GB leased" in done.output
    assert "Nobody waits." in done.output
    assert not (bench / "state").exists()


def test_status_shows_who_holds_the_card_and_why_the_others_wait(engine):
    text = nvinx("status").output

    assert "2.10 GB of 4.00 GB leased" in text
    assert "embed[1]: 2.10 GB shared" in text
    waits = rf"embed\[2\], .* s, engine {ENGINE}: needs 2.10 GB of VRAM, 1.90 GB free beside embed"
    assert re.search(waits, text)


@pytest.mark.parametrize(("by_s", "said"), [(1, "gives up"), (-60, "was to give up")])
def test_a_card_that_is_given_up_is_shown_also_where_that_is_overdue(bench, engine, by_s, said):
    ledger = SqliteLedger(bench / "state" / "ledger.db")
    with ledger.transaction() as entries:
        (lease,) = entries.leases()
        given_back = GivenBack("urgent", boot_seconds() + by_s)
        entries.give_back(lease.id, replace(lease.placement, given_back=given_back))
    ledger.close()

    assert f", {said} its card to urgent\n" in nvinx("status").output


def test_what_is_dead_is_not_shown(engine):
    engine.retire("embed[1]")
    engine.retire(ENGINE)
    text = nvinx("status").output

    assert "embed" not in text
    assert "0.00 GB of 4.00 GB leased" in text


def test_status_is_there_for_programs_too(engine):
    body = json.loads(nvinx("status", "--json").output)

    assert [x["name"] for x in body["leases"]] == ["embed[1]"]
    assert body["requests"][0]["reason"]["why"] == "not_enough_vram"


def test_a_ledger_of_another_version_is_one_line_and_status_2(bench):
    (bench / "state").mkdir()
    with sqlite3.connect(bench / "state" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    done = nvinx("status")

    assert done.exit_code == 2
    assert len(done.output.splitlines()) == 1
    assert "schema 999" in done.output


def test_jobs_without_a_run_says_what_to_do(bench):
    done = nvinx("jobs")

    assert done.exit_code == 2
    assert "run snakemake --executor nvinx, or nextflow, there first" in done.output


@pytest.fixture
def finished(bench):
    run = Recorder(bench)
    run.job("embed[a_rather_long_name_of_a_sample,3]", (0, 0, 4))
    run.job("call", (0, 4, 9), ALONE, outcome=Outcome.FAILED)
    return bench


def test_jobs_shows_lanes_waits_and_failures_in_80_columns(finished):
    text = nvinx("jobs").output

    assert "GPU 0 alone (failed)" in text
    assert "4.0 s" in text
    assert max(map(len, text.splitlines())) <= 80


def test_jobs_is_there_for_programs_too(finished):
    assert [j["name"] for j in json.loads(nvinx("jobs", "--json").output)["jobs"]][1] == "call"


def test_jobs_of_another_folder_can_be_asked_for(finished, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "call" in nvinx("jobs", str(finished)).output

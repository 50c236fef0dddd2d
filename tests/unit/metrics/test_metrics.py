"""Metrics say what is so; alert rules and the dashboard speak of metrics that are there."""

import json
import re
import urllib.request

import pytest
import yaml
from builders import card, exclusive_job, gpu_state, lease, shared_job, simulated_card, spilling_job
from click.testing import CliRunner

from nvinx.bench.resolve import Bench
from nvinx.cli import main
from nvinx.errors import ExportError
from nvinx.gpu.ports import GpuInventory, GpuReading
from nvinx.leases import client
from nvinx.leases.ports import QueuedRequest
from nvinx.leases.snapshot import Snapshot
from nvinx.metrics import alerts, exporter
from nvinx.metrics.gauges import METRICS, Facts

CARD = card()
SIMULATED = simulated_card(name="toy")


def facts(shown_card=CARD, leases=(), requests=(), *, shown=True, **other):
    seen = GpuInventory((gpu_state(),) if shown else ())
    bench = Bench(cards=(shown_card,), cores=1, ram_mib=1, models={}, origins={})
    given = {
        "readings": {"gpu-0": GpuReading(0.0, 0)},
        "ram_left_mib": 1000,
        "cpu": 0.0,
        "runs": {"ok": 0},
        "version": "1",
    }
    return Facts(
        Snapshot(bench, leases, requests, len(requests), seen, 100.0), **{**given, **other}
    )


def values(given):
    return {metric.name: dict(metric.values(given)) for metric in METRICS}


HELD = lease(shared_job("a"))
WAITS = QueuedRequest(shared_job("b", engine="two"), 40.0)
MOVES = {
    "nvinx_card_vram_bytes": facts(card(total_mib=8000)),
    "nvinx_card_shareable_bytes": facts(card(headroom_mib=500)),
    "nvinx_card_leased_bytes": facts(leases=(HELD,)),
    "nvinx_card_foreign_bytes": facts(card(foreign_mib=7)),
    "nvinx_card_used_bytes": facts(readings={"gpu-0": GpuReading(0.0, 50)}),
    "nvinx_card_busy_ratio": facts(readings={"gpu-0": GpuReading(0.7, 0)}),
    "nvinx_card_jobs": facts(leases=(HELD,)),
    "nvinx_card_held_alone": facts(leases=(lease(exclusive_job("b")),)),
    "nvinx_card_lost": facts(shown=False),
    "nvinx_waiting_jobs": facts(requests=(WAITS,)),
    "nvinx_oldest_wait_seconds": facts(requests=(WAITS,)),
    "nvinx_engines": facts(leases=(HELD,), requests=(WAITS,)),
    "nvinx_spilled_ram_bytes": facts(leases=(lease(spilling_job("c"), ram_mib=5000),)),
    "nvinx_ram_left_bytes": facts(ram_left_mib=10),
    "nvinx_cpu_busy_ratio": facts(cpu=0.5),
    "nvinx_remembered_runs": facts(runs={"ok": 3}),
    "nvinx_info": facts(version="2"),
}


def test_every_metric_is_in_the_table_of_moves():
    assert set(MOVES) == {metric.name for metric in METRICS}


@pytest.mark.parametrize("name", MOVES)
def test_a_metric_moves_with_what_it_is_about(name):
    assert values(MOVES[name])[name] != values(facts())[name]


def test_values_are_in_the_units_of_their_names():
    told = values(MOVES["nvinx_engines"])
    assert told["nvinx_card_leased_bytes"] == {("0", "card"): 900 * 2**20}
    assert told["nvinx_engines"] == {(): 2.0}
    assert values(MOVES["nvinx_oldest_wait_seconds"])["nvinx_oldest_wait_seconds"] == {(): 60.0}


def test_what_the_driver_does_not_say_is_not_told():
    told = values(facts(readings={"gpu-0": GpuReading()}))
    assert told["nvinx_card_used_bytes"] == told["nvinx_card_busy_ratio"] == {}


def test_rules_are_promql_about_metrics_that_are_there():
    promql = pytest.importorskip("promql_parser", reason="promql-parser is not installed")
    known = {metric.name for metric in METRICS}
    result = CliRunner().invoke(main, ["metrics", "--rules"])
    groups = yaml.safe_load(result.output)["groups"]
    assert groups
    for rule in groups[0]["rules"]:
        promql.parse(rule["expr"])
        assert set(re.findall(r"nvinx_\w+", rule["expr"])) <= known
        assert rule["annotations"]["summary"]
    assert alerts.rules() == {"groups": groups}


def test_the_dashboard_has_a_panel_for_each_metric():
    board = json.loads(CliRunner().invoke(main, ["metrics", "--dashboard"]).output)
    shown = {panel["targets"][0]["expr"] for panel in board["panels"]}
    assert shown == {metric.name for metric in METRICS} - {"nvinx_info"}
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(board["panels"])


@pytest.fixture
def source(tmp_path):
    bench = Bench(cards=(SIMULATED,), cores=1, ram_mib=1000, models={}, origins={})
    return exporter.Exporter(bench, tmp_path / "state")


def test_metrics_are_served_on_loopback_and_follow_the_ledger(source, tmp_path):
    port = exporter.serve(source, "127.0.0.1", 0)

    def asked():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return answer.read().decode()

    assert 'nvinx_card_jobs{card="toy",gpu="0"} 0.0' in asked()
    with client.whole_card(SIMULATED, "job", tmp_path / "state", lambda _: None):
        assert 'nvinx_card_held_alone{card="toy",gpu="0"} 1.0' in asked()
    assert 'nvinx_remembered_runs{outcome="ok"}' in asked()


def test_a_port_that_is_taken_is_told(source):
    port = exporter.serve(source, "127.0.0.1", 0)
    with pytest.raises(ExportError, match="Fix: name another address"):
        exporter.serve(source, "127.0.0.1", port)


def test_a_file_for_node_exporter(source, tmp_path):
    exporter.write(source, tmp_path / "nvinx.prom")
    assert "nvinx_waiting_jobs 0.0" in (tmp_path / "nvinx.prom").read_text()
    with pytest.raises(ExportError, match="Fix: name a folder"):
        exporter.write(source, tmp_path / "nowhere" / "nvinx.prom")


@pytest.mark.parametrize("address", ["9108", "host:", "host:http", ":99", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(address, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    result = CliRunner().invoke(main, ["metrics", "--listen", address])
    assert result.exit_code == 2
    assert "not a HOST:PORT" in result.output


def test_the_command_prints_them_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVINX_STATE_DIR", str(tmp_path / "state"))
    result = CliRunner().invoke(main, ["metrics"])
    assert result.exit_code == 0
    assert "nvinx_info{version=" in result.output
    assert not (tmp_path / "state").exists()

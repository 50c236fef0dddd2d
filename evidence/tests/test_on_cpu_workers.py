"""The campaign from end to end without a card: measured, gone on with, and published as such."""

import json

import card_traces

from nvinx.jobs import outcome

PLAIN = ("--programs", "plain")


def test_each_line_says_where_when_and_by_which_command_it_was_measured(cpu_workers):
    done = cpu_workers.run("facts")
    assert done.returncode == 0, done.stderr
    assert "CPU workers, no card" in done.stderr
    lines = cpu_workers.lines("facts")
    assert len(lines) > 8
    for line in lines:
        assert line["data"] == {"needs": "a card"}
        assert line["setting"]["card"] is None
        assert line["setting"]["command"] == "run.py facts --device cpu --small"
        assert {"python", "numpy"} <= line["setting"]["versions"].keys()


def test_nothing_is_suspended_without_a_card(cpu_workers):
    assert cpu_workers.run("suspend").returncode == 0
    assert {"needs": "a card"} in cpu_workers.data("suspend").values()
    assert len({str(data) for data in cpu_workers.data("suspend").values()}) == 1


def test_co_runs_stop_at_the_deadline_and_go_on_in_a_session_of_their_own(cpu_workers):
    late = cpu_workers.run("coruns", *PLAIN, "--deadline", "1")
    assert late.returncode == 75
    assert "4 left (coruns/time-slicing/0/greedy/brief, " in late.stderr
    done = cpu_workers.run("coruns", *PLAIN)
    assert done.returncode == 0, done.stderr
    measured = cpu_workers.data("coruns")
    assert measured["coruns/time-slicing/0/greedy/brief/restful"]["kind"] == "crowd"
    kinds = [data["kind"] for data in measured.values()]
    assert [kinds.count(kind) for kind in ("alone", "beside", "crowd")] == [6, 3, 1]
    assert cpu_workers.run("coruns", *PLAIN).returncode == 0
    assert len(cpu_workers.lines("coruns")) == len(measured)

    published = cpu_workers.publish("--traces", cpu_workers.out / "traces")
    assert published.returncode == 0, published.stderr
    page = (cpu_workers.out / "measured-on-cards.md").read_text()
    assert page.startswith("# CPU workers, no card\n")
    for words in ("| S x I | ", "| theta + gamma | ", "| fair share | ", "greedy, brief, restful"):
        assert words in page
    assert "| met |" not in page
    assert (cpu_workers.out / "measured/corun-cpu-time-slicing.svg").stat().st_size > 5000
    (trace,) = card_traces.read(cpu_workers.out / "traces")
    assert (trace.kind, trace.card, len(trace.lines)) == ("coruns", None, len(measured))


def test_ways_to_share_a_card_are_not_tried_without_one(cpu_workers):
    for way in ("slice", "mps"):
        assert cpu_workers.run("coruns", *PLAIN, "--way", way).returncode == 0
    assert len(cpu_workers.lines("coruns")) == 8
    assert all(data == {"needs": "a card"} for data in cpu_workers.data("coruns").values())


def test_a_page_of_cpu_workers_is_refused_in_docs(cpu_workers, tmp_path):
    cpu_workers.run("facts")
    refused = cpu_workers.publish("--docs", tmp_path / "docs")
    assert refused.returncode != 0
    assert "only what a card showed" in refused.stderr
    assert not (tmp_path / "docs").exists()


def test_programs_that_end_badly_are_kept_with_what_they_said(cpu_workers):
    assert cpu_workers.run("corpus").returncode == 0
    measured = cpu_workers.data("corpus")
    assert measured["corpus/full/torch"] == {"needs": "a card"}
    assert measured["corpus/killed"]["status"] == -9
    assert "Unable to allocate 1.00 PiB" in measured["corpus/host-memory"]["stderr"]
    stood_in = measured["corpus/stand-in"]
    assert outcome.outcome_of(stood_in["status"], stood_in["stderr"]).value == "out_of_memory"
    ended = [data for data in measured.values() if "told" in data]
    assert all(data["told"] == data["expected"] for data in ended)
    text = (cpu_workers.out / "corpus.jsonl").read_text()
    assert str(cpu_workers.out) not in text


def test_a_workflow_runs_all_its_jobs_on_a_card_that_is_a_file(cpu_workers):
    cpu_workers.run("workflows", "--only", "workflows/rates")
    done = cpu_workers.run("workflows", "--only", "workflows/hot/nvinx/0")
    assert done.returncode == 0, done.stderr
    measured = cpu_workers.data("workflows")["workflows/hot/nvinx/0"]
    assert (measured["status"], measured["jobs"]) == (0, 11), measured
    assert 0 < measured["span_s"] < measured["wall_s"]
    assert measured["busy"] is None


def test_what_a_crash_left_of_a_line_is_cut_off(cpu_workers):
    cpu_workers.run("facts")
    whole = (cpu_workers.out / "facts.jsonl").read_text()
    (cpu_workers.out / "facts.jsonl").write_text(whole[:-40])
    assert cpu_workers.run("facts").returncode == 0
    lines = cpu_workers.lines("facts")
    assert [line["key"] for line in lines] == [json.loads(x)["key"] for x in whole.splitlines()]


def test_a_file_that_is_none_of_ours_is_told(cpu_workers, tmp_path):
    cpu_workers.out.mkdir()
    (cpu_workers.out / "facts.jsonl").write_text('{"a": 1}\n')
    refused = cpu_workers.publish()
    assert refused.returncode == 1
    assert "line 1 is no record of a measurement" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_was_lacking_is_looked_for_again_once_something_is_installed(cpu_workers):
    cpu_workers.run("facts", "--only", "facts/idle")
    file = cpu_workers.out / "facts.jsonl"
    file.write_text(file.read_text().replace('"python": "', '"python": "0.'))
    cpu_workers.run("facts", "--only", "facts/idle")
    assert len(cpu_workers.lines("facts")) == 2


def test_toys_and_real_measurements_make_no_page_together(cpu_workers):
    cpu_workers.run("facts", "--only", "facts/idle")
    file = cpu_workers.out / "facts.jsonl"
    file.write_text(file.read_text() + file.read_text().replace('"small": true', '"small": false'))
    refused = cpu_workers.publish()
    assert refused.returncode == 1
    assert "toys (--small)" in refused.stderr

"""Whatever names, environments and files say, screens stay as they are, and nobody sees a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import pytest
from bench_folder import NVINX
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import GIVE_UP_S, eventually

from nvinx import placement
from nvinx.cli import main
from nvinx.errors import OptionError, RecordError
from nvinx.formatting import plain
from nvinx.leases import rows
from nvinx.runs import read

NAMES = {
    "escape sequences": "\x1b]0;x\x07\x1b[2J",
    "a line of its own": "a\n  forged: 4.00 GB exclusive, for 1 s, engine 1",
    "another direction": "abc\u202egnp.exe",
    "control characters of eight bits": "a\x9b2Jb",
    "length": "x" * 100_000,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_does_nothing_to_a_screen(bench, name):
    first = bench.start("run", "--name", name, "--", "sleep", "3600")
    assert eventually(bench.held)
    second = bench.start("run", "--name", name, "--", "true")
    assert eventually(bench.waits)
    shown = [bench.run("status"), bench.run("metrics")]
    first.terminate()
    for process in (first, second):
        out, err = process.communicate(timeout=GIVE_UP_S)
        shown.append(subprocess.CompletedProcess((), process.returncode, out, err))
    for done in shown:
        for line in (done.stdout + done.stderr).splitlines():
            assert line.isprintable(), line
            assert len(line) < 1000
            assert not line.startswith("  forged")
    assert "Traceback" not in shown[-1].stderr


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("command", [["placement"], ["explain", "{name}"]])
def test_what_the_environment_or_a_user_calls_a_job_does_nothing_to_a_screen(
    monkeypatch, tmp_path, name, command
):
    monkeypatch.chdir(tmp_path)
    sizes = json.dumps({name: 1})
    environ = {"NVINX_JOB": name, "NVINX_MAX_MEMORY": sizes, "NVINX_STATE_DIR": str(tmp_path)}
    done = CliRunner().invoke(main, [word.format(name=name) for word in command], env=environ)
    assert all(line.isprintable() and len(line) < 1000 for line in done.output.splitlines())
    assert done.output.strip()


@given(st.text(max_size=300))
def test_plain_text_is_one_short_line(text):
    assert plain(text).isprintable()
    assert len(plain(text)) <= 120
    assert plain(plain(text)) == plain(text)


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300), st.floats())
def test_any_row_is_a_lease_that_holds_something(row_id, job, where, since):
    lease = rows.lease(row_id, job, where, since, b"[]")
    assert lease.problem is not None
    assert lease.holds("gpu-0") or lease.placement.cards
    assert lease.placement.vram_mib >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(JSON, JSON, JSON)
def test_any_json_is_a_lease_that_holds_something(job, where, more):
    texts = [
        json.dumps(x).encode() for x in ({"id": "a", "claim": job}, {"card": where, "more": more})
    ]
    lease = rows.lease(b"a", *texts, 1.0, b"[]")
    assert lease.placement.card is None or lease.placement.cards
    assert lease.placement.alone


VARIABLES = ("NVINX_PLACEMENT", "NVINX_VRAM_MB", "NVINX_MAX_MEMORY", "NVINX_CARD_MB")


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=20) | JSON.map(json.dumps)))
def test_an_environment_is_a_placement_or_a_clear_error(environ):
    with suppress(OptionError):
        assert placement.current({"NVINX_JOB": "a", **environ}).managed


BEGUN = {
    **{"s": 0, "event": "run", "schema": 1, "date": "2024-01-01T00:00:00", "engine": "e"},
    **{"command": [], "cores": 1, "ram_mib": 1, "bench": None, "calibrated": False, "cards": []},
}
EVENTS = st.sampled_from(["submitted", "waits", "started", "ended", "cards", "sample", "over"])
FIELDS = st.sampled_from(
    [
        "id",
        "name",
        "claim",
        "after",
        "reason",
        "placement",
        "beside",
        "slowdown",
        "peak_mib",
        "cards",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(EVENTS, st.dictionaries(FIELDS, JSON)) | st.text(max_size=20)))
def test_garbage_in_a_trace_loses_its_line_alone(tmp_path, lines):
    events = [
        x if isinstance(x, str) else json.dumps({"s": 1, "event": x[0], **x[1]}) for x in lines
    ]
    text = [json.dumps(BEGUN), *events, json.dumps({"s": 9, "event": "over"})]
    file = tmp_path / "trace.jsonl"
    file.write_text("\n".join(text), encoding="utf-8", errors="surrogatepass")
    assert read.read(file).over_s == 9


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 200_000, "nonsense", '{"s": 1e400}'])
def test_a_file_that_is_no_trace_is_a_clear_error(tmp_path, text):
    (tmp_path / "t").write_text(text)
    with pytest.raises(RecordError):
        read.read(tmp_path / "t")


def nvinx_in(bench, folder, *words, **environ):
    return subprocess.run(
        [*NVINX, *words],
        cwd=folder,
        env={**bench.environment(), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"NVINX_PLACEMENT": "garbage"},
        {"NVINX_VRAM_MB": "abc"},
        {"NVINX_MAX_MEMORY": "[1,2]"},
        {"NVINX_MAX_MEMORY": "[" * 90_000},
    ],
)
def test_a_variable_that_nvinx_never_wrote_is_a_clear_error(bench, environ):
    done = nvinx_in(bench, bench.folder, "placement", NVINX_JOB="a", **environ)
    assert done.returncode == 2
    assert "nvinx did not write this value. Fix: unset NVINX_JOB" in done.stderr


@pytest.mark.parametrize("words", [("status",), ("run", "true"), ("jobs",), ("bench",)])
def test_a_working_folder_that_was_deleted_is_a_clear_error(bench, words):
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -c '{NVINX[2]}' {' '.join(words)}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=bench.folder,
        env=bench.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "nvinx: the working folder: cannot be used" in done.stderr
    assert "nvinx" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_bench_that_never_ends_is_a_clear_error(bench):
    done = bench.run("status", "--bench", "/dev/zero")
    assert done.returncode == 2
    assert "is larger than 10 MB" in done.stderr


def test_a_bench_of_twenty_thousand_models_is_read(bench):
    models = "".join(
        f"  - {{name: m{n}, vram_gb: 0.9, residency: gpu_shared}}\n" for n in range(20_000)
    )
    bench.write("nvinx.yaml", f"hardware: {{vram_gb: 4, simulated: true}}\nmodels:\n{models}")
    assert bench.run("status").returncode == 0

"""Whatever stands in the ledger, nobody stumbles over it, and what lives keeps its card."""

from __future__ import annotations

import json
import sqlite3

import pytest
from bench_folder import entries
from waiting import GIVE_UP_S, eventually

from nvinx.host.clock import boot_id

DEEP = "[" * 200_000
RUINS = {
    "less than nothing": ("placement", lambda t: t.replace('"vram_mib":', '"vram_mib":-')),
    "not a number": ("placement", lambda t: t.replace('"vram_mib":', '"vram_mib":NaN,"x":')),
    "more than there is": (
        "placement",
        lambda t: t.replace('"vram_mib":', f'"vram_mib":{"9" * 99}'),
    ),
    "on no card": ("placement", lambda t: json.dumps({**json.loads(t), "card": None})),
    "on one card twice": (
        "placement",
        lambda t: json.dumps({**json.loads(t), "more": [json.loads(t)["card"]], "more_mib": [1]}),
    ),
    "so much of one card, and of another nobody knows": (
        "placement",
        lambda t: json.dumps({**json.loads(t), "more": ["gpu-x"]}),
    ),
    "no cards at all": (
        "job",
        lambda t: t.replace('"cards":{"least":1', '"cards":{"least":0'),
    ),
    "text for a number": ("placement", lambda t: t.replace('"vram_mib":', '"vram_mib":"x","y":')),
    "nothing": ("placement", lambda _: ""),
    "bytes": ("placement", lambda _: b"\xff\xfe"),
    "another job": ("job", lambda t: json.dumps({**json.loads(t), "id": "another"})),
    "nesting": ("job", lambda _: DEEP),
    "nesting inside": ("job", lambda _: '{"x":' + DEEP + "]" * 200_000 + "}"),
    "a job without a name": ("job", lambda t: t.replace('"name"', '"nom"')),
    "a claim of less than nothing": ("job", lambda t: t.replace('"vram_mib":', '"vram_mib":-')),
    "a NUL in the model": ("job", lambda t: t.replace('"model":null', '"model":"a\\u0000b"')),
    "two megabytes": ("job", lambda t: t.replace('"name":"', '"name":"' + "x" * 2_000_000)),
    "an infinite time": ("since", lambda _: float("inf")),
    "strange processes": ("seen", lambda _: "[[-1, -1]]"),
}


def ruin(bench, column, how, table="lease"):
    with sqlite3.connect(bench.state / "ledger.db") as db:
        (text,) = db.execute(f"SELECT {column} FROM {table}").fetchone()
        worse = how(text)
        worse = worse if isinstance(worse, (str, float)) else sqlite3.Binary(worse)
        cast = "CAST(? AS TEXT)" if column != "since" else "?"
        db.execute(f"UPDATE {table} SET {column} = {cast}", (worse,))
    db.close()


@pytest.mark.parametrize(("column", "how"), RUINS.values(), ids=RUINS)
def test_a_lease_that_makes_no_sense_keeps_its_card_while_its_command_lives(bench, column, how):
    first = bench.start("run", "--vram", "3900MB", "--", "sleep", "3600")
    assert eventually(lambda: entries(bench.state)[0])
    ruin(bench, column, how)

    second = bench.start("run", "--vram", "900MB", "--", "echo", "mine")
    assert eventually(lambda: second.poll() is not None or bench.waits())
    assert second.poll() is None, second.communicate()
    status = bench.run("status")
    assert (status.returncode, status.stderr) == (0, ""), status
    assert "cannot be read, so it holds the card" in status.stdout
    assert bench.run("status", "--json").returncode == 0
    assert bench.run("metrics").returncode == 0

    first.terminate()
    out, err = second.communicate(timeout=GIVE_UP_S)
    assert (second.returncode, out) == (0, "mine\n"), err
    assert "Traceback" not in err
    assert entries(bench.state) == ((), ())


@pytest.mark.parametrize("row_id", ["../../x", "a\0b", b"\xff\xfe", "x" * 5000, "bin"])
def test_a_lease_with_an_impossible_id_is_gone_with_the_next_look(bench, row_id):
    assert bench.run("run", "true").returncode == 0
    with sqlite3.connect(bench.state / "ledger.db") as db:
        raw = row_id if isinstance(row_id, bytes) else row_id.encode()
        values = (sqlite3.Binary(raw), boot_id())
        db.execute("INSERT INTO lease VALUES (CAST(? AS TEXT), ?, 1.0, '{}', '{}', '')", values)
    db.close()
    done = bench.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    if row_id != "bin":  # which is what the command line of many a process has in it
        done = bench.run("run", "--give-up", "60", "echo", "mine")
        assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr
        assert entries(bench.state)[0] == ()


def test_a_request_that_makes_no_sense_stops_nobody_and_is_written_anew(bench):
    first = bench.start("run", "--", "sleep", "3600")
    assert eventually(bench.held)
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(bench.waits)
    ruin(bench, "job", lambda _: DEEP, table="request")
    status = bench.run("status")
    assert (status.returncode, status.stderr) == (0, "")
    assert eventually(lambda: bench.waits() == {"second"}), "its engine lives"
    first.terminate()
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"

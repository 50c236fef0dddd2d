"""What the ledger and /proc say, looked at by itself: of nvinx, only the reader of /proc."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from job import truth
from scene import MARK

from nvinx.host import proc

if TYPE_CHECKING:
    import threading

    from scene import Soak, Watched

FREE_WITHIN_S = 2.0
LOOK_S = 0.1


def marked() -> set[str]:
    """The tokens that living processes carry."""
    found = set()
    for pid in proc.pids():
        for pair in proc.environment(pid).split(b"\0"):
            name, _, token = pair.partition(b"=")
            if name == MARK.encode():
                found.add(token.decode())
    return found


def rows(soak: Soak, table: str) -> list[tuple[str, int]]:
    """Ids and VRAM (MiB, 0 for a request) as they stand in the ledger."""
    vram = "json_extract(placement, '$.vram_mib')" if table == "lease" else "0"
    if not (soak.state / "ledger.db").exists():
        return []
    with contextlib.closing(sqlite3.connect(soak.state / "ledger.db", timeout=20)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return db.execute(f"SELECT id, {vram} FROM {table}").fetchall()


def look(soak: Soak) -> None:
    """One look of the watcher; the processes are read after the ledger."""
    leases = dict(rows(soak, "lease"))
    alive, now = marked(), time.monotonic()
    if sum(leases.values()) * 1024**2 > 4_000_000_000:
        soak.fault(f"the ledger gives away more than there is: {leases}")
    check_leases(soak, leases)
    with soak.lock:
        watched = dict(soak.watched)
    for token, one in watched.items():
        if token in alive:
            one.dead_since = None
        elif one.dead_since is None:
            one.dead_since = now
        if token not in alive and token not in leases:
            settle(soak, token, one, now)
        elif one.dead_since is not None and now - one.dead_since > FREE_WITHIN_S:
            if not is_free_when_asked(soak, token):
                late = now - one.dead_since
                soak.fault(f"{token} ({one.kind} killed) still has its lease after {late:.1f} s")
            with soak.lock:
                soak.watched.pop(token, None)


def is_free_when_asked(soak: Soak, token: str) -> bool:
    """Whether the lease goes as soon as anybody asks: where nobody does, its row may stay."""
    ask = [sys.executable, "-c", "from nvinx.cli import main; main()", "run", "--quiet"]
    ask += ["--vram", "1MB", "--give-up", "0.1", "--", "true"]
    environ = {**os.environ, "NVINX_STATE_DIR": str(soak.state)}
    subprocess.run(ask, cwd=soak.base / "commands", env=environ, check=False, capture_output=True)
    soak.asked += 1
    return token not in dict(rows(soak, "lease"))


def check_leases(soak: Soak, leases: dict[str, int]) -> None:
    """Whoever is on the card has a lease."""
    with truth(soak.truth) as state:
        on = {one["token"] for one in state["on"]}
    for token in on - leases.keys() - {""}:
        if token in dict(rows(soak, "lease")) or token not in marked():
            continue  # it came, or went, between two looks
        soak.fault(f"{token} is on the card without a lease")


def settle(soak: Soak, token: str, one: Watched, now: float) -> None:
    took = now - (now if one.dead_since is None else one.dead_since)
    soak.frees_s.setdefault(one.kind, []).append(took)
    with soak.lock:
        soak.watched.pop(token, None)


def watcher(soak: Soak, over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        try:
            look(soak)
        except (OSError, sqlite3.Error) as error:
            soak.fault(f"the watcher could not look: {error}")

"""What a power loss leaves of the ledger is read, or refused in one sentence; nothing hangs."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
from typing import TYPE_CHECKING

import pytest
from builders import lease, shared_job

from nvinx.errors import StateDirError
from nvinx.leases.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A folder whose ledger is written to all the time."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    ledger, done = SqliteLedger(folder / "ledger.db"), threading.Event()

    def write() -> None:
        n = 0
        while not done.is_set():
            with ledger.transaction() as entries:
                entries.hold(lease(shared_job(f"j{n}")))
                if n > 20:
                    entries.drop(f"j{n - 20}")
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    yield folder
    done.set()
    writer.join()
    ledger.close()


def copy(source: Path, target: Path, draw: random.Random) -> None:
    """The files as they are on the disk now, some of them cut short, or with their last part lost."""
    target.mkdir(mode=0o700)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
            if draw.random() < 0.5:
                size = (target / name).stat().st_size
                with (target / name).open("r+b") as file:
                    file.truncate(draw.randrange(size + 1))


def test_a_half_written_ledger_is_used_or_refused_in_a_sentence(busy: Path, tmp_path: Path) -> None:
    draw = random.Random(20)
    used, refusals = 0, []
    for n in range(60):
        copy(busy, tmp_path / f"copy{n}", draw)
        try:
            ledger = SqliteLedger(tmp_path / f"copy{n}" / "ledger.db")
        except StateDirError as error:
            refusals.append(str(error))
            continue
        with contextlib.closing(ledger):
            try:
                with ledger.transaction() as entries:
                    entries.leases()
                    entries.drop("nobody")
                used += 1
            except StateDirError as error:
                refusals.append(str(error))
    assert used > 10
    assert all("Fix: move ledger.db away" in refusal for refusal in refusals), refusals


def test_after_a_reboot_no_lease_of_before_is_left(tmp_path: Path, monkeypatch) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as entries:
        entries.hold(lease(shared_job("before")))
    ledger.close()
    monkeypatch.setattr("nvinx.leases.ledger.boot_id", lambda: "another boot")
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.transaction() as entries:
        assert entries.leases() == ()
        entries.hold(lease(shared_job("before")))
    ledger.close()


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    """Leases know only the time since boot, which nobody can set."""
    import nvinx
    from nvinx.leases import lease  # noqa: F401  (imported before the clock jumps)

    (tmp_path / "nvinx.yaml").write_text("hardware: {vram_gb: 4, simulated: true}\n")
    for name in ("NVINX_JOB", "NVINX_BENCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with nvinx.lease(vram_mb=900, name="a", state_dir=tmp_path / "state") as first:
        monkeypatch.setattr("time.time", lambda: 0.0)
        os.environ.pop("NVINX_JOB")  # as in a program of its own; monkeypatch would put it back
        with nvinx.lease(vram_mb=900, name="b", state_dir=tmp_path / "state") as second:
            assert (first.vram_mb, second.vram_mb) == (900, 900)

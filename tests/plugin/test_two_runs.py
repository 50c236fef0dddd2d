"""Two runs at once on one card never hold more than it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from conftest import Workspace

CARD_MB = 4000


def _holders(lines: Sequence[str]) -> Iterator[dict[str, int]]:
    """Who holds how many MB, after each line of the log."""
    now: dict[str, int] = {}
    for line in lines:
        what, name, vram_mb, _ = line.split()
        if what == "start":
            now[name] = int(vram_mb)
        else:
            del now[name]
        yield dict(now)


@pytest.mark.usefixtures("executor")
def test_two_runs_at_once_share_a_card_within_its_memory(
    make_workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    log = tmp_path / "card.log"
    log.touch()
    runs = [make_workspace("shared_card", "nvinx", name) for name in ("one", "two")]
    for run in runs:
        run.write("config.yaml", f"name: {run.root.name}\nlog: {log}\n")
    processes = [run.start() for run in runs]
    texts = [run.wait(process) for run, process in zip(runs, processes, strict=True)]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(texts)

    moments = list(_holders(log.read_text().splitlines()))
    assert len(moments) == 16
    assert moments[-1] == {}
    for holders in moments:
        assert sum(holders.values()) <= CARD_MB, f"too much at once: {holders}"
    assert max(map(len, moments)) > 1, "jobs that fit together never shared the card"

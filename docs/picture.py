"""The picture of the README: the demo's jobs with nvinx, and with one GPU job at a time.

Both halves are played from one recorded run, docs/measured/demo-trace, by `make docs`. To draw
another run: `python docs/picture.py TRACE PICTURE`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.admission.estimates import Estimates
from nvinx.bench.resolve import Bench
from nvinx.cli.simulation_output import rows
from nvinx.formatting import duration
from nvinx.runs import lanes_picture, read, replay
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.simulate import simulate

if TYPE_CHECKING:
    from nvinx.runs.read import Ran, RecordedRun

_MEASURED = Path(__file__).parent / "measured"
_TITLES = {"nvinx": "With nvinx", "serial": "One GPU job at a time, as with gpu=1"}


def main(trace: Path, picture: Path) -> None:
    """Draw the run that a trace recorded, under both policies."""
    run = read.read(trace)
    lanes_picture.draw_several(dict(_played(run, policy) for policy in _TITLES), picture)


def _played(run: RecordedRun, policy: str) -> tuple[str, list[Ran]]:
    played = simulate(
        replay.workload_of(run), replay.capacity_of(run), POLICIES[policy](Estimates())
    )
    bench = Bench(cards=run.cards, cores=0, ram_mib=0, models={}, origins={})
    return f"{_TITLES[policy]}: {duration(played.makespan_s)}", rows(played, bench)


if __name__ == "__main__":
    asked = [Path(word) for word in sys.argv[1:]]
    main(*(asked or [_MEASURED / "demo-trace", _MEASURED / "demo.svg"]))

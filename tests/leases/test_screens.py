"""What `nvinx top` looks like in a terminal of 80 columns, as kept in screens/."""

from io import StringIO
from pathlib import Path

import pytest
from builders import card, exclusive_claim, job, lease, shared_claim, simulated_card
from rich.console import Console

from nvinx.bench.resolve import Bench
from nvinx.catalog import Residency
from nvinx.cli.top import Load, screen
from nvinx.gpu.ports import GpuInventory
from nvinx.leases.ports import QueuedRequest
from nvinx.leases.snapshot import Snapshot
from nvinx.reasons import Reason, Why

KEPT = Path(__file__).parent / "screens"
LOAD = Load("12:34:56", 0.45, 0.62, 11.9)
REAL = card(name="RTX A1000", total_mib=3814, foreign_mib=620)
OTHER = card(1, name="RTX 4090", total_mib=22888)
SIMULATED = simulated_card(total_mib=3814)
SMALL = shared_claim(859)
WHOLE = exclusive_claim()


def held(name, on, residency, vram_mib, since, engine):
    claim = SMALL if residency is Residency.GPU_SHARED else WHOLE
    placement = {"residency": residency, "card": on.id, "vram_mib": vram_mib}
    return lease(job(name, claim, engine=engine), since, **placement)


def waits(name, since, reason=None):
    return QueuedRequest(job(name, SMALL, engine="snakemake-7"), since, reason)


def view(cards, leases=(), requests=(), **bench):
    made = Bench(cards=tuple(cards), cores=8, ram_mib=32000, models={}, origins={}, **bench)
    return Snapshot(made, tuple(leases), tuple(requests), len(requests), GpuInventory(()), 1000.0)


VIEWS = {
    "one_job": view([SIMULATED], [held("align", SIMULATED, Residency.GPU_EXCLUSIVE, 0, 875, "a")]),
    "busy": view(
        [REAL, OTHER],
        [
            held("embed[a]", REAL, Residency.GPU_SHARED, 859, 940, "snakemake-7"),
            held("a_rule_with_a_name_longer_than_fits[sample=1]", REAL, Residency.GPU_SHARED, 859, 999, "nextflow-2"),
            held("fold", OTHER, Residency.GPU_RAM_OVERFLOW, 22888, -6200, "run-1"),
        ],
        [
            waits("embed[4]", 990, Reason("embed[4]", Why.NOT_ENOUGH_VRAM, 859, 477)),
            waits("embed[5]", 400, Reason("embed[5]", Why.NO_GAIN_FROM_SHARING, behind=("embed[a]",), factor=0.91, limit=1.0)),
            waits("whole", 10, Reason("whole", Why.WANTS_CARD_ALONE, behind=("embed[a]", "fold"))),
            waits("new", 1000),
            *(waits(f"more[{n}]", 1000 - n, Reason("m", Why.BEHIND_OLDER_JOB, behind=("whole",))) for n in range(12)),
        ],
    ),
    "no_card": view([], problem="NVML is not installed"),
}  # fmt: skip


def shown(of, columns=80):
    console = Console(file=StringIO(), width=columns, highlight=False, emoji=False)
    console.print(screen(of, LOAD))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", VIEWS)
def test_it_looks_as_kept(name):
    assert shown(VIEWS[name]) == (KEPT / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 100, 200])
@pytest.mark.parametrize("name", VIEWS)
def test_no_line_is_wider_than_the_terminal(name, columns):
    assert max(map(len, shown(VIEWS[name], columns).splitlines())) <= columns

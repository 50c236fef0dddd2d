"""How close gangs among shared jobs come to the lower bound, and how long they wait.

python benchmarks/policy/gangs.py FOLDER [--seeds 16] [--first-seed 0] [--wrong]

Two to four cards of 4 GB, 8 cores for each. Two jobs that need two to all of the cards at once, one
whole and one a part of each, among small ones that keep coming. Truth and belief are those of
`run.py`; nvinx looks ahead, as Snakemake runs do, while no gang waits or runs. wrong: the policy is
told run times of 0.3 to 3 times the true ones.
"""

import argparse
import random
import statistics
import sys
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "interference"))

from lessons import lesson, measured
from tables import Table, read

from nvinx.admission.estimates import NONE, Estimates
from nvinx.bench.capacity import Capacity, Card
from nvinx.simulation.baselines import POLICIES, as_in_a_run
from nvinx.simulation.generate import gangs
from nvinx.simulation.lower_bound import lower_bound_s
from nvinx.simulation.simulate import simulate
from nvinx.simulation.workload import Workload

MODELS = 6
SIZES_MB = (500, 700, 900, 1200, 1600, 2200)
SMALL_PER_CARD = 20
CORES_PER_CARD = 8


def bench(cards: int) -> Capacity:
    there = (Card(id=f"g{n}", index=n, name="card", total_mib=4096) for n in range(cards))
    return Capacity(tuple(there), CORES_PER_CARD * cards, 32_000 * cards)


def told_wrongly(workload: Workload, draw: random.Random) -> Workload:
    return Workload.of(
        replace(task, runtime_s=task.duration_s * draw.choice((0.3, 0.5, 1.0, 2.0, 3.0)))
        for task in workload.tasks.values()
    )


def cell(
    table: Table, cards: int, seed: int, *, wrong: bool
) -> tuple[dict[str, float], list[float]]:
    """Makespan over lower bound by policy, and the wait of each gang by its length."""
    draw = random.Random(f"{table.name} gangs {cards} {seed}")
    names = draw.sample(measured(table), MODELS)
    truth, believed = lesson(table, names, 1.0)
    models = [(name, draw.choice(SIZES_MB)) for name in names]
    workload = gangs(models, draw, cards, SMALL_PER_CARD * cards)
    workload = told_wrongly(workload, draw) if wrong else workload
    true, capacity = Estimates(truth, caution=NONE), bench(cards)
    least_s = lower_bound_s(workload, capacity, true)
    played = {}
    for name in POLICIES:
        policy, planner = as_in_a_run(name, workload, Estimates(believed))
        played[name] = simulate(workload, capacity, policy, true, planner=planner)
    waits = [
        (task.start_s - task.ready_s) / (task.end_s - task.start_s)
        for task in played["nvinx"].tasks
        if task.name.startswith("gang")
    ]
    return {name: one.makespan_s / least_s for name, one in played.items()}, waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of co-run tables")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--wrong", action="store_true", help="tell the policy wrong run times")
    options = parser.parse_args()
    tables = [read(path) for path in sorted(options.folder.glob("*.json"))]
    if not tables:
        sys.exit(f"{options.folder} holds no co-run table (*.json)")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"Makespan over lower bound, mean of {options.seeds} seeds; wait of gangs / their length")
    print(f"{'cell':36} {'nvinx':>7} {'serial':>7} {'vram':>7} {'mean':>7} {'longest':>8}")
    all_ratios, all_waits = [], []
    for table in tables:
        for cards in (2, 3, 4):
            each = [cell(table, cards, seed, wrong=options.wrong) for seed in seeds]
            means = (statistics.fmean(ratio[name] for ratio, _ in each) for name in POLICIES)
            waits = [wait for _, some in each for wait in some]
            row = " ".join(f"{mean:7.3f}" for mean in means)
            label = f"{table.name}, {cards} cards"
            print(f"{label:36} {row} {statistics.fmean(waits):7.2f} {max(waits):8.2f}", flush=True)
            all_ratios += [ratio["nvinx"] for ratio, _ in each]
            all_waits += waits
    worst = statistics.quantiles(all_waits, n=100)[-1] if len(all_waits) > 1 else all_waits[0]
    print(
        f"mean {statistics.fmean(all_ratios):.3f}, worst {max(all_ratios):.2f}; "
        f"gangs wait {statistics.fmean(all_waits):.2f} of their length, 99th percentile "
        f"{worst:.2f}, "
        f"longest {max(all_waits):.2f}"
    )


if __name__ == "__main__":
    main()

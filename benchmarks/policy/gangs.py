"""How close gangs among shared jobs come to the lower bound, and how long they wait.

python benchmarks/policy/gangs.py FOLDER [--seeds 16] [--first-seed 0] [--wrong]

Two to four cards of 4 GB, 8 cores for each. Two jobs that need two to all of the cards at once, one
whole and one a part of each, among small ones that keep coming. Truth and belief are those of
`run.py`; nvinx looks ahead, as Snakemake runs do. A gang's own wait is without the time in which
the other gang runs. wrong: the policy is told run times of 0.3 to 3 times the true ones.
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
from nvinx.simulation.simulate import Played, simulate
from nvinx.simulation.workload import Workload

MODELS = 6
SIZES_MB = (500, 700, 900, 1200, 1600, 2200)
SMALL_PER_CARD = 20
CORES_PER_CARD = 8
LONG = 1.5  # of its own length


def bench(cards: int) -> Capacity:
    there = (Card(id=f"g{n}", index=n, name="card", total_mib=4096) for n in range(cards))
    return Capacity(tuple(there), CORES_PER_CARD * cards, 32_000 * cards)


def told_wrongly(workload: Workload, draw: random.Random) -> Workload:
    return Workload.of(
        replace(task, runtime_s=task.duration_s * draw.choice((0.3, 0.5, 1.0, 2.0, 3.0)))
        for task in workload.tasks.values()
    )


def waits(gang: Played, other: Played) -> tuple[float, float]:
    """By its length: how long it waited, and how long of that the other did not run."""
    waited_s, length_s = gang.start_s - gang.ready_s, gang.end_s - gang.start_s
    both_s = min(other.end_s, gang.start_s) - max(other.start_s, gang.ready_s)
    return waited_s / length_s, (waited_s - max(both_s, 0.0)) / length_s


def cell(
    table: Table, cards: int, seed: int, *, wrong: bool
) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """Makespan over lower bound by policy, and the `waits` of each gang."""
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
    one, other = (task for task in played["nvinx"].tasks if task.name.startswith("gang"))
    ratios = {name: simulation.makespan_s / least_s for name, simulation in played.items()}
    return ratios, [waits(one, other), waits(other, one)]


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
    heads = ("nvinx", "serial", "vram", "mean", "longest", "own")
    print(f"{'cell':36} {' '.join(f'{head:>7}' for head in heads)}")
    all_ratios, all_waits, all_own = [], [], []
    for table in tables:
        for cards in (2, 3, 4):
            each = [cell(table, cards, seed, wrong=options.wrong) for seed in seeds]
            means = (statistics.fmean(ratio[name] for ratio, _ in each) for name in POLICIES)
            waited, own = zip(*(both for _, some in each for both in some), strict=True)
            row = " ".join(f"{mean:7.3f}" for mean in means)
            label = f"{table.name}, {cards} cards"
            told = " ".join(f"{x:7.2f}" for x in (statistics.fmean(waited), max(waited), max(own)))
            print(f"{label:36} {row} {told}", flush=True)
            all_ratios += [ratio["nvinx"] for ratio, _ in each]
            all_waits += waited
            all_own += own
    print(f"mean {statistics.fmean(all_ratios):.3f}, worst {max(all_ratios):.2f}")
    for title, some in (("wait", all_waits), ("wait while the other gang does not run", all_own)):
        percentile = statistics.quantiles(some, n=100, method="inclusive")[-1]
        above = statistics.fmean(one > LONG for one in some)
        print(
            f"gangs {title}: {statistics.fmean(some):.2f} of their length, 99th percentile "
            f"{percentile:.2f}, longest {max(some):.2f}, {above:.1%} above {LONG}"
        )


if __name__ == "__main__":
    main()

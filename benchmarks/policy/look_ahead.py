"""What looking ahead brings: makespans over the shortest schedule that a long search finds.

python benchmarks/policy/look_ahead.py FOLDER [--seeds 4] [--first 2000] [--times wrong]

FOLDER holds co-run tables. A cell is a kind of workload on a table as measured and on that table
with 2.5 times the excess slowdown; some kinds also run on two unequal cards. The truth is the whole
table; the policy believes a model fitted to 2N co-runs. Needs g++ for the search. The policy's
constants were chosen on seeds below 2000.
"""

import argparse
import statistics
from pathlib import Path

from best_found import STEPS, shortest_s
from cells import Cell, cells, with_times
from tables import read

from nvinx.admission.planner.planner import Planner
from nvinx.admission.policy import LongestChainFirst
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.simulate import simulate

SIDES = ("job by job", "ahead", "one at a time", "packed")
WORSE = 1.02


def makespans_s(cell: Cell, seed: int) -> dict[str, float]:
    """One workload under each side, in the order of `SIDES`, and `best`."""
    case = cell.case(seed)

    def played_s(policy, planner=None) -> float:
        played = simulate(case.workload, case.capacity, policy, case.true, planner=planner)
        return played.makespan_s

    estimates = case.estimates
    found = {
        "job by job": played_s(LongestChainFirst(estimates)),
        "ahead": played_s(LongestChainFirst(estimates), Planner(estimates)),
        "one at a time": played_s(POLICIES["serial"](estimates)),
        "packed": played_s(POLICIES["vram-fifo"](estimates)),
    }
    steps = 3 * STEPS if cell.has_cpu_versions else STEPS // 2
    searched_s = shortest_s(case.workload, case.capacity, case.truth, steps)
    return {**found, "best": min(searched_s, *found.values())}


def row(title: str, some: list[dict[str, float]]) -> str:
    """Each side over the best, and how often looking ahead is worse."""
    means = [statistics.fmean(one[side] / one["best"] for one in some) for side in SIDES]
    worse = statistics.fmean(one["ahead"] > WORSE * one["job by job"] for one in some)
    serial = statistics.fmean(one["ahead"] > 1.0001 * one["one at a time"] for one in some)
    shown = " ".join(f"{mean:13.3f}" for mean in means)
    return f"{title:34} {len(some):4} {shown} {worse:9.1%} {serial:10.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of co-run tables")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=2000, help="the first seed")
    parser.add_argument("--times", choices=("exact", "wrong", "unknown"), default="exact")
    parser.add_argument("--only", default="", help="cells whose name holds this")
    options = parser.parse_args()
    tables = [read(path) for path in sorted(options.folder.glob("*.json"))]
    if not tables:
        parser.error(f"{options.folder} holds no co-run table (*.json)")
    chosen = [c for c in with_times(cells(tables), options.times) if options.only in c.label]
    seeds = range(options.first, options.first + options.seeds)
    heads = " ".join(f"{side:>13}" for side in SIDES)
    print(f"{'over the best found':34} {'runs':>4} {heads} {'ahead +2%':>9} {'> serial':>10}")
    found: dict[Cell, list[dict[str, float]]] = {}
    for cell in chosen:
        found[cell] = [makespans_s(cell, seed) for seed in seeds]
        print(row(cell.label, found[cell]), flush=True)
    print()
    for title, belongs in (
        ("all", lambda _: True),
        ("each job has a CPU version", lambda cell: cell.has_cpu_versions),
        ("without CPU versions", lambda cell: not cell.has_cpu_versions),
        ("two unequal cards", lambda cell: cell.cards > 1),
        ("basecalling", lambda cell: cell.kind == "basecalling"),
    ):
        some = [one for cell, runs in found.items() if belongs(cell) for one in runs]
        if some:
            print(row(title, some))


if __name__ == "__main__":
    main()

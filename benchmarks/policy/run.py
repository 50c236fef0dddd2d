"""How close the policy comes to the lower bound, in simulation, beside simpler policies.

python benchmarks/policy/run.py FOLDER [--seeds 16] [--caution C] [--plot PNG]

A cell is a kind of workload on one table of measured co-runs and on that table with its excess
slowdown scaled 2.5 times. In each cell the truth is the whole table; the policy believes a model
that was fitted to 2N co-runs of the six models that the workload uses. One 4 GB card, 8 cores.
"""

import argparse
import statistics
import sys
from pathlib import Path

from cells import Cell
from tables import read

from nvinx.admission.estimates import CAUTION
from nvinx.simulation.baselines import POLICIES
from nvinx.simulation.generate import KINDS
from nvinx.simulation.lower_bound import lower_bound_s
from nvinx.simulation.simulate import simulate

SCALES = (1.0, 2.5)
HARSH = 1.3  # cells where packing by VRAM alone is so far from the bound


def ratios(cell: Cell, seed: int, caution: float) -> tuple[dict[str, float], float]:
    """Makespan over lower bound by policy, and how long an exclusive job waited by its length."""
    case = cell.case(seed, caution)
    least_s = lower_bound_s(case.workload, case.capacity, case.true)
    found, waits = {}, []
    for name, policy in POLICIES.items():
        played = simulate(case.workload, case.capacity, policy(case.estimates), case.true)
        found[name] = played.makespan_s / least_s
        if name == "nvinx":
            waits = [
                (task.start_s - task.ready_s) / (task.end_s - task.start_s)
                for task in played.tasks
                if task.name == "exclusive"
            ]
    return found, max(waits, default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of co-run tables")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument(
        "--caution",
        type=float,
        default=CAUTION["predicted"],
        help="how far towards the upper end of its interval a prediction is believed, 0..1",
    )
    parser.add_argument("--plot", type=Path, help="draw the cells to this picture")
    options = parser.parse_args()
    tables = [read(path) for path in sorted(options.folder.glob("*.json"))]
    if not tables:
        sys.exit(f"{options.folder} holds no co-run table (*.json)")
    cells = {}
    print(f"Makespan over lower bound, mean of {options.seeds} seeds; wait of an exclusive job")
    print(f"{'cell':44} {'nvinx':>7} {'serial':>7} {'vram':>7}   wait / its length")
    for scale in SCALES:
        for table in tables:
            for kind in KINDS:
                drawn = Cell(table, kind, scale)
                each = [ratios(drawn, seed, options.caution) for seed in range(options.seeds)]
                cell = {name: [ratio[name] for ratio, _ in each] for name in POLICIES}
                label = f"{table.name}, {kind}{', harsh' if scale > 1 else ''}"
                cells[label] = cell
                means = [statistics.fmean(cell[name]) for name in POLICIES]
                wait = statistics.fmean(wait for _, wait in each)
                shown = f"{wait:8.2f}" if wait else ""
                row = " ".join(f"{mean:7.3f}" for mean in means)
                print(f"{label:44} {row} {shown}", flush=True)
    summary(cells)
    if options.plot:
        plot(cells, options.plot)


def summary(cells: dict[str, dict[str, list[float]]]) -> None:
    on_cpu_too = [cell for label, cell in cells.items() if "fallback" in label]
    rest = {label: cell for label, cell in cells.items() if "fallback" not in label}
    plain = [cell for label, cell in rest.items() if "harsh" not in label]
    harsh = [
        cell
        for label, cell in rest.items()
        if "harsh" in label and statistics.fmean(cell["vram-fifo"]) >= HARSH
    ]
    print()
    for title, some in (
        ("as measured", plain),
        ("harsh, packing at 1.3 or above", harsh),
        ("where each job has a CPU version", on_cpu_too),
    ):
        for name in POLICIES:
            values = [value for cell in some for value in cell[name]]
            if len(values) > 1:
                p90 = statistics.quantiles(values, n=10)[-1]
                mean = statistics.fmean(values)
                print(f"{title:32} {name:10} mean {mean:.3f}  p90 {p90:.3f}  cells {len(some)}")
    worst = max(
        statistics.fmean(cell["nvinx"]) / statistics.fmean(cell["serial"])
        for cell in cells.values()
    )
    print(f"No cell's mean is above {worst:.3f} of one GPU job at a time.")


def plot(cells: dict[str, dict[str, list[float]]], path: Path) -> None:
    """A dot per cell and policy: how far from the bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.3 * len(cells) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    for name, marker in zip(POLICIES, "os^", strict=True):
        means = [statistics.fmean(cell[name]) for cell in cells.values()]
        axes.plot(means, range(len(cells)), marker, label=name, markersize=6)
    axes.set_yticks(range(len(cells)), list(cells), fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1.0, color="grey", linewidth=1)
    axes.set_xlabel("makespan over lower bound")
    axes.legend()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()

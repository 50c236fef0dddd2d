"""How soon runs teach what a calibration tells: makespan over the calibrated one, run after run.

python benchmarks/learning/run.py [FOLDER] [--seeds 16] [--first 0] [--runs 8] [--only TEXT]
    [--json FILE] [--against FILE]

Six models of a co-run table, one 4 GB card, 8 cores. Each seed draws models, times and VRAM, and
plays the same workload run after run, through a history on disk as real runs do. The calibrated
policy knows 2N co-runs and looks ahead, as the learning one does; one GPU job at a time and packing
by VRAM stand beside it. FOLDER holds measured tables; a made-up one is always there. `--against` an
earlier `--json` shows what became worse.
"""

import argparse
import json
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "interference"))

from cells import CELLS, Cell, played, summary
from made_up import made_up
from tables import Table, read

WORSE = 1.01
LABEL = 46  # characters
Found = dict[str, dict[str, list[float]]]


def tables(folder: Path | None) -> list[Table]:
    paths = sorted(folder.glob("*.json")) if folder else []
    if not paths:
        print(f"{folder or 'No FOLDER'}: no measured table there, so only a made-up one is played.")
    return [*map(read, paths), made_up()]


def found_of(table: Table, cell: Cell, seeds: range, runs: int, workers: ProcessPoolExecutor):
    jobs = [workers.submit(played, table, cell, seed, runs) for seed in seeds]
    return summary([job.result() for job in jobs])


def row(label: str, cell: dict[str, list[float]], before: dict[str, list[float]] | None) -> str:
    """Its runs, the other policies, and the worst run beside that of another time."""
    runs = " ".join(f"{ratio:5.2f}" for ratio in cell["learned"])
    others = " ".join(f"{statistics.fmean(cell[name]):6.2f}" for name in ("serial", "packed"))
    line = f"{label:{LABEL}} {runs}   {others}"
    if before is None:
        return line
    worst = max(now / then for now, then in zip(cell["learned"], before["learned"], strict=False))
    return f"{line}   {worst:5.2f}{' !' if worst > WORSE else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of measured co-run tables")
    parser.add_argument("--seeds", type=int, default=16, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--only", default="", help="cells with this text in their label")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, help="write the means to this file")
    parser.add_argument("--against", type=Path, help="means of another time")
    options = parser.parse_args()
    before: Found = json.loads(options.against.read_text()) if options.against else {}
    found: Found = {}
    seeds = range(options.first, options.first + options.seeds)
    head = " ".join(f"{number:5}" for number in range(1, options.runs + 1))
    print(f"Makespan over the calibrated one, mean of {len(seeds)} seeds, by run.\n")
    print(f"{'':{LABEL}} {head}   serial packed{'   worst beside before' * bool(before)}")
    with ProcessPoolExecutor(options.workers) as workers:
        for table in tables(options.folder):
            for cell in CELLS:
                label = f"{table.name} {cell.label}"
                if options.only in label:
                    found[label] = found_of(table, cell, seeds, options.runs, workers)
                    print(row(label, found[label], before.get(label)), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""What each caution costs in work done by pairs that nobody measured.

python benchmarks/interference/caution.py [FOLDER] [--draws 100]

Seven models of a table are known by 2N co-runs. Of every other pair it is decided, as admission
decides, whether the two share a card: where more gets done together than alone, if slowdowns are
believed so far towards the upper end of their interval. Lost is what the pair gets done that way
against what it could have got done. A cell is a table with its excess slowdown scaled.
"""

import argparse
import random
import statistics
from pathlib import Path

from lessons import scaled
from made_up import made_up
from protocols import two_per_model_of_seven
from tables import Table, read

from nvinx.admission.estimates import WORTHWHILE
from nvinx.calibration import fit_slowdown_model
from nvinx.interference import CoRun, SlowdownModel

CAUTIONS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
SCALES = (1.0, 1.75, 2.5)


def believed(model: SlowdownModel, of: str, beside: str, caution: float) -> float:
    said = model.predict(of, [beside])
    return max(said.slowdown * (said.high / said.slowdown) ** caution, 1.0)


def lost(model: SlowdownModel, run: CoRun, caution: float) -> float:
    """The share of the pair's possible work that the decision loses."""
    expected = 1 / believed(model, run.a, run.b, caution) + 1 / believed(
        model, run.b, run.a, caution
    )
    together = 1 / run.slowdown_a + 1 / run.slowdown_b
    done = together if expected > WORTHWHILE else 1.0
    return 1.0 - done / max(together, 1.0)


def cell(table: Table, scale: float, draws: int) -> dict[float, float]:
    """Mean loss by caution, over the pairs that were left out."""
    losses: dict[float, list[float]] = {caution: [] for caution in CAUTIONS}
    for seed in range(draws):
        for known, left in two_per_model_of_seven(table, random.Random(seed)):
            model = fit_slowdown_model(scaled(run, scale) for run in known)
            for run in (scaled(run, scale) for run in left):
                for caution, values in losses.items():
                    values.append(lost(model, run, caution))
    return {caution: statistics.fmean(values) for caution, values in losses.items()}


def row(label: str, losses: dict[float, float]) -> str:
    return f"{label:28} " + " ".join(f"{100 * loss:8.2f}" for loss in losses.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of co-run tables")
    parser.add_argument("--draws", type=int, default=100)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.json")) if options.folder else []
    if not paths:
        print(f"{options.folder or 'No FOLDER'}: no measured table there, so a made-up one alone.")
    print(f"Work that pairs lose, in %, by caution; mean of {options.draws} draws.\n")
    print(f"{'':28} " + " ".join(f"{caution:8g}" for caution in CAUTIONS))
    cells = []
    for table in [*map(read, paths), made_up()]:
        for scale in SCALES:
            cells.append(cell(table, scale, options.draws))
            print(row(f"{table.name} x{scale:g}", cells[-1]), flush=True)
    means = {c: statistics.fmean(each[c] for each in cells) for c in CAUTIONS}
    print(row("mean", means))


if __name__ == "__main__":
    main()

"""How wrong slowdown predictions are on published co-run tables, beside simpler models.

python benchmarks/interference/run.py FOLDER [--draws 50] [--whole] [--residual]
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

from protocols import PROTOCOLS, Fold
from residual import residual_gain
from tables import Table, read

from nvinx.calibration import cross_validate, fit_slowdown_model
from nvinx.calibration.baselines import BASELINES

NVINX = "S x P (nvinx)"


def errors_of(table: Table, fold: Fold) -> tuple[dict[str, list[float]], list[bool]]:
    """Relative errors by model on what was left out, and which intervals held."""
    known, left = fold
    names = {name for run in known for name in (run.a, run.b)}
    busy = {name: share for name, share in table.utilisation.items() if name in names}
    model = fit_slowdown_model(known, utilisation=busy)
    predictors = {
        name: fit([d for run in known for d in run.directed], table.solo_ms)
        for name, fit in BASELINES.items()
    }
    errors: dict[str, list[float]] = {name: [] for name in (*BASELINES, NVINX)}
    held = []
    for of, beside, slowdown in (d for run in left for d in run.directed):
        for name, predict in predictors.items():
            errors[name].append(abs(predict(of, beside) / slowdown - 1))
        said = model.predict(of, [beside])
        errors[NVINX].append(abs(said.slowdown / slowdown - 1))
        held.append(said.low <= slowdown <= said.high)
    return errors, held


def protocol_row(table: Table, protocol, draws: int) -> str:
    """The mean over draws of each draw's mean error, and the share of intervals that held."""
    means: dict[str, list[float]] = {name: [] for name in (*BASELINES, NVINX)}
    held: list[bool] = []
    for seed in range(draws):
        total: dict[str, list[float]] = {name: [] for name in means}
        for fold in protocol(table, random.Random(seed)):
            errors, inside = errors_of(table, fold)
            held += inside
            for name, values in errors.items():
                total[name] += values
        for name, values in total.items():
            if values:
                means[name].append(100 * statistics.fmean(values))
    cells = [f"{statistics.fmean(values):8.1f}" for values in means.values()]
    return f"{' '.join(cells)} {100 * statistics.fmean(held):9.0f} %"


def timings(table: Table) -> str:
    fit_slowdown_model(table.coruns)
    begin = time.perf_counter()
    model = fit_slowdown_model(table.coruns)
    fitted = time.perf_counter() - begin
    names = list(model.traits)
    cases = [(a, [b]) for a in names for b in names] + [(a, [*names[:2]]) for a in names]
    begin = time.perf_counter()
    for of, partners in cases:
        model.predict(of, partners)
    each = (time.perf_counter() - begin) / len(cases)
    size = f"{len(names)} models, {len(table.coruns)} pairs"
    return f"fit of {size}: {fitted * 1000:.0f} ms; one prediction: {each * 1e6:.1f} microseconds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of co-run tables (see tables.py)")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--whole", action="store_true", help="leave pairs out of whole tables too")
    parser.add_argument("--residual", action="store_true", help="try a residual by family on top")
    options = parser.parse_args()
    tables = [read(path) for path in sorted(options.folder.glob("*.json"))]
    if not tables:
        sys.exit(f"{options.folder} holds no co-run table (*.json)")
    print(f"Mean absolute error of slowdown in %, mean of {options.draws} draws.\n")
    head = " ".join(f"{name[:8]:>8}" for name in ("constant", "theta", "th+gamma", "nvinx"))
    for table in tables:
        print(f"{table.name:40} {head}  90 % held")
        for name, protocol in PROTOCOLS.items():
            print(f"  {name:38} {protocol_row(table, protocol, options.draws)}", flush=True)
        if options.whole:
            print(f"  {'leave one pair out (whole table)':38} {whole_row(table)}")
        print(f"  {timings(table)}\n")
    if options.residual:
        for table in tables:
            print(residual_gain(table))


def whole_row(table: Table) -> str:
    busy = table.utilisation
    check = cross_validate(table.coruns, utilisation=busy, solo_ms=table.solo_ms)
    cells = [*(each.mean_pct for each in check.baselines.values()), check.summary.mean_pct]
    row = " ".join(f"{cell:8.1f}" for cell in cells)
    return f"{row} {100 * (check.summary.coverage or 0):9.0f} %"


if __name__ == "__main__":
    main()

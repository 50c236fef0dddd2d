"""How far off slowdowns of three and more programs are, as the exponent has it that combines them.

python benchmarks/interference/copies.py FOLDER

FOLDER holds a CSV file a model, as ParvaGPU published them for an A100 (github.com/MunQ-Lee/
ParvaGPU_SC24, prof_data, MIT licence): the throughput of one to five copies beside each other, by
batch size and MIG instance. Each slowdown of three to five copies is predicted from that of two.
"""

import argparse
import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from nvinx.calibration import fit_slowdown_model
from nvinx.interference import CoRun
from nvinx.interference.groups import Seen, fitted_exponent
from nvinx.interference.p_norm import EXPONENT, combined

EXPONENTS = (1.0, 1.5, 2.0, EXPONENT, 2.5, 3.0)
ALONE, PAIR = 1, 2


def read(folder: Path) -> list[dict[int, float]]:
    """The slowdowns of each model, batch size and instance, by the number of copies."""
    rates: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
    for path in sorted(folder.glob("*.csv")):
        for line in csv.DictReader(path.open(encoding="utf-8"), skipinitialspace=True):
            instance, batch, copies, rate = list(line.values())[:4]
            if float(rate) > 0:
                rates[path.stem, instance, batch][int(copies)] = float(rate)
    return [
        {copies: each[ALONE] / rate for copies, rate in each.items()}
        for each in rates.values()
        if {ALONE, PAIR} <= set(each)
    ]


def row(found: list[dict[int, float]], copies: int) -> str:
    """Mean errors by exponent, and how many of the intervals held."""
    seen = [each for each in found if copies in each]
    cells = []
    for exponent in EXPONENTS:
        said = [combined([each[PAIR] - 1] * (copies - 1), exponent) for each in seen]
        errors = [abs(s / each[copies] - 1) for s, each in zip(said, seen, strict=True)]
        cells.append(f"{100 * statistics.fmean(errors):7.1f}")
    held = statistics.fmean(_holds(each, copies) for each in seen)
    return f"{copies} copies, {len(seen):4} {' '.join(cells)}   {100 * held:6.0f} %"


def _holds(each: dict[int, float], copies: int) -> bool:
    model = fit_slowdown_model([CoRun("a", "a", each[PAIR], each[PAIR])])
    said = model.predict("a", ["a"] * (copies - 1))
    return said.low <= each[copies] <= said.high


def learned(found: list[dict[int, float]]) -> float:
    """The exponent that all of them show."""
    return fitted_exponent(
        Seen(slowdown, (each[PAIR] - 1,) * (copies - 1))
        for each in found
        for copies, slowdown in each.items()
        if copies > PAIR
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of such CSV files")
    found = read(parser.parse_args().folder)
    if not found:
        sys.exit(f"{parser.parse_args().folder} holds no throughput of copies (*.csv)")
    print("Mean absolute error of slowdown in %, by exponent (1 adds excesses up).\n")
    head = " ".join(f"{exponent:7g}" for exponent in EXPONENTS)
    print(f"{'':14} {head}   90 % held at {EXPONENT:g}")
    for copies in range(PAIR + 1, 1 + max(max(each) for each in found)):
        print(row(found, copies))
    print(f"\nThe exponent that they show: {learned(found):.2f}")


if __name__ == "__main__":
    main()

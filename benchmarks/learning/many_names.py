"""What a fit costs where jobs have a name each, as `nvinx run --name sample17` may give them.

    python benchmarks/learning/many_names.py [--names 600] [--runs 600]

Made-up runs beside two others, with so many names in all: CPU time of the fit, and the size of what
is believed, which every start reads. Once with all names told apart, and once as nvinx does it.
"""

from __future__ import annotations

import random
import time

import click
import msgspec

from nvinx.history.sharing import MOST_PROFILES
from nvinx.interference import joint_fit
from nvinx.interference.company import Company
from nvinx.interference.observed import Observed, of_common

BESIDE = 0.7  # of each run's time


def made_up(names: int, runs: int) -> list[Observed]:
    draw = random.Random(1)
    return [run(draw, f"k{number % names}", names) for number in range(runs)]


def run(draw: random.Random, name: str, names: int) -> Observed:
    partners = [f"k{draw.randrange(names)}" for _ in range(2)]
    seconds = draw.uniform(1, 20)
    beside = Company(BESIDE * seconds, {one: partners.count(one) for one in partners})
    return Observed(name, name, seconds, (beside,), card="card")


@click.command()
@click.option("--names", default=600, show_default=True)
@click.option("--runs", default=600, show_default=True)
def main(names: int, runs: int) -> None:
    """What a fit costs where jobs have a name each."""
    there = made_up(names, runs)
    for told_apart in (names, MOST_PROFILES):
        begin = time.process_time()
        belief = joint_fit.fit(of_common(there, told_apart), seed=1)
        took_s = time.process_time() - begin
        size_mb = len(msgspec.json.encode(belief)) / 1e6
        print(f"{min(told_apart, names)} told apart: {took_s:.2f} s of CPU, {size_mb:.2f} MB")


if __name__ == "__main__":
    main()

"""What one decision costs with a long queue: 10,000 jobs wait, 50 run.

python benchmarks/decision.py [--waiting 10000] [--cores 50] [--rounds 50]

Once with all cores taken, and once with cores free and the cards full.
"""

import argparse
import random
import statistics
import time

from nvinx.admission.estimates import Estimates
from nvinx.admission.events import CardsChanged, Submitted
from nvinx.admission.job import Job
from nvinx.admission.policy import LongestChainFirst
from nvinx.admission.state import State
from nvinx.admission.step import step
from nvinx.bench.capacity import Capacity, Card
from nvinx.calibration import fit_slowdown_model
from nvinx.catalog import Residency
from nvinx.history.statistics import RunStatistics
from nvinx.interference import CoRun
from nvinx.jobs.claim import Claim

CARDS = tuple(Card(id=f"g{n}", index=n, name="card", total_mib=24_000) for n in range(2))
MODELS = "abcdef"


def jobs(number: int, draw: random.Random, on_cpu: float) -> list[Job]:
    """A share on the CPU; of the rest half share a card, half have it alone."""
    made = []
    for k in range(number):
        on_gpu = draw.random() >= on_cpu
        kind = draw.choice([Residency.GPU_SHARED, Residency.GPU_EXCLUSIVE])
        kind = kind if on_gpu else Residency.CPU_ONLY
        claim = Claim(
            residency=kind,
            vram_mib=draw.randrange(200, 2000) if kind is Residency.GPU_SHARED else None,
            model=draw.choice(MODELS) if on_gpu else None,
            kind=f"rule{k % 20}",
            runtime_s=draw.choice([None, draw.uniform(1, 1000)]),
            cpu_fallback=on_gpu and draw.random() < 0.5,
            chain_s=draw.uniform(0, 5000),
        )
        made.append(Job(f"j{k}", f"rule{k % 20}[{k}]", claim, "bench"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--cores", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    for title, on_cpu in (("cores taken", 1 / 3), ("cores free, cards full", 0.0)):
        measure(title, options, on_cpu)


def measure(title: str, options: argparse.Namespace, on_cpu: float) -> None:
    draw = random.Random(1)
    pairs = [CoRun(a, b, 1.2, 1.4) for a in MODELS for b in MODELS if a < b]
    policy = LongestChainFirst(Estimates(fit_slowdown_model(pairs), statistics=RunStatistics()))
    state = State(Capacity(CARDS, options.cores))
    listed = tuple(jobs(options.waiting + 40, draw, on_cpu))
    state, _ = step(state, Submitted(listed, 0.0), policy)
    took = []
    for n in range(options.rounds):
        begin = time.perf_counter()
        state, _ = step(state, CardsChanged(CARDS, 1.0 + n), policy)
        took.append(1000 * (time.perf_counter() - begin))
    print(f"{title}: {len(state.running)} run, {len(state.waiting)} wait; one decision: ", end="")
    print(f"median {statistics.median(took):.2f} ms, longest {max(took):.2f} ms")


if __name__ == "__main__":
    main()

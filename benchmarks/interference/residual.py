"""Whether a residual by family on top of the slowdown model helps.

A Gaussian process over what the model leaves: two co-runs are alike as far as the models that
suffer are alike, times as far as those that hurt are: 1 for the same model, KIN for one family.
"""

import random
import statistics

import numpy as np
from tables import Table

from nvinx.calibration import fit_slowdown_model
from nvinx.interference import CoRun, SlowdownModel

KIN, SD, NOISE = 0.6, 0.08, 0.05
KNOWN, DRAWS = (4, 6, 10), 6


def residual_gain(table: Table) -> str:
    """A line per number of co-runs known of each model: the error without and with a residual."""
    lines = [f"{table.name}: co-runs known per model, error without -> with a residual by family"]
    for known in KNOWN:
        plain, more = [], []
        for seed in range(DRAWS):
            one, other = _errors(table, known, random.Random(seed))
            plain += one
            more += other
        if plain:
            without, with_it = 100 * statistics.fmean(plain), 100 * statistics.fmean(more)
            lines.append(f"  {known:2}: {without:5.2f} % -> {with_it:5.2f} %")
    return "\n".join(lines)


def _errors(table: Table, known: int, draw: random.Random) -> tuple[list[float], list[float]]:
    runs = [run for run in table.coruns if run.slowdown_b is not None]
    stay = _some_of_each(runs, known, draw)
    model = fit_slowdown_model(stay)
    blind = SlowdownModel(model.level, model.noise, model.traits, model.covariance)
    seen = [d for run in stay for d in run.directed]
    left = np.array([np.log(s / blind.predict(i, [j]).slowdown) for i, j, s in seen])
    weights = np.linalg.solve(_alike(table, seen, seen) + NOISE**2 * np.eye(len(seen)), left)
    ask = [d for run in runs if run not in stay for d in run.directed]
    if not ask:
        return [], []
    correction = np.exp(_alike(table, ask, seen) @ weights)
    plain, more = [], []
    for (i, j, slowdown), factor in zip(ask, correction, strict=True):
        said = blind.predict(i, [j]).slowdown
        plain.append(abs(said / slowdown - 1))
        more.append(abs(said * factor / slowdown - 1))
    return plain, more


def _alike(table: Table, some: list, others: list) -> np.ndarray:
    def kin(a: str, b: str) -> float:
        return 1.0 if a == b else KIN * (table.family[a] == table.family[b])

    rows = [[kin(i, p) * kin(j, q) for p, q, _ in others] for i, j, _ in some]
    return SD**2 * np.array(rows)


def _some_of_each(runs: list[CoRun], known: int, draw: random.Random) -> list[CoRun]:
    count: dict[str, int] = {}
    stay = []
    for run in draw.sample(runs, len(runs)):
        if min(count.get(run.a, 0), count.get(run.b, 0)) < known:
            stay.append(run)
            for name in {run.a, run.b}:
                count[name] = count.get(name, 0) + 1
    return stay

"""What is known and what is to be predicted: each protocol yields (known, left out) co-runs."""

import random
from collections.abc import Callable, Iterator

from tables import Table

from nvinx.calibration.tasks import Together, plan
from nvinx.interference import CoRun

Fold = tuple[list[CoRun], list[CoRun]]
SEVEN, PAIRS = 7, 19


def seven(table: Table, draw: random.Random) -> tuple[list[str], list[CoRun]]:
    """Seven models of as many families as there are, up to seven, and all co-runs of theirs."""
    measured = {name for run in table.cross for name in (run.a, run.b)}
    while True:
        families: dict[str, list[str]] = {}
        for name in draw.sample(sorted(measured), len(measured)):
            families.setdefault(table.family[name], []).append(name)
        models = [
            name
            for k in range(len(measured))
            for kin in families.values()
            for name in kin[k : k + 1]
        ]
        models = models[:SEVEN]
        runs = [run for run in table.cross if {run.a, run.b} <= set(models)]
        if len(runs) >= PAIRS - 2:
            return models, runs


def leave_pair_out(table: Table, draw: random.Random) -> Iterator[Fold]:
    _, runs = seven(table, draw)
    runs = draw.sample(runs, min(PAIRS, len(runs)))
    for run in runs:
        yield [other for other in runs if other != run], [run]


def two_per_model(table: Table, draw: random.Random) -> Iterator[Fold]:
    """2N co-runs on a circle, as `nvinx calibrate` measures them; the others are left out."""
    models = sorted({name for run in table.cross for name in (run.a, run.b)})
    yield _split(table.cross, plan(draw.sample(models, len(models))))


def two_per_model_of_seven(table: Table, draw: random.Random) -> Iterator[Fold]:
    models, runs = seven(table, draw)
    yield _split(runs, plan(models))


def two_probes_of_seven(table: Table, draw: random.Random) -> Iterator[Fold]:
    models, runs = seven(table, draw)
    yield _split(runs, plan(models, probes=draw.sample(models, 2)))


def _split(runs: list[CoRun], tasks: list) -> Fold:
    pairs = {frozenset(task.models) for task in tasks if isinstance(task, Together)}
    known = [run for run in runs if frozenset((run.a, run.b)) in pairs]
    return known, [run for run in runs if run not in known]


def new_model(table: Table, draw: random.Random) -> Iterator[Fold]:
    """A model of a family that nobody has seen, known by two co-runs."""
    name = draw.choice(sorted({name for run in table.cross for name in (run.a, run.b)}))
    kin = {other for other in table.family if table.family[other] == table.family[name]}
    others = [run for run in table.cross if not {run.a, run.b} & kin]
    known = {n for run in others for n in (run.a, run.b)}
    own = [r for r in table.cross if name in (r.a, r.b) and {r.a, r.b} - {name} <= known]
    if len(own) > 3 and len(others) > 8:
        stay = draw.sample(own, 2)
        yield others + stay, [run for run in own if run not in stay]


def new_model_of_seven(table: Table, draw: random.Random) -> Iterator[Fold]:
    models, runs = seven(table, draw)
    for name in models:
        own = [run for run in runs if name in (run.a, run.b)]
        if len(own) > 3:
            stay = draw.sample(own, 2)
            others = [run for run in runs if run not in own]
            yield others + stay, [run for run in own if run not in stay]


PROTOCOLS: dict[str, Callable[[Table, random.Random], Iterator[Fold]]] = {
    "leave one pair out (7 models, 19 pairs)": leave_pair_out,
    "2N co-runs on a circle (7 models)": two_per_model_of_seven,
    "2N co-runs on a circle (all models)": two_per_model,
    "two probes (7 models)": two_probes_of_seven,
    "new model and family, 2 co-runs": new_model,
    "new model, 2 co-runs (7 models)": new_model_of_seven,
}

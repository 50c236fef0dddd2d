"""From lines to slowdowns, errors and targets: figures that can be worked out by hand."""

import itertools
import random

import pytest
from campaign import corpus, records, slowdowns
from campaign.page import facts, offload, targets, workflows

from nvinx.interference.p_norm import combined

CARD = {"card": "Test card 0", "small": False}


def line(key, data, session="one", part=None):
    part = part or key.partition("/")[0]
    return {"part": part, "key": key, "session": session, "setting": CARD, "data": data}


def alone(name, rate, session="one", way="time-slicing", repeat=0):
    data = {"kind": "alone", "model": name, "again": False, "rates": [rate], "utilisation": 0.5}
    return line(f"coruns/{way}/{repeat}/{name}/alone/{session}", data, session)


def beside(a, b, rates, session="one", way="time-slicing", repeat=0):
    data = {"kind": "beside", "a": a, "b": b, "rates_a": [rates[0]], "rates_b": [rates[1]]}
    return line(f"coruns/{way}/{repeat}/{a}/{b}", data, session)


def crowd(names, rates, session="one"):
    data = {"kind": "crowd", "models": list(names), "rates": [[rate] for rate in rates]}
    return line(f"coruns/time-slicing/0/{'/'.join(names)}", data, session)


@pytest.fixture
def product_of_two():
    """Seven programs that slow each other down by one factor each for suffering and hurting."""
    draw = random.Random(5)
    names = [f"m{k}" for k in range(7)]
    suffers, hurts = ({n: draw.uniform(0.4, 1.2) for n in names} for _ in range(2))

    def slowdown(of, *others):
        return combined(suffers[of] * hurts[other] for other in others)

    pairs = itertools.combinations(names, 2)
    lines = [alone(name, 10.0) for name in names]
    lines += [beside(a, b, (10 / slowdown(a, b), 10 / slowdown(b, a))) for a, b in pairs]
    three = names[:3]
    rates = [10 / slowdown(n, *(m for m in three if m != n)) for n in three]
    return [*lines, crowd(three, rates)]


def test_a_slowdown_is_of_one_session():
    lines = [alone("a", 10.0), alone("b", 4.0), alone("a", 20.0, "two"), alone("b", 8.0, "two")]
    lines += [beside("a", "b", (5.0, 4.0)), beside("a", "c", (9.0, 9.0))]
    lines += [beside("a", "b", (5.0, 4.0), "two", repeat=1)]
    lines += [alone("a", 20.0, "two", repeat=1), alone("b", 8.0, "two", repeat=1)]
    way = slowdowns.ways(lines)["time-slicing"]
    (run,) = way.coruns
    assert (run.slowdown_a, run.slowdown_b) == pytest.approx((2.0, 1.0))
    assert slowdowns.noise(way) == pytest.approx([1.0, 1.0])


def test_ways_to_share_are_kept_apart():
    lines = [alone("a", 10.0), alone("b", 10.0), beside("a", "b", (5.0, 5.0))]
    lines += [alone("a", 3.0, way="mps"), alone("b", 3.0, way="mps")]
    lines += [beside("a", "b", (2.0, 2.0), way="mps")]
    found = slowdowns.ways(lines)
    first = {name: way.coruns[0].slowdown_a for name, way in found.items()}
    assert first == pytest.approx({"time-slicing": 2.0, "mps": 1.5})


def test_a_product_of_two_factors_is_what_the_default_model_predicts(product_of_two):
    way = slowdowns.ways(product_of_two)["time-slicing"]
    errors = {name: s.mean_pct for name, s in slowdowns.errors(way).items()}
    assert set(errors) == {"S x I", "one constant", "theta", "theta + gamma", "fair share"}
    assert errors["S x I"] < 5
    assert min(errors, key=errors.get) == "S x I"
    assert slowdowns.mean_crowd_error(way) == pytest.approx(0, abs=1e-9)


def test_a_crowd_that_slows_down_more_than_its_pairs_foretell_is_an_error():
    names = ("a", "b", "c")
    lines = [alone(name, 12.0) for name in names]
    lines += [beside(a, b, (6.0, 6.0)) for a, b in itertools.combinations(names, 2)]
    way = slowdowns.ways([*lines, crowd(names, [3.0, 3.0, 3.0])])["time-slicing"]
    assert slowdowns.mean_crowd_error(way) == pytest.approx(0.25)


def test_targets_are_met_missed_or_not_measured(product_of_two):
    lines = [*product_of_two, *_workflows(nvinx=20.0, serial=30.0)]
    kept = {each["key"]: each for each in lines}
    verdicts = [t.verdict for t in targets.targets(lines, kept)]
    assert verdicts == ["met", "met", "not measured", "met", "not measured", "met"]
    slow = {each["key"]: each for each in _workflows(nvinx=25.0, serial=30.0, vram=24.0)}
    verdicts = [t.verdict for t in targets.targets([], slow)]
    assert verdicts == [*["not measured"] * 3, "missed", "not measured", "missed"]


def _workflows(nvinx, serial, vram=None):
    spans = {"nvinx": nvinx, "gpu=1": serial, "vram_mb": vram}
    return [
        line(f"workflows/cool/{name}/0", {"span_s": span, "jobs": 11, "busy": 0.5})
        for name, span in spans.items()
        if span is not None
    ]


def test_a_run_that_lost_a_job_has_no_span():
    data = {"span_s": 20.0, "jobs": 10, "busy": None}
    kept = {"workflows/cool/vram_mb/0": line("workflows/cool/vram_mb/0", data)}
    assert workflows.span_s(kept, "cool", "vram_mb") is None


def test_what_is_off_the_card_crosses_the_bus_each_time():
    whole = {"share": 0.0, "planned": None, "prefill_s": [0.2], "token_s": [0.01]}
    planned = {"card": 0, "cpu": 10**9, "disk": 0}
    split = {"share": 0.5, "planned": planned, "tiers": "card, RAM"}
    kept = {
        "offload/share/0.0": line("", whole),
        "offload/bandwidth/one": line("", {"bus": 5e9, "disk": 1e9}),
        "offload/share/0.5": line("", {**split, "prefill_s": [0.41], "token_s": [0.2]}),
    }
    rows = list(offload.compared(kept))
    assert [row[1:] for row in rows] == [
        ("prefill", 0.2, 0.41, pytest.approx(0.2)),
        ("token", 0.01, 0.2, pytest.approx(0.2)),
    ]
    target = targets.targets([], kept)[2]
    assert (target.seen, target.met) == ("at most 5% off", True)


def test_a_context_is_what_a_process_takes_beside_its_memory():
    told = {"process_mib": 500.0, "card_mib": 510.0, "allocated_mib": 20}
    hidden = {"process_mib": None, "card_mib": 300.0}
    kept = {
        "facts/context/torch": line("", told),
        "facts/context/bare": line("", hidden),
        "facts/context/jax": line("", {"needs": "jax"}),
    }
    assert facts.contexts(kept) == {"torch": 480.0, "bare": 300.0}


def test_a_slower_poll_sees_every_nth_look_in_each_phase():
    sizes = [2**20 * size for size in [1] * 19 + [9] + [1] * 20]
    polled = corpus._polled(sizes)
    assert polled["20"] == [9.0]
    assert sorted(polled["5"]) == [1.0, 1.0, 1.0, 9.0]
    assert sorted(polled["1"]) == [1.0] * 19 + [9.0]


def test_a_measurement_beats_a_later_problem():
    first, later = line("k", {"x": 1}), line("k", {"problem": "it broke"})
    assert records.latest([first, later]) == {"k": first}
    assert records.latest([later, first]) == {"k": first}

"""Who was beside whom, and for how much of the time."""

import pytest
from builders import cpu_job, running, shared_job

from nvinx.admission.co_residency import CoResidency


def on(card, name, since, model=None):
    return running(shared_job(name, model=model, kind=name), since, card=card)


def test_a_partner_for_half_the_time_counts_half():
    co_residency = CoResidency()
    a, b = on("g", "a", 0.0), on("g", "b", 5.0, model="m")
    co_residency.observe([a], 0.0)
    co_residency.observe([a, b], 5.0)
    co_residency.observe([b], 10.0)
    assert co_residency.finish(a, 10.0).co_residents == pytest.approx({"m": 0.5})
    co_residency.observe([], 12.0)
    assert co_residency.finish(b, 12.0).co_residents == pytest.approx({"a": 5 / 7})


def test_two_of_a_kind_count_twice():
    co_residency = CoResidency()
    three = [on("g", name, 0.0, model="m") for name in "abc"]
    co_residency.observe(three, 0.0)
    co_residency.observe(three[1:], 4.0)
    assert co_residency.finish(three[0], 4.0).co_residents == pytest.approx({"m": 2.0})


def test_other_cards_and_the_cpu_are_no_company():
    co_residency = CoResidency()
    some = [on("g", "a", 0.0), on("h", "b", 0.0), running(cpu_job("c"))]
    co_residency.observe(some, 0.0)
    co_residency.observe(some, 9.0)
    assert co_residency.finish(some[0], 9.0).co_residents == {}


def test_who_is_seen_late_counts_from_when_it_began():
    co_residency = CoResidency()
    a, late = on("g", "a", 0.0), on("g", "late", 2.0)
    co_residency.observe([a], 0.0)
    co_residency.observe([a, late], 10.0)
    assert co_residency.finish(a, 10.0).co_residents == pytest.approx({"late": 0.8})


def test_each_of_many_is_told_of_all_others_and_never_of_itself():
    co_residency = CoResidency()
    several = [on("g", f"{n}", float(n), model="k") for n in range(4)]
    for n in range(4):
        co_residency.observe(several[: n + 1], float(n))
    co_residency.observe(several, 10.0)
    found = [co_residency.finish(one, 10.0).co_residents for one in several]
    spent = [(9 + 8 + 7) / 10, (9 + 8 + 7) / 9, (8 + 8 + 7) / 8, (7 + 7 + 7) / 7]
    assert found == [pytest.approx({"k": s}) for s in spent]


def test_what_other_engines_left_is_not_remembered():
    co_residency = CoResidency()
    for n in range(50):
        co_residency.observe([on("g", f"{n}", float(n), model="k")], float(n))
    assert len(co_residency._stays) + len(co_residency._left) + len(co_residency._there) < 5

"""Who was beside whom, and for how much of the time."""

import pytest

from nvinx.admission.co_residency import Company
from nvinx.admission.state import Job, Placement, Running
from nvinx.catalog import Residency
from nvinx.jobs.claim import Claim
from nvinx.reasons import Why


def on(card, name, since, model=None):
    residency = Residency.GPU_SHARED if card else Residency.CPU_ONLY
    claim = Claim(residency=residency, vram_mib=1 if card else None, model=model, kind=name)
    placement = Placement(residency, Why.FITS_BESIDE_OTHERS, card)
    return Running(Job(name, name, claim), placement, since)


def test_a_partner_for_half_the_time_counts_half():
    company = Company()
    a, b = on("g", "a", 0.0), on("g", "b", 5.0, model="m")
    company.look([a], 0.0)
    company.look([a, b], 5.0)
    company.look([b], 10.0)
    assert company.leave(a, 10.0).company == pytest.approx({"m": 0.5})
    company.look([], 12.0)
    assert company.leave(b, 12.0).company == pytest.approx({"a": 5 / 7})


def test_two_of_a_kind_count_twice():
    company = Company()
    three = [on("g", name, 0.0, model="m") for name in "abc"]
    company.look(three, 0.0)
    company.look(three[1:], 4.0)
    assert company.leave(three[0], 4.0).company == pytest.approx({"m": 2.0})


def test_other_cards_and_the_cpu_are_no_company():
    company = Company()
    some = [on("g", "a", 0.0), on("h", "b", 0.0), on(None, "c", 0.0)]
    company.look(some, 0.0)
    company.look(some, 9.0)
    assert company.leave(some[0], 9.0).company == {}


def test_who_is_seen_late_counts_from_when_it_began():
    company = Company()
    a, late = on("g", "a", 0.0), on("g", "late", 2.0)
    company.look([a], 0.0)
    company.look([a, late], 10.0)
    assert company.leave(a, 10.0).company == pytest.approx({"late": 0.8})

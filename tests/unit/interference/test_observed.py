"""Of jobs that each have a name of their own, a fit takes those that it can tell apart."""

from builders import company, past_run
from hypothesis import given
from hypothesis import strategies as st

from nvinx.history.sharing import MOST_PROFILES, Sharing
from nvinx.interference.company import Company
from nvinx.interference.observed import OTHERS, Observed, of_common

NAMES = st.sampled_from("abcdefgh")
companies = st.builds(
    Company, st.floats(0.1, 1.0), st.dictionaries(NAMES, st.integers(1, 3), min_size=1)
)
observed = st.builds(
    lambda name, company: Observed(name, name, 1.0, tuple(company)),
    NAMES,
    st.lists(companies, max_size=3),
)


def run(name, *partners):
    beside = (Company(1.0, {other: partners.count(other) for other in partners}),)
    return Observed(name, name, 2.0, beside if partners else ())


def names(runs):
    partners = (name for run in runs for each in run.company for name in each.partners)
    return {*(run.profile for run in runs), *partners}


def test_runs_of_few_profiles_stay_as_they_are():
    runs = [run("a", "b"), run("b"), run("c", "a", "a")]
    assert of_common(runs, 3) is runs


def test_those_in_most_runs_are_told_apart_and_the_rest_are_others():
    runs = [run("x1", "server"), run("x2", "server"), run("a", "server"), run("a", "x3", "x4")]
    (first, second) = of_common(runs, 2)
    assert (first.profile, first.company[0].partners) == ("a", {"server": 1})
    assert (second.profile, second.company[0].partners) == ("a", {OTHERS: 2})


def test_of_those_seen_equally_often_the_newest_are_told_apart():
    assert names(of_common([run(name) for name in "abcd"], 2)) == {"c", "d"}


def test_those_that_were_calibrated_are_told_apart_however_seldom_they_run():
    runs = [run("seldom"), *[run("often")] * 3, *[run("now")] * 2]
    assert names(of_common(runs, 1, kept=["seldom", "never"])) == {"seldom", "often"}


@given(st.lists(observed, max_size=30), st.integers(1, 8), st.sets(NAMES, max_size=3))
def test_there_are_never_more_and_no_time_in_company_is_lost(runs, most, kept):
    found = of_common(runs, most, kept)
    assert len(names(found) - {OTHERS}) <= most + len(kept)
    known = [run for run in runs if run.profile in {each.profile for each in found}]
    assert [run.ran_s for run in found] == [run.ran_s for run in known]
    for before, after in zip(known, found, strict=True):
        assert [c.seconds for c in after.company] == [c.seconds for c in before.company]
        numbers = [sum(c.partners.values()) for c in before.company]
        assert [sum(c.partners.values()) for c in after.company] == numbers


def test_a_history_of_jobs_that_each_have_their_own_name_is_believed_in_few_pairs():
    once = [past_run(f"sample{n}", 1.0 + n, company(1.0, "embed")) for n in range(200)]
    often = [past_run("embed", 9.0, company(9.0, f"other{n}")) for n in range(9)]
    belief = Sharing(earlier=lambda: [*often, *once]).learn()
    assert len(belief.pairs) <= MOST_PROFILES + 1
    assert belief.pair("embed", OTHERS) is not None

"""A learned slowdown is told to people only where enough is known of it."""

from nvinx.interference.belief import Belief, Pair


def test_a_wide_interval_and_a_stranger_are_not_told():
    pairs = {"a": {"b": Pair(0.0, 0.3, 0.0), "c": Pair(0.0, 2.0, 0.0)}}
    belief = Belief(0.0, {}, {}, pairs)
    assert [belief.can_be_told("a", partner) for partner in "bcd"] == [True, False, False]

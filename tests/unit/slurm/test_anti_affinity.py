"""Jobs that must not meet never have a node in common, and none is held back for ever."""

from itertools import combinations

from builders import exclusive_claim, shared_claim, spilling_claim
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nvinx.slurm.anti_affinity import PATIENCE_S, AntiAffinity


def claim(kind, runtime_s=10.0):
    return shared_claim(kind=kind, runtime_s=runtime_s)


A, B, C = claim("a"), claim("b"), claim("c")
CONFLICTS = {frozenset("ab")}


def conflict(one, other):
    return frozenset((one.kind, other.kind)) in CONFLICTS


def anti_affinity(*to_come, conflict=conflict):
    made = AntiAffinity(conflict)
    made.expect(to_come)
    return made


def test_who_conflicts_with_nobody_may_go_everywhere():
    assert anti_affinity(A, B, C).enter("c1", C, ["n1", "n2"], 0) == {"n1", "n2"}


def test_who_holds_its_card_alone_meets_nobody_and_takes_nobody_s_nodes():
    spills = spilling_claim(kind="a")
    whole = exclusive_claim(kind="a")
    one = anti_affinity(B, spills)
    assert one.enter("b1", B, ["n1"], 0) == {"n1"}
    assert one.enter("a1", whole, ["n1"], 0) == {"n1"}
    assert one.enter("a2", spills, ["n1"], 0) == {"n1"}
    one.leave("b1")
    assert one.enter("b2", B, ["n1"], 0) == {"n1"}


def test_who_conflicts_gets_nodes_of_its_own_in_proportion_to_its_work():
    many = anti_affinity(*[A] * 6, *[B] * 2)
    nodes = ["n1", "n2", "n3", "n4"]
    mine = many.enter("a1", A, nodes, 0)
    assert len(mine) == 3
    assert many.enter("a2", A, nodes, 0) == mine
    theirs = many.enter("b1", B, nodes, 0)
    assert not mine & theirs
    assert mine | theirs == set(nodes)


def test_many_kinds_leave_one_that_conflicts_with_all_of_them_its_part_and_no_more():
    kinds = [claim(kind) for kind in "abcdefg"]
    hot = claim("hot")
    many = anti_affinity(
        *kinds, hot, conflict=lambda one, other: (one.kind == "hot") != (other.kind == "hot")
    )
    nodes = [f"n{n}" for n in range(8)]
    assert len(many.enter("a1", kinds[0], nodes, 0)) == 7
    assert len(many.enter("hot1", hot, nodes, 0)) == 1


def test_once_none_of_those_it_conflicts_with_is_to_come_it_may_use_every_free_node():
    two = anti_affinity(A, A, A, B)
    nodes = ["n1", "n2", "n3", "n4"]
    assert len(two.enter("a1", A, nodes, 0)) == 3
    assert two.enter("b1", B, nodes, 0) == {"n4"}
    two.leave("b1")
    assert two.enter("a2", A, nodes, 0) == set(nodes)


def test_with_one_node_the_later_is_held_back_until_the_other_has_left():
    one = anti_affinity(A, B)
    assert one.enter("a1", A, ["n1"], 0) == {"n1"}
    assert one.enter("b1", B, ["n1"], 0) is None
    one.leave("a1")
    assert one.enter("b1", B, ["n1"], 0) == {"n1"}


def test_once_it_runs_its_other_nodes_are_free():
    two = anti_affinity(A, conflict=lambda one, other: one.kind != other.kind)
    assert two.enter("a1", A, ["n1", "n2"], 0) == {"n1", "n2"}
    assert two.enter("b1", B, ["n1", "n2"], 0) is None
    two.on("a1", "n2")
    assert two.enter("b1", B, ["n1", "n2"], 0) == {"n1"}


def test_its_like_may_overtake_who_was_held_back_but_not_for_ever():
    one = anti_affinity(A, B)
    one.enter("a1", A, ["n1"], 0)
    one.enter("b1", B, ["n1"], 0)
    assert one.enter("a2", A, ["n1"], PATIENCE_S - 1) == {"n1"}
    assert one.enter("a3", A, ["n1"], PATIENCE_S) is None
    one.leave("a1")
    one.leave("a2")
    assert one.enter("b1", B, ["n1"], PATIENCE_S) == {"n1"}


def test_a_kind_that_conflicts_with_itself_runs_one_to_a_node():
    lonely = anti_affinity(A, conflict=lambda one, other: True)
    found = [lonely.enter(f"a{n}", A, ["n1", "n2"], 0) for n in range(3)]
    assert found[:2] == [{"n1"}, {"n2"}]
    assert found[2] is None


def test_what_asking_costs_does_not_grow_with_the_jobs_that_are_queued_or_held_back():
    asked = []

    def counted(one, other):
        asked.append((one, other))
        return conflict(one, other)

    def cost(jobs):
        many = anti_affinity(A, B, conflict=counted)
        for n in range(jobs):
            many.enter(f"a{n}", A, ["n1"], 0)
            many.enter(f"b{n}", B, ["n1"], 0)
        asked.clear()
        for n in range(jobs):
            many.enter(f"b{n}", B, ["n1"], PATIENCE_S)
        many.leave("a0")
        many.enter("a0", A, ["n1"], PATIENCE_S)
        return len(asked)

    assert cost(500) == cost(5)


class AntiAffinityMachine(RuleBasedStateMachine):
    """Jobs of four kinds come, run and go; each is asked for again until it may go on."""

    @initialize(
        pairs=st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"))),
        count=st.integers(1, 4),
    )
    def begin(self, pairs, count):
        self.bad = {frozenset(pair) for pair in pairs}
        self.anti_affinity = AntiAffinity(
            lambda one, other: frozenset((one.kind, other.kind)) in self.bad
        )
        self.nodes = [f"n{n}" for n in range(count)]
        self.active, self.held, self.at = {}, [], 0

    @rule(kind=st.sampled_from("abcd"), number=st.integers(0, 5))
    def enter(self, kind, number):
        name = f"{kind}{number}"
        self.at += 1
        if name not in self.active:
            found = self.anti_affinity.enter(name, claim(kind), self.nodes, self.at)
            self.held = [each for each in self.held if each != name]
            if found is None:
                self.held.append(name)
            else:
                self.active[name] = found

    @precondition(lambda self: self.active)
    @rule(pick=st.randoms(use_true_random=False))
    def run(self, pick):
        name = pick.choice(sorted(self.active))
        node = pick.choice(sorted(self.active[name]))
        self.anti_affinity.on(name, node)
        self.active[name] = {node}

    @precondition(lambda self: self.active)
    @rule(pick=st.randoms(use_true_random=False))
    def leave(self, pick):
        name = pick.choice(sorted(self.active))
        self.anti_affinity.leave(name)
        del self.active[name]

    @invariant()
    def no_two_that_conflict_have_a_node_in_common(self):
        for one, other in combinations(getattr(self, "active", {}), 2):
            if frozenset((one[0], other[0])) in self.bad:
                assert not self.active[one] & self.active[other]

    def teardown(self):
        """When all have left, one that was held back can go, however long it waited."""
        for name in getattr(self, "active", {}):
            self.anti_affinity.leave(name)
        if getattr(self, "held", ()):
            last = 10 * PATIENCE_S
            found = [self.anti_affinity.enter(n, claim(n[0]), self.nodes, last) for n in self.held]
            assert any(found)


TestAntiAffinity = AntiAffinityMachine.TestCase

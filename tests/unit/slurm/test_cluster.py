"""What jobs ask Slurm for."""

from math import ceil

import pytest
from builders import cpu_claim, exclusive_claim, part_claim, shared_claim, spilling_claim
from hypothesis import given
from hypothesis import strategies as st

from nvinx.bench import parse as bench_parser
from nvinx.bench.resolve import ClusterNodes
from nvinx.catalog import Residency
from nvinx.errors import BenchError, ImpossibleJobError
from nvinx.jobs.card_count import CardCount
from nvinx.slurm.cluster import Cluster, Node

SHARED, ALONE = Residency.GPU_SHARED, Residency.GPU_EXCLUSIVE
CPU = cpu_claim()
SMALL = shared_claim(859)
WHOLE = exclusive_claim()
TWO = CardCount(2, 2)


def node(name="n1", **other):
    return Node(**{"name": name, "cpus": 8, "ram_mib": 8000, "cards": 1, "shards": 4, "card_mib": 3814, **other})  # fmt: skip


ONE = Cluster([node()])


def asks(claim, *nodes):
    ask = Cluster(nodes or [node()]).ask("rule", claim)
    return ask.gres, set(ask.not_on), ask.claim.residency


def test_a_job_that_shares_asks_for_as_many_shards_as_hold_it():
    assert asks(SMALL) == ("shard:1", set(), SHARED)
    assert asks(shared_claim(954)) == ("shard:2", set(), SHARED)


def test_a_job_that_wants_the_card_asks_for_all_its_shards():
    assert asks(WHOLE) == ("shard:4", set(), ALONE)
    assert asks(WHOLE, node(cards=2, shards=8)) == ("shard:4", set(), ALONE)


def test_a_job_that_names_a_card_is_kept_from_the_other_nodes():
    other = node("n2", card_name="NVIDIA A100")
    assert asks(exclusive_claim(card_name="a100"), node(card_name="T4"), other) == (
        "shard:4",
        {"n1"},
        ALONE,
    )
    with pytest.raises(ImpossibleJobError, match="wants a h100, and no node is known"):
        asks(exclusive_claim(card_name="h100"), other)


@pytest.mark.parametrize("claim", [exclusive_claim(cards=TWO), shared_claim(859, cards=TWO)])
def test_several_cards_are_whole_ones_of_one_node(claim):
    assert asks(claim, node(cards=2, shards=8), node("n2")) == ("gpu:2", set(), ALONE)


def test_as_many_as_are_free_are_the_fewest():
    assert asks(exclusive_claim(cards=CardCount(1, 4))) == ("gpu:1", set(), ALONE)


def test_several_cards_are_kept_from_nodes_whose_cards_are_too_small():
    small = node("small", cards=4, card_mib=2000)
    claim = exclusive_claim(vram_mib=3000, cards=TWO)
    assert asks(claim, node(cards=2), small) == ("gpu:2", {"small"}, ALONE)


def test_what_spills_may_have_several_cards():
    claim = spilling_claim(vram_mib=9000, ram_mib=2000, cards=TWO)
    assert asks(claim, node(cards=2)) == ("gpu:2", set(), Residency.GPU_RAM_OVERFLOW)


def test_more_cards_than_any_node_has_are_refused():
    with pytest.raises(ImpossibleJobError, match="wants 3 cards at once, and no node has more"):
        asks(exclusive_claim(cards=CardCount(3, 3)), node(cards=2))


def test_cpu_work_asks_for_no_card():
    assert asks(CPU) == ("", set(), Residency.CPU_ONLY)


def test_without_shards_every_gpu_job_gets_a_card():
    bare = node(shards=0)
    assert asks(SMALL, bare) == ("gpu:1", set(), ALONE)
    assert asks(WHOLE, bare) == ("gpu:1", set(), ALONE)


def test_a_card_alone_is_asked_for_where_most_cards_are_and_nowhere_else():
    finer = node("fine", shards=8)
    assert asks(WHOLE, node("n1"), node("n2"), finer) == ("shard:4", {"fine"}, ALONE)
    assert asks(WHOLE, node("n1"), node("bare", cards=4, shards=0)) == ("gpu:1", {"n1"}, ALONE)


def test_a_node_whose_shards_are_smaller_is_left_out_where_more_cards_are_open_without_it():
    small = node("small", card_mib=2000)
    assert asks(SMALL, node("n1"), node("n2"), small) == ("shard:1", {"small"}, SHARED)
    assert asks(SMALL, node("n1"), small) == ("shard:2", set(), SHARED)


def test_what_no_card_holds_spills_or_goes_to_the_cpu_or_is_refused():
    large = shared_claim(6000, ram_mib=4000, ram_overflow=True)
    assert asks(large) == ("shard:4", set(), Residency.GPU_RAM_OVERFLOW)
    fallback = shared_claim(6000, cpu_fallback=True)
    assert asks(fallback) == ("", set(), Residency.CPU_ONLY)
    with pytest.raises(ImpossibleJobError, match=r"rule rule.*6.29 GB.*largest card has 4.00 GB"):
        ONE.ask("rule", shared_claim(6000))


def test_more_cores_or_ram_than_a_node_has_is_refused_with_what_there_is():
    with pytest.raises(ImpossibleJobError, match=r"needs 9 cores .* most there is: 8 cores"):
        ONE.ask("rule", cpu_claim(cores=9))
    with pytest.raises(ImpossibleJobError, match=r"no node has one with enough cores"):
        Cluster([node(), node("wide", cpus=64, cards=0, shards=0)]).ask(
            "rule", shared_claim(10, cores=64)
        )
    with pytest.raises(ImpossibleJobError, match=r"no node has one in this cluster"):
        Cluster([node(cards=0, shards=0)]).ask("rule", WHOLE)


def test_vram_cannot_be_counted_where_nobody_said_how_much_there_is():
    with pytest.raises(
        ImpossibleJobError, match=r"cards of n1 is unknown.*nvinx bench --from-slurm"
    ):
        Cluster([node(card_mib=None)]).ask("rule", SMALL)
    assert asks(WHOLE, node(card_mib=None)) == ("shard:4", set(), ALONE)


nodes = st.lists(
    st.builds(
        lambda cards, per_card, card_mib: (cards, cards * per_card, card_mib),
        st.integers(0, 4), st.integers(0, 16), st.integers(100, 40_000),
    ),
    min_size=1, max_size=6,
).map(lambda rows: [node(f"n{n}", cards=c, shards=s, card_mib=m) for n, (c, s, m) in enumerate(rows)])  # fmt: skip


@given(nodes, st.integers(1, 40_000), st.booleans())
def test_nobody_ever_gets_less_than_declared_nor_company_unasked(found, vram_mib, alone):
    claim = (exclusive_claim if alone else shared_claim)(vram_mib=vram_mib)
    try:
        ask = Cluster(found).ask("rule", claim)
    except ImpossibleJobError:
        assert not any(n.cards and n.card_mib >= vram_mib for n in found)
        return
    kind, _, number = ask.gres.partition(":")
    count = int(number)
    for n in found:
        could_run = n.name not in ask.not_on and (n.cards if kind == "gpu" else n.per_card >= count)
        if could_run:
            assert n.card_mib >= vram_mib
            if ask.claim.residency is ALONE:
                assert kind == "gpu" if not n.per_card else count == n.per_card
            else:
                assert count >= ceil(vram_mib / (n.card_mib // n.per_card))
            assert ask.card_mib <= n.card_mib


def test_a_job_may_grow_to_the_largest_card():
    capacity = Cluster([node(), node("big", card_mib=20_000, cpus=16)]).capacity()
    assert [card.total_mib for card in capacity.cards] == [3814, 20_000]
    assert (capacity.cores, capacity.ram_mib) == (16, 8000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cluster: [{nodes: 'n[1-2]'}]", "vram_gb"),
        ("cluster: [{vram_gb: 4}]", "nodes"),
        ("cluster: [{nodes: n1, vram_gb: 0}]", "a card of 0 GB is no card"),
        ("cluster: [{nodes: n1, vram_gb: 4, shard: 1}]", "shard"),
        ("cluster: n1", "cluster"),
    ],
)
def test_a_wrong_cluster_is_told_with_its_line(text, words):
    with pytest.raises(BenchError, match=rf"line \d.*{words}"):
        bench_parser.parse(f"headroom_gb: 0\n{text}\n", "nvinx.yaml")


def test_a_cluster_is_read():
    (said,) = bench_parser.parse("cluster: [{nodes: 'n[1-2]', vram_gb: 24, card: RTX 4090}]", "f").cluster  # fmt: skip
    assert said == ClusterNodes("n[1-2]", 24.0, "RTX 4090")


@pytest.mark.parametrize(
    ("part", "per_card", "shards"),
    [
        ("1/3", 12, 4),
        ("1/3", 10, 3),
        ("1/3", 48, 16),
        ("1/3", 8, 3),
        ("2/3", 12, 8),
        ("1/3", 4, 2),
        ("1/2", 4, 2),
        ("1/2", 5, 2),
        ("2/3", 3, 2),
    ],
)
def test_of_parts_no_more_are_put_on_a_card_than_it_has(part, per_card, shards):
    gres = f"shard:{shards}"
    assert asks(part_claim(part), node(shards=per_card)) == (gres, set(), SHARED)
    assert per_card // shards <= part_claim(part).share.fit


def test_a_part_needs_no_size_of_the_card():
    assert asks(part_claim("1/2"), node(card_mib=None)) == ("shard:2", set(), SHARED)


def test_a_part_is_of_cards_with_the_same_shards_and_the_others_are_left_out():
    fine, coarse = node("n1", shards=12), node("n2", shards=3)
    assert asks(part_claim("1/3"), fine, coarse) == ("shard:4", set(), SHARED)


def test_without_shards_a_part_is_a_whole_card():
    assert asks(part_claim("1/3"), node(shards=0)) == ("gpu:1", set(), ALONE)


def test_a_part_goes_to_the_cpu_where_no_node_has_a_card():
    ask = Cluster([node(cards=0, shards=0)]).ask("rule", part_claim("1/3", cpu_fallback=True))
    assert (ask.claim.residency, ask.claim.share) == (Residency.CPU_ONLY, None)

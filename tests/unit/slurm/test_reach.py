"""A rule's own words to Slurm say on which nodes it may run, and are not lost beside ours."""

import pytest
from builders import cpu_claim, shared_claim

from nvinx.errors import HintError, ImpossibleJobError
from nvinx.slurm import reach
from nvinx.slurm.cluster import Cluster, Node

SMALL = shared_claim(859)


def node(name, *partitions, features=(), **other):
    has = {"cpus": 8, "ram_mib": 8000, "cards": 1, "shards": 4, "card_mib": 3814, **other}
    return Node(name, partitions=frozenset(partitions), features=frozenset(features), **has)


BARE = {"cards": 0, "shards": 0, "card_mib": None}
CLUSTER = Cluster(
    [
        node("g1", "all", "gpu", features=("old",)),
        node("g2", "all", "gpu", features=("new", "fast")),
        node("c1", "all", "cpu", **BARE),
    ]
)


def expand(pattern):
    return {"g[1-2]": ("g1", "g2")}.get(pattern) or pattern.split(",")


def part(default="all", **stated):
    return reach.within(CLUSTER, "rule", stated, default, expand)


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ({}, {"g1", "g2", "c1"}),
        ({"slurm_partition": "gpu"}, {"g1", "g2"}),
        ({"slurm_partition": "cpu,gpu"}, {"g1", "g2", "c1"}),
        ({"slurm_extra": "--exclude=g1"}, {"g2", "c1"}),
        ({"slurm_extra": "--mail-type=END -x 'g[1-2]'"}, {"c1"}),
        ({"slurm_extra": "--exclude=g1 --exclude=g2"}, {"g1", "c1"}),
        ({"slurm_extra": "--nodelist g2"}, {"g2"}),
        ({"constraint": "new&fast"}, {"g2"}),
        ({"constraint": "old|new"}, {"g1", "g2"}),
        ({"constraint": "[old*1&new*2]"}, {"g1", "g2", "c1"}),
        ({"slurm_partition": "gpu", "slurm_cluster": "other"}, {"g1", "g2", "c1"}),
    ],
)
def test_the_nodes_that_a_rule_may_use(stated, names):
    assert {node.name for node in part(**stated).nodes} == names


def test_where_nobody_can_tell_the_partition_all_nodes_count():
    assert part(default=None).nodes == CLUSTER.nodes
    unnamed = Cluster([node("g1")])
    assert reach.within(unnamed, "rule", {"slurm_partition": "gpu"}, None, expand) is unnamed


def test_a_partition_that_is_not_there_is_told_with_those_that_are():
    told = r"slurm_partition='gpus': Slurm has no such partition. Fix: write one of all, cpu, gpu"
    with pytest.raises(HintError, match=told):
        part(slurm_partition="gpus")


@pytest.mark.parametrize(
    ("default", "stated", "words"),
    [
        ("cpu", {}, r"no node of partition cpu \(the default\) has one. Fix: let it use nodes with cards \(slurm_partition; those of all, gpu"),
        ("all", {"slurm_partition": "cpu"}, r"no node of partition cpu has one"),
        ("all", {"slurm_extra": "-x g[1-2]"}, r"no node of partition all \(the default\) that its rule leaves has one"),
        ("all", {"slurm_extra": "-w nowhere"}, r"there is no node of partition all"),
    ],
)  # fmt: skip
def test_what_no_such_node_can_run_is_told(default, stated, words):
    with pytest.raises(ImpossibleJobError, match=words):
        part(default, **stated).ask("rule", SMALL)


def test_too_many_cores_are_told_of_the_partition():
    with pytest.raises(ImpossibleJobError, match="no node of partition cpu has both"):
        part(slurm_partition="cpu").ask("rule", cpu_claim(cores=9))


@pytest.mark.parametrize(
    ("extra", "whole"),
    [
        ("", "--exclude=a,b"),
        ("--exclude=a", "--exclude=a,b"),
        ("--mail-type=END -x a --nodelist=c --hold", "--mail-type=END --nodelist=c --hold --exclude=a,b"),
        ("-xa", "--exclude=a,b"),
        ("--exclusive", "--exclusive --exclude=a,b"),
    ],
)  # fmt: skip
def test_sbatch_is_told_once_what_to_exclude(extra, whole):
    assert reach.excluding(extra, {"b", "a"}) == whole


@pytest.mark.parametrize(
    ("extra", "asks"),
    [
        ("--gpus-per-node=1", True),
        ("--hold -G 2", True),
        ("-Ga100:1", True),
        ("--gpus-per-task a100:1", True),
        ("--tres-per-node=gres:gpu:1", True),
        ("", False),
        ("--mem-per-gpu=4G --gpu-bind=none", False),
        ("--exclude=gpu1 --nodelist=G2 --gid=-G", False),
    ],
)
def test_an_option_that_asks_slurm_for_cards_is_known(extra, asks):
    assert reach.asks_for_cards(extra) is asks

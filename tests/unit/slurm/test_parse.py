"""What Slurm's tools print is understood."""

import pytest

from nvinx.slurm import parse as slurm_parser
from nvinx.slurm.cluster import Node

PLAIN = (
    "NodeName=node1 Arch=x86_64 CoresPerSocket=1 CPUAlloc=0 CPUEfctv=8 CPUTot=8 CPULoad=0.5 "
    "AvailableFeatures=first ActiveFeatures=first Gres=gpu:1,shard:4 NodeAddr=localhost "
    "OS=Linux 6.1 RealMemory=8000 AllocMem=0 Sockets=8 Boards=1 State=IDLE ThreadsPerCore=1\n"
)
TYPED = (
    "NodeName=gpu07 CPUTot=64 Gres=gpu:a100:2(S:0-1),gpu:v100:1(S:1),shard:a100:16(S:0-1),craynetwork:4 "
    "RealMemory=515000 State=MIXED+DRAIN\n"
)


def test_cards_shards_cpus_and_ram_are_read():
    (node,) = slurm_parser.nodes(PLAIN)
    assert node == Node("node1", 8, 8000, cards=1, shards=4, features=frozenset({"first"}))


def test_partitions_are_read_and_which_of_them_is_the_default():
    (node,) = slurm_parser.nodes(PLAIN.strip() + " Partitions=all,gpu")
    assert node.partitions == {"all", "gpu"}
    named = (
        "PartitionName=gpu AllowQos=ALL Default=NO\nPartitionName=all AllowQos=ALL Default=YES\n"
    )
    assert slurm_parser.default_partition(named) == "all"
    assert slurm_parser.default_partition(named.replace("YES", "NO")) is None


def test_types_and_sockets_are_no_counts():
    (node,) = slurm_parser.nodes(TYPED)
    assert (node.cards, node.shards, node.card_name, node.cpus) == (3, 16, "a100+v100", 64)


@pytest.mark.parametrize(
    ("gres", "cards"), [("Gres=(null)", 0), ("", 0), ("Gres=gpu:a100", 1), ("Gres=gpu", 1)]
)
def test_a_count_that_is_left_out_is_one(gres, cards):
    (node,) = slurm_parser.nodes(f"NodeName=n CPUTot=2 {gres} RealMemory=100 State=IDLE")
    assert node.cards == cards


@pytest.mark.parametrize(
    ("state", "up"), [("IDLE", True), ("DOWN*", False), ("MIXED", True), ("DOWN+DRAIN", False)]
)
def test_a_node_that_is_down_is_told_apart(state, up):
    (node,) = slurm_parser.nodes(f"NodeName=n CPUTot=2 RealMemory=100 State={state}")
    assert node.is_up is up


def test_nodes_to_come_are_left_out():
    assert slurm_parser.nodes("NodeName=n CPUTot=2 RealMemory=100 State=FUTURE") == []


def test_something_else_is_refused():
    with pytest.raises(ValueError, match="no line of scontrol show node"):
        slurm_parser.nodes("slurm_load_node error: Unable to contact slurm controller")


def test_the_smallest_card_counts():
    said = "NVIDIA A100, 81920\nNVIDIA RTX A1000 Laptop GPU, 4096\n"
    assert slurm_parser.cards_mib(said) == ("NVIDIA RTX A1000 Laptop GPU", 4096)
    assert slurm_parser.cards_mib("No devices were found\n") is None

"""The learning benchmark plays on a table of its own where no measured one is at hand."""

import json

import pytest
from benchmark_script import output

SMALL = ("--seeds", "1", "--runs", "1", "--only", "bag x1 noise 0.3")


def run(*options):
    return output("learning/run.py", *SMALL, *options)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """What it said of two runs, and the file in which it wrote the means."""
    file = tmp_path_factory.mktemp("learning") / "earlier.json"
    return run(file.parent, "--runs", "2", "--json", file), file


def cell_of(file):
    (cell,) = json.loads(file.read_text()).values()
    return cell


def test_without_tables_it_says_so_and_plays_the_made_up_one(earlier):
    said, file = earlier
    assert "no measured table there" in said
    assert "made_up bag x1 noise 0.3" in said
    numbers = {name: len(ratios) for name, ratios in cell_of(file).items()}
    assert numbers == {"learned": 2, "serial": 2, "packed": 2}


def test_what_became_worse_than_another_time_is_marked(earlier, tmp_path):
    _, file = earlier
    assert "!" not in run("--against", file)
    better = tmp_path / "better.json"
    found = json.loads(file.read_text())
    for cell in found.values():
        cell["learned"] = [ratio / 2 for ratio in cell["learned"]]
    better.write_text(json.dumps(found))
    assert "2.00 !" in run("--against", better)


def test_other_seeds_can_be_played(earlier, tmp_path):
    _, file = earlier
    other = tmp_path / "other.json"
    run("--first", "1", "--json", other)
    assert cell_of(other)["serial"][0] != cell_of(file)["serial"][0]

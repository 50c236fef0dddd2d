"""The learning benchmark plays on a table of its own where no measured one is at hand."""

import json

from benchmark_script import output

SMALL = ("--seeds", "1", "--runs", "2", "--only", "bag x1 noise 0.3")


def run(*options):
    return output("learning/run.py", *SMALL, *options)


def test_without_tables_it_says_so_and_plays_the_made_up_one(tmp_path):
    said = run(tmp_path, "--json", tmp_path / "found.json")
    assert "no measured table there" in said
    assert "made_up bag x1 noise 0.3" in said
    (cell,) = json.loads((tmp_path / "found.json").read_text()).values()
    assert {name: len(ratios) for name, ratios in cell.items()} == {
        "learned": 2,
        "serial": 2,
        "packed": 2,
    }


def test_what_became_worse_than_another_time_is_marked(tmp_path):
    earlier = tmp_path / "earlier.json"
    run("--json", earlier)
    assert "!" not in run("--against", earlier)
    found = json.loads(earlier.read_text())
    for cell in found.values():
        cell["learned"] = [ratio / 2 for ratio in cell["learned"]]
    earlier.write_text(json.dumps(found))
    assert "2.00 !" in run("--against", earlier)

"""Whether a split model computed the bits of the whole one and lay where it was planned."""

import json
from pathlib import Path

import numpy as np


def same_bits(one, other):
    """The arrays' names and sizes; raises where a single bit differs."""
    with np.load(one) as split, np.load(other) as whole:
        if set(split) != set(whole):
            raise ValueError(f"{one} has {sorted(split)}, {other} has {sorted(whole)}")
        for name in split:
            alike = (
                split[name].dtype == whole[name].dtype and split[name].shape == whole[name].shape
            )
            if not alike or split[name].tobytes() != whole[name].tobytes():
                raise ValueError(f"{name} of {one} differs from that of {other}")
        return {name: split[name].size for name in split}


def lay_as_planned(facts):
    """Bytes by tier; raises where they are not those that were planned."""
    found = dict.fromkeys(("card", "RAM", "disk"), 0)
    for _, size, tier in facts["layers"]:
        found[tier] += size
    wanted = facts["planned"].get("here", found)
    if found != wanted:
        raise ValueError(f"{facts['model']} lay at {found}, planned was {wanted}")
    return found


def main(job):
    facts = json.loads(Path(job.input.facts).read_text())
    found = {
        "model": facts["model"],
        "numbers": same_bits(job.input.split, job.input.whole),
        "held": lay_as_planned(facts),
        "was_split": bool(facts["planned"]),
    }
    Path(job.output[0]).write_text(json.dumps(found, indent=1) + "\n")
    Path(job.log[0]).write_text("the same bits\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

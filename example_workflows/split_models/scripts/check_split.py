"""Fail unless a split model computed the bits of the whole one and lay where it was planned."""

import json
from pathlib import Path

from agreement import lay_as_planned, same_bits


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

"""The report, for people."""

import json
from pathlib import Path

import numpy as np

TIERS = ("card", "RAM", "disk")

REPORT = """\
# Models on a small card

![Where the bytes of each model lay]({picture})

## Where they lay
{where}{simulated}
## Split against whole
Each split model was loaded once more in one piece. No bit of its outputs differed, or this report
would not be here.

{checks}
## What they computed
The weights are random, so these numbers tell of shapes and not of biology.

{found}"""

SIMULATED = """
The card is a declared one: there is none in this machine, so what would lie on it lay in RAM. The
picture shows what `plan_overflow` says for a real card with as much room.
"""
NOT_PLACED = """
`not set` means that nvinx did not start the job: nothing was split.
"""


def markdown(heading, rows):
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def megabytes(layers):
    """Megabytes on each tier; nothing where there are none."""
    held = dict.fromkeys(TIERS, 0)
    for _, size, tier in layers:
        held[tier] += size
    return [f"{held[tier] / 1e6:.1f}" if held[tier] else "" for tier in TIERS]


def where_row(facts):
    placed = facts["placement"]
    times = f"{facts['load_s']} + {facts['compute_s']}"
    held = megabytes(facts["layers"])
    return [facts["model"], facts["kind"], facts["million"], placed, *held, times]


def check_row(check):
    numbers = ", ".join(f"{count} of `{name}`" for name, count in check["numbers"].items())
    planned = "as planned" if check["was_split"] else "not split"
    return [check["model"], numbers, planned]


def found(arrays):
    """A line for each model."""
    for path in arrays:
        with np.load(path) as values:
            said = "; ".join(map(sentence, values, values.values()))
        yield f"* `{Path(path).stem}`: {said}\n"


def sentence(name, values):
    match name:
        case "vectors":
            return f"{len(values)} proteins, a vector of {values.shape[1]} numbers each"
        case "surprise":
            return (
                f"{len(values)} genes, {values.mean():.3f} nats a codon "
                f"(chance is ln 64 = {np.log(64):.3f})"
            )
        case "logits":
            return f"{len(values)} clips of 200 bases"
        case _:
            return f"{len(values)} texts of {values.shape[1]} tokens `{name}`"


def main(job):
    facts = [json.loads(Path(path).read_text()) for path in job.input.facts]
    heading = ["model", "class", "10⁶ numbers", "placement", *(f"{t} (MB)" for t in TIERS)]
    outside = any(f["placement"] == "not set" for f in facts)
    simulated = any(f["simulated_card"] for f in facts)
    text = REPORT.format(
        picture=Path(job.input.picture).name,
        where=markdown([*heading, "load + compute (s)"], map(where_row, facts)),
        simulated=SIMULATED if simulated else NOT_PLACED if outside else "",
        checks=markdown(
            ["model", "equal numbers", "layers"],
            [check_row(json.loads(Path(path).read_text())) for path in job.input.checks],
        ),
        found="".join(found(job.input.arrays)),
    )
    Path(job.output[0]).write_text(text)
    Path(job.log[0]).write_text("written\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

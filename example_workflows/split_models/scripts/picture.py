"""Where the bytes of each model lay: layer by layer as it ran, and as it would on a real card."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

# Blue, green and vermilion of the Okabe-Ito palette, told apart with any colour vision.
COLOURS = {"card": "#0072B2", "RAM": "#009E73", "disk": "#D55E00"}
INK, GREY = "#333333", "#888888"


def draw_bar(axes, row, pieces, note):
    """pieces: bytes and tier of each, from left to right, with white between them."""
    left = 0.0
    for size, tier in pieces:
        axes.barh(
            row, size / 1e6, 0.72, left, color=COLOURS[tier], edgecolor="white", linewidth=0.5
        )
        left += size / 1e6
    axes.text(left + 1.5, row, note, va="center", fontsize=8, color=INK)


def said(pieces):
    """Megabytes by tier, in words."""
    held = dict.fromkeys(COLOURS, 0)
    for size, tier in pieces:
        held[tier] += size
    return ", ".join(f"{size / 1e6:.0f} MB {tier}" for tier, size in held.items() if size)


def bars(facts):
    """The bars of one model: label and pieces."""
    yield "here", [(size, tier) for _, size, tier in facts["layers"]]
    if facts["simulated_card"] and facts["planned"]:
        held = facts["planned"]["on_card"]
        yield "with a real card", [(held[tier], tier) for tier in COLOURS if held[tier]]


def draw(models, output):
    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    rows = [(facts, *bar) for facts in models for bar in bars(facts)]
    with mpl.rc_context(style):
        figure, axes = plt.subplots(figsize=(10, 1.5 + 0.42 * len(rows)), layout="constrained")
        at, ticks, last = 0.0, [], None
        for facts, label, pieces in rows:
            at -= 0.85 if facts is last else 1.25
            name, last = ("" if facts is last else f"{facts['model']}, "), facts
            draw_bar(axes, at, pieces, said(pieces))
            ticks.append((at, name + label))
        axes.set_yticks(*zip(*ticks, strict=True))
        axes.tick_params(axis="y", length=0)
        draw_card(axes, models)
        axes.set_xlabel("weights (MB), in the order of use")
        axes.set_xlim(0, 1.25 * max(sum(size for size, _ in pieces) for *_, pieces in rows) / 1e6)
        figure.legend(
            handles=[Patch(color=colour, label=tier) for tier, colour in COLOURS.items()],
            loc="outside upper right", ncols=3, frameon=False,
        )  # fmt: skip
        figure.suptitle("Where the bytes of each model lay", x=0.01, ha="left", fontsize=11)
        figure.savefig(output, dpi=120)


def draw_card(axes, models):
    """The room for weights that nvinx gives on the card, where it started the jobs that spill."""
    rooms = {facts["limits"]["0"] for facts in models if facts["planned"]}
    for room in rooms:
        axes.axvline(room / 1e6, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        axes.text(
            room / 1e6, 1.0, " the card's room", transform=axes.get_xaxis_transform(),
            fontsize=8, color=GREY, va="bottom", ha="center",
        )  # fmt: skip


def main(job):
    draw([json.loads(Path(path).read_text()) for path in job.input], job.output[0])
    Path(job.log[0]).write_text("drawn\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

"""Proteins as an encoder sees them, beside the genome that they come from."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from kmer_scores import kmer_scores
from matplotlib.patches import Polygon
from sequences import read_table

# Blue, vermilion and green of the Okabe-Ito palette, told apart with any colour vision.
PLUS, MINUS, OTHER, INK, GREY = "#0072B2", "#D55E00", "#009E73", "#333333", "#888888"
GROUPS = [
    ("lambda", "+", PLUS, "o", "lambda, + strand"),
    ("lambda", "-", MINUS, "s", "lambda, \N{MINUS SIGN} strand"),
    ("phix174", "+", OTHER, "^", "phiX174, + strand"),
]


def draw_projection(axes, rows):
    for genome, strand, colour, marker, label in GROUPS:
        group = [r for r in rows if (r["genome"], r["strand"]) == (genome, strand)]
        axes.scatter(
            [float(r["pc1"]) for r in group],
            [float(r["pc2"]) for r in group],
            [0.22 * int(r["amino_acids"]) for r in group],
            c=colour, marker=marker, alpha=0.75, linewidths=0.6, edgecolors="white",
            label=f"{label} ({len(group)})",
        )  # fmt: skip
    axes.set_xlabel(f"first axis ({float(rows[0]['share1']):.0%} of the variance)")
    axes.set_ylabel(f"second axis ({float(rows[0]['share2']):.0%} of the variance)")
    axes.margins(0.08)
    legend = axes.legend(loc="best", title="area: length of the protein", fontsize=8)
    legend.get_title().set_fontsize(8)
    for handle in legend.legend_handles:
        handle.set_sizes([40])


def draw_kmers(axes, scores, each=6):
    ranked = sorted(scores, key=lambda kmer: scores[kmer][2])
    shown = ranked[-each:] + ranked[:each][::-1]
    values = [scores[kmer][2] for kmer in shown]
    axes.barh(range(len(shown)), values, color=GREY)
    axes.set_yticks(range(len(shown)), shown, family="monospace", fontsize=8)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("copies above or below chance (standard deviations)")


def draw_genes(axes, rows):
    for row in rows:
        begin, end = (int(row[key]) / 1000 for key in ("begin", "end"))
        plus = row["strand"] == "+"
        low, tail, tip = (0.12, begin, end) if plus else (-0.88, end, begin)
        neck = tip - (1 if plus else -1) * min(0.35, end - begin)
        corners = [(tail, low), (neck, low), (tip, low + 0.38), (neck, low + 0.76)]
        axes.add_patch(
            Polygon([*corners, (tail, low + 0.76)], facecolor=PLUS if plus else MINUS,
                    edgecolor="white", linewidth=0.5)
        )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylim(-1.1, 1.1)
    axes.set_yticks([0.5, -0.5], ["+ strand", "\N{MINUS SIGN} strand"])
    axes.tick_params(axis="y", length=0)


def draw_skew(axes, rows):
    where, skew = ([float(r[key]) for r in rows] for key in ("middle_bp", "skew"))
    where = [bp / 1000 for bp in where]
    for side, colour in ((1, PLUS), (-1, MINUS)):
        cut = [max(side * value, 0) * side for value in skew]
        axes.fill_between(where, cut, color=colour, alpha=0.75, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("GC skew, (G\N{MINUS SIGN}C)/(G+C)")


def draw_content(axes, rows):
    axes.plot(
        [float(r["middle_bp"]) / 1000 for r in rows],
        [100 * float(r["gc"]) for r in rows],
        color=INK, linewidth=1.2,
    )  # fmt: skip
    axes.set_ylabel("GC content (%)")
    axes.set_xlabel("position in the lambda genome (kb)")


def draw(files, output):
    genes = [r for r in read_table(*files.genes) if r["genome"] == "lambda"]
    skew, style = read_table(files.skew), {"axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(
        {"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", **style}
    ):
        figure = plt.figure(figsize=(12, 7.5), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25), wspace=0.03)
        projection, kmers = left.subplots(2, 1, height_ratios=(1.6, 1))
        tracks = right.subplots(3, 1, sharex=True, height_ratios=(0.8, 1, 1))
        draw_projection(projection, read_table(files.projection))
        draw_kmers(kmers, kmer_scores(files.kmers))
        for draw_track, axes, rows in zip(
            (draw_genes, draw_skew, draw_content), tracks, (genes, skew, skew), strict=True
        ):
            draw_track(axes, rows)
        tracks[0].set_xlim(0, max(int(r["end"]) for r in genes) / 1000 + 0.5)
        projection.set_title("a  Proteins in the space of attention_large")
        kmers.set_title("b  4-mers of lambda that are most over- and under-used")
        tracks[0].set_title(f"c  Lambda: {len(genes)} genes found by pyrodigal")
        tracks[1].set_title("d  GC skew in windows of 1 kb: it follows the strand of the genes")
        tracks[2].set_title("e  GC content in windows of 1 kb")
        figure.savefig(output, dpi=120)


def main(job):
    draw(job.input, job.output[0])
    Path(job.log[0]).write_text("drawn\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

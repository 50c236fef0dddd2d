"""GC content and GC skew, (G - C) / (G + C), along a genome."""

import argparse

from sequences import read_fasta, table

WINDOW_BP, STEP_BP = 1000, 250


def skew_rows(sequence):
    """Middle of the window (bp), GC content and skew in it, G minus C before it (bp)."""
    for start in range(0, len(sequence) - WINDOW_BP + 1, STEP_BP):
        g, c = (sequence.count(base, start, start + WINDOW_BP) for base in "GC")
        before = sequence.count("G", 0, start) - sequence.count("C", 0, start)
        yield start + WINDOW_BP // 2, (g + c) / WINDOW_BP, (g - c) / max(g + c, 1), before


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("genome")
    (genome,) = read_fasta(parser.parse_args().genome).values()
    print(table(("middle_bp", "gc", "skew", "cumulative_bp"), skew_rows(genome)), end="")

"""4-mers of one window of a genome, against the same window shuffled.

A shuffle keeps the count of every pair of neighbouring bases (S. F. Altschul and B. W. Erickson,
Mol. Biol. Evol. 2:526, 1985), so a 4-mer that stands out is not explained by base composition.
"""

import argparse
import random
import statistics
from collections import Counter
from itertools import pairwise, product

from sequences import read_fasta, table

KMERS = ["".join(bases) for bases in product("ACGT", repeat=4)]


def count_kmers(sequence):
    return Counter(sequence[i : i + 4] for i in range(len(sequence) - 3))


def shuffle_pairs(sequence, rng):
    """A random sequence with the same neighbours: an Euler walk over its bases."""
    followers = {}
    for base, following in pairwise(sequence):
        followers.setdefault(base, []).append(following)
    final = draw_final_steps(followers, sequence[-1], rng)
    for base, choices in followers.items():
        if base in final:
            choices.remove(final[base])
        rng.shuffle(choices)
        if base in final:
            choices.append(final[base])
    return walk(sequence[0], followers)


def draw_final_steps(followers, end, rng):
    """The last step out of each base, drawn until all of them lead to `end`."""
    while True:
        final = {base: rng.choice(choices) for base, choices in followers.items() if base != end}
        if all(leads_to(base, end, final) for base in final):
            return final


def leads_to(base, end, final):
    for _ in final:
        base = final[base]
        if base == end:
            return True
    return False


def walk(base, followers):
    steps = {name: iter(choices) for name, choices in followers.items()}
    bases = [base]
    while (base := next(steps.get(base, iter(())), None)) is not None:
        bases.append(base)
    return "".join(bases)


def main(genome, window, windows, shuffles):
    (sequence,) = read_fasta(genome).values()
    size = len(sequence) // windows
    part = sequence[window * size : (window + 1) * size]
    observed = count_kmers(part)
    rng = random.Random(window)
    chance = [count_kmers(shuffle_pairs(part, rng)) for _ in range(shuffles)]
    rows = []
    for kmer in KMERS:
        counts = [one[kmer] for one in chance]
        mean, spread = statistics.fmean(counts), statistics.pstdev(counts)
        rows.append((kmer, observed[kmer], mean, spread))
    return table(("kmer", "observed", "shuffled_mean", "shuffled_sd"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("genome")
    parser.add_argument("--window", type=int, required=True)
    parser.add_argument("--windows", type=int, required=True)
    parser.add_argument("--shuffles", type=int, required=True)
    print(main(**vars(parser.parse_args())), end="")

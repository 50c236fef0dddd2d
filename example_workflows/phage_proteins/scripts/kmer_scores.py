"""Windows of 4-mer counts put together into one score a 4-mer."""

import math
from collections import defaultdict

from sequences import read_table


def kmer_scores(paths):
    """For each 4-mer: copies seen, copies expected by chance, standard deviations between them."""
    sums = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in read_table(*paths):
        total = sums[row["kmer"]]
        total[0] += int(row["observed"])
        total[1] += float(row["shuffled_mean"])
        total[2] += float(row["shuffled_sd"]) ** 2
    return {
        kmer: (int(seen), mean, (seen - mean) / math.sqrt(variance) if variance else 0.0)
        for kmer, (seen, mean, variance) in sums.items()
    }

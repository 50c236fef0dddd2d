"""How often each codon is used in the genes of a genome."""

import argparse
from collections import Counter

from sequences import read_fasta, table


def count_codons(genes):
    """Whole codons of all genes; a gene cut by the end of the genome may have a remainder."""
    return Counter(gene[i : i + 3] for gene in genes for i in range(0, len(gene) - 2, 3))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("genes")
    counts = count_codons(read_fasta(parser.parse_args().genes).values())
    total = sum(counts.values())
    rows = [(codon, count, 1000 * count / total) for codon, count in sorted(counts.items())]
    print(table(("codon", "count", "per_thousand"), rows), end="")

"""Protein-coding genes of one genome, by pyrodigal with its ready-made (metagenome) models."""

from pathlib import Path

from pyrodigal import GeneFinder
from sequences import read_fasta, table, write_fasta

COLUMNS = ("protein", "genome", "begin", "end", "strand", "amino_acids", "gc", "partial")


def main(job):
    genome = job.wildcards.genome
    (sequence,) = read_fasta(job.input[0]).values()
    found = GeneFinder(meta=True).find_genes(sequence.encode())
    names = [f"{genome}_{number:02d}" for number in range(1, len(found) + 1)]
    peptides = [gene.translate(include_stop=False) for gene in found]
    write_fasta(job.output.proteins, zip(names, peptides, strict=True))
    write_fasta(job.output.genes, zip(names, (gene.sequence() for gene in found), strict=True))
    lines = [
        (name, genome, gene.begin, gene.end, "+-"[gene.strand < 0], len(peptide), gene.gc_cont,
         int(gene.partial_begin or gene.partial_end))
        for name, peptide, gene in zip(names, peptides, found, strict=True)
    ]  # fmt: skip
    Path(job.output.table).write_text(table(COLUMNS, lines))
    Path(job.log[0]).write_text(f"{len(found)} genes in {len(sequence)} bp of {genome}\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

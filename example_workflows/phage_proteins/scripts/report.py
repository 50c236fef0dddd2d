"""The report, for people, and a summary in numbers that do not depend on the machine."""

import json
from pathlib import Path

from kmer_scores import kmer_scores
from sequences import read_fasta, read_table


def genome_facts(name, fasta, genes, codons):
    (sequence,) = read_fasta(fasta).values()
    rows, usage = read_table(genes), read_table(codons)
    return {
        "genome": name,
        "length_bp": len(sequence),
        "gc_percent": round(100 * sum(map(sequence.count, "GC")) / len(sequence), 2),
        "genes": len(rows),
        "on_minus_strand": sum(row["strand"] == "-" for row in rows),
        "amino_acids": sum(int(row["amino_acids"]) for row in rows),
        "commonest_codon": max(usage, key=lambda row: int(row["count"]))["codon"],
    }


def encoder_facts(path, projection):
    row = read_table(projection)[0]
    facts = json.loads(Path(path).read_text())
    return {**facts, "share1": float(row["share1"]), "share2": float(row["share2"])}


def markdown(rows, columns):
    """A table of the dicts' values at the keys of `columns`, which maps a key to its heading."""
    lines = [list(columns.values()), ["---"] * len(columns)]
    lines += [[str(row[key]) for key in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def kmer_rows(scores, each=4):
    ranked = sorted(scores, key=lambda kmer: scores[kmer][2])
    return [
        {"kmer": kmer, "seen": scores[kmer][0], "chance": f"{scores[kmer][1]:.1f}",
         "sd": f"{scores[kmer][2]:+.1f}"}
        for kmer in ranked[:each] + ranked[-each:]
    ]  # fmt: skip


GENOME_COLUMNS = {
    "genome": "genome", "length_bp": "length (bp)", "gc_percent": "GC (%)", "genes": "genes found",
    "on_minus_strand": "on the minus strand", "amino_acids": "residues",
    "commonest_codon": "commonest codon",
}  # fmt: skip
ENCODER_COLUMNS = {
    "encoder": "encoder", "kind": "kind", "layers": "layers", "width": "width",
    "weights_mb": "weights (MB)", "share1": "variance on axis 1",
}  # fmt: skip
PLACEMENT_COLUMNS = {
    "encoder": "encoder", "placement": "placement", "backend": "backend", "device": "device",
    "layers_on_device": "layers kept there", "layers": "of", "streamed_mb": "streamed (MB)",
    "peak_on_device_mb": "most held there (MB)", "seconds": "time (s)",
}  # fmt: skip
KMER_COLUMNS = {
    "kmer": "4-mer", "seen": "copies", "chance": "by chance", "sd": "standard deviations",
}  # fmt: skip
ALIGNMENT_COLUMNS = {
    "pairs": "pairs", "mean_with_itself": "mean with itself (SD)",
    "mean_with_others": "mean with others (SD)", "sd_with_others": "spread of the others (SD)",
    "placement": "placement", "backend": "backend", "device": "device", "seconds": "time (s)",
}  # fmt: skip

REPORT = """\
# Proteins of two phages

![Proteins and genome]({picture})

## Genomes
{genomes}
## Encoders
Their weights are random, from a fixed seed. What separates the proteins here is what an untrained
architecture makes of their composition and order.

{encoders}
How alike the encoders see the proteins (linear CKA, 1 is the same):

{agreement}
## Where they ran
`not set` means that nvinx did not start the job. Weights and what was held on the device are those
of the small encoders, not the sizes that the rules declare.

{placements}
## All against all
Scores in standard deviations above shuffled proteins.

{alignment}
## 4-mers of lambda
The four rarest and the four commonest for the base pairs that the genome has.

{kmers}"""


def write_report(files, parts, agreement, kmers):
    columns = {key: key for key in agreement[0]}
    return REPORT.format(
        picture=Path(files.picture).name,
        genomes=markdown(parts["genomes"], GENOME_COLUMNS),
        encoders=markdown(parts["encoders"], ENCODER_COLUMNS),
        agreement=markdown(agreement, columns),
        placements=markdown(parts["encoders"], PLACEMENT_COLUMNS),
        alignment=markdown([parts["alignment"]], ALIGNMENT_COLUMNS),
        kmers=markdown(kmer_rows(kmers), KMER_COLUMNS),
    )


def summary(parts, agreement, kmers):
    """What any machine should find, within rounding."""
    seen = ("pairs", "mean_with_itself", "mean_with_others", "sd_with_others")
    return {
        "genomes": parts["genomes"],
        "encoders": {
            e["encoder"]: {key: e[key] for key in ("weights_mb", "share1", "share2")}
            for e in parts["encoders"]
        },
        "agreement_with_attention_large": {
            row["encoder"]: float(row["attention_large"]) for row in agreement
        },
        "alignment": {key: parts["alignment"][key] for key in seen},
        "kmers": {row["kmer"]: [row["seen"], float(row["sd"])] for row in kmer_rows(kmers)},
    }


def main(job):
    files, names = job.input, job.params.genomes
    parts = {
        "genomes": [
            genome_facts(*four)
            for four in zip(names, files.genomes, files.genes, files.codons, strict=True)
        ],
        "encoders": [
            encoder_facts(*two) for two in zip(files.facts, files.projections, strict=True)
        ],
        "alignment": json.loads(Path(files.alignment).read_text()),
    }
    agreement = read_table(files.agreement)
    kmers = kmer_scores(path for path in files.kmers if Path(path).name.startswith("lambda"))
    Path(job.output.report).write_text(write_report(files, parts, agreement, kmers))
    text = json.dumps(summary(parts, agreement, kmers), indent=1)
    Path(job.output.summary).write_text(text + "\n")
    Path(job.log[0]).write_text("written\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

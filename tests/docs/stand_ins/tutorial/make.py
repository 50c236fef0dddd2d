"""A shorter genome of lambda, so that the tutorial's two runs take seconds."""

from pathlib import Path

genome = Path("example_workflows/phage_proteins/data/lambda.fa")
genome.write_text("".join(genome.read_text().splitlines(keepends=True)[:160]))

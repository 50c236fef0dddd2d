"""Make the folder of one model."""

from pathlib import Path

import torch
import transformers as hf
from models import build


def main(job):
    torch.set_num_threads(job.threads)
    hf.logging.disable_progress_bar()
    model = build(job.wildcards.model, Path(job.output[0]))
    count = sum(tensor.numel() for tensor in model.parameters())
    Path(job.log[0]).write_text(f"{count} numbers\n")


main(snakemake)  # noqa: F821 - Snakemake puts it here

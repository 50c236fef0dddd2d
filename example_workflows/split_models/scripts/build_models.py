"""Make the folder of each model."""

from pathlib import Path

import torch
import transformers as hf
from models import build


def main(job):
    torch.set_num_threads(job.threads)
    hf.logging.disable_progress_bar()
    folders = [Path(folder) for folder in job.output]
    counts = {folder.name: build(folder.name, folder).num_parameters() for folder in folders}
    Path(job.log[0]).write_text("".join(f"{name}: {n} numbers\n" for name, n in counts.items()))


main(snakemake)  # noqa: F821 - Snakemake puts it here

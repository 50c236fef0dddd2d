"""What each kind of model computes on the sequences, as numpy arrays by name.

Inputs go where the model's first layer is; transformers and accelerate see to the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers as hf
from sequences import RATE_HZ, clips, sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

BATCH = 12
RESIDUES, CODONS = 64, 64  # of each protein and gene, from its start
CLIPS = 6  # of each genome
NEW_TOKENS = 12


def encode_proteins(model: Any, folder: str, proteins: dict[str, str]) -> dict[str, np.ndarray]:
    """The mean over its residues of each protein's last hidden state."""
    tokeniser = hf.AutoTokenizer.from_pretrained(folder)
    rows = []
    for batch in batches(list(proteins.values())):
        tokens = tokeniser(
            batch, padding=True, truncation=True, max_length=RESIDUES, return_tensors="pt"
        ).to(model.device)
        states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        rows.append((states * mask).sum(1) / mask.sum(1))
    return {"vectors": fetch(torch.cat(rows))}


def read_codons(model: Any, folder: str, genes: dict[str, str]) -> dict[str, np.ndarray]:
    """How surprising each gene is, in nats a codon, and how the model would go on with some."""
    tokeniser = hf.AutoTokenizer.from_pretrained(folder)
    surprise = []
    for batch in batches(list(genes.values())):
        tokens = codons(tokeniser, batch, CODONS).to(model.device)
        logits = model(**tokens).logits[:, :-1].flatten(0, 1)
        wanted = tokens["input_ids"][:, 1:]
        each = torch.nn.functional.cross_entropy(logits, wanted.flatten(), reduction="none")
        mask = tokens["attention_mask"][:, 1:]
        surprise.append((each.view_as(wanted) * mask).sum(1) / mask.sum(1))
    begun = codons(tokeniser, list(genes.values())[:4], 16).to(model.device)
    grown = model.generate(**begun, do_sample=False, max_new_tokens=NEW_TOKENS)
    return {"surprise": fetch(torch.cat(surprise)), "continued": fetch(grown)}


def hear_tones(model: Any, folder: str, genomes: dict[str, str]) -> dict[str, np.ndarray]:
    """What the model writes down of each clip's log-mel spectrum, and the first step's logits."""
    extract = hf.AutoFeatureExtractor.from_pretrained(folder)
    heard = [sound(clip) for genome in genomes.values() for clip in clips(genome, CLIPS)]
    mel = extract(heard, sampling_rate=RATE_HZ, return_tensors="pt").input_features
    mel = mel.to(model.device)
    start = torch.full((len(heard), 1), model.config.decoder_start_token_id, device=mel.device)
    logits = model(input_features=mel, decoder_input_ids=start).logits
    written = model.generate(
        mel, decoder_input_ids=start, do_sample=False, max_new_tokens=NEW_TOKENS
    )
    return {"logits": fetch(logits), "written": fetch(written)}


COMPUTE = {
    "EsmModel": encode_proteins,
    "LlamaForCausalLM": read_codons,
    "WhisperForConditionalGeneration": hear_tones,
}


def codons(tokeniser: Any, genes: list[str], most: int) -> Any:
    """Token ids and mask of the first codons of each gene."""
    cut = [gene[: 3 * most] for gene in genes]
    return tokeniser(cut, padding=True, return_tensors="pt", return_token_type_ids=False)


def batches(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def fetch(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()

"""The models: shapes after published ones, random weights from a fixed seed, tokenisers made here.

Nothing is downloaded. A folder made by `build` is as complete as one from a model hub.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import torch
import transformers as hf
from sequences import CLIP_BASES, RATE_HZ, TONE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = 7
# The alphabet of ESM-2, in its order.
ESM_ALPHABET = [
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO.-",
    *("<null_1>", "<mask>"),
]
CODONS = ["<pad>", "<s>", "</s>", "<unk>", *map("".join, product("ACGT", repeat=3))]
BASES = ["<pad>", "<s>", "</s>", *"ACGT"]  # what the tones are heard as
CLIP_S = round(CLIP_BASES * TONE_S)
FRAMES = 100 * CLIP_S  # of 10 ms; the encoder halves them


def esm(width: int, layers: int) -> Any:
    """ESM-2: 320 x 6 is its 8M model, 480 x 12 its 35M model."""
    return hf.EsmModel(
        hf.EsmConfig(
            vocab_size=len(ESM_ALPHABET),
            pad_token_id=ESM_ALPHABET.index("<pad>"),
            mask_token_id=ESM_ALPHABET.index("<mask>"),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=20,
            position_embedding_type="rotary",
            token_dropout=True,
            emb_layer_norm_before=False,
        )
    )


def llama(width: int, layers: int) -> Any:
    return hf.LlamaForCausalLM(
        hf.LlamaConfig(
            vocab_size=len(CODONS),
            pad_token_id=CODONS.index("<pad>"),
            bos_token_id=CODONS.index("<s>"),
            eos_token_id=CODONS.index("</s>"),
            hidden_size=width,
            intermediate_size=width * 43 // 16,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
        )
    )


def whisper(width: int, layers: int) -> Any:
    return hf.WhisperForConditionalGeneration(
        hf.WhisperConfig(
            vocab_size=len(BASES),
            pad_token_id=BASES.index("<pad>"),
            bos_token_id=BASES.index("<s>"),
            eos_token_id=BASES.index("</s>"),
            decoder_start_token_id=BASES.index("<s>"),
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=width // 64,
            decoder_attention_heads=width // 64,
            encoder_ffn_dim=4 * width,
            decoder_ffn_dim=4 * width,
            max_source_positions=FRAMES // 2,
            max_target_positions=CLIP_BASES,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )


SHAPES: dict[str, tuple[Callable[[int, int], Any], int, int]] = {
    "esm_8m": (esm, 320, 6),
    "esm_35m": (esm, 480, 12),
    "codon_llama": (llama, 512, 10),
    "tone_whisper": (whisper, 256, 3),
}


def build(name: str, folder: Path) -> Any:
    """Make the folder of a model; returns the model."""
    make, width, layers = SHAPES[name]
    torch.manual_seed(SEED)
    model = make(width, layers)
    model.save_pretrained(folder)
    READERS[make](folder)
    return model


def _esm_tokeniser(folder: Path) -> None:
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(ESM_ALPHABET))
    hf.EsmTokenizer(str(vocabulary)).save_pretrained(folder)


def _codon_tokeniser(folder: Path) -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    ids = {codon: number for number, codon in enumerate(CODONS)}
    words = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("..."), "isolated")
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", ids["<s>"])]
    )
    hf.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(folder)


def _log_mel(folder: Path) -> None:
    hf.WhisperFeatureExtractor(sampling_rate=RATE_HZ, chunk_length=CLIP_S).save_pretrained(folder)


READERS = {esm: _esm_tokeniser, llama: _codon_tokeniser, whisper: _log_mel}

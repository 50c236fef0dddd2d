"""Small transformers models with random weights, built from configs when they are asked for."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WHY = "torch, transformers and accelerate are not installed (the extra hf): make test-models"


@dataclass(frozen=True, slots=True)
class Model:
    """A saved model, its class, and inputs for it."""

    folder: Path
    made: Any
    inputs: dict[str, Any]

    def logits(self, loaded: Any) -> Any:
        import torch

        with torch.inference_mode():
            return loaded.eval()(**self.inputs).logits


def pytest_collection_modifyitems(items):
    """Without the libraries these tests are skipped, visibly."""
    from importlib.util import find_spec

    if all(find_spec(name) for name in ("torch", "transformers", "accelerate")):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=WHY))


def _esm():
    import torch
    import transformers as hf

    config = hf.EsmConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=5,
        num_attention_heads=4,
        vocab_size=33,
        pad_token_id=1,
        mask_token_id=32,
    )
    return hf.EsmForMaskedLM(config), {"input_ids": torch.randint(4, 24, (2, 30))}


def _llama(tied):
    import torch
    import transformers as hf

    config = hf.LlamaConfig(
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=6,
        num_attention_heads=4,
        vocab_size=500,
        tie_word_embeddings=tied,
    )
    return hf.LlamaForCausalLM(config), {"input_ids": torch.randint(0, 500, (2, 20))}


def _whisper():
    import torch
    import transformers as hf

    config = hf.WhisperConfig(
        d_model=64,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        vocab_size=500,
        max_source_positions=100,
        pad_token_id=1,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    inputs = {
        "input_features": torch.randn(1, 80, 200),
        "decoder_input_ids": torch.randint(3, 400, (1, 5)),
    }
    return hf.WhisperForConditionalGeneration(config), inputs


BUILDERS = {
    "esm": _esm,
    "llama": lambda: _llama(tied=False),
    "tied llama": lambda: _llama(tied=True),
    "whisper": _whisper,
}


@pytest.fixture(params=list(BUILDERS), scope="session")
def model(request, tmp_path_factory) -> Model:
    import torch

    torch.manual_seed(3)
    made, inputs = BUILDERS[request.param]()
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    made.save_pretrained(folder)
    return Model(folder, type(made), inputs)


@pytest.fixture
def chance():
    return random.Random(5)

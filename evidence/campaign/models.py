"""Models as bioinformaticians run them, with random weights: shapes after published ones.

Each loader builds one on $EVIDENCE_DEVICE (`cuda`, 16-bit weights, by default; or `cpu`, 32-bit)
and enters the slice that campaign.slices is asked for. With $EVIDENCE_SMALL they are toys of the
same kind. Nothing is downloaded. Needs torch, and transformers but for `lstm_basecaller`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from campaign.slices import enter_wanted
from nvinx.calibration import ProfileTarget

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE, SMALL = "EVIDENCE_DEVICE", "EVIDENCE_SMALL"


def esm2_150m() -> ProfileTarget:
    """Eight proteins of 128 residues."""
    return _esm("esm2_150m", 8, 128)


def esm2_150m_long() -> ProfileTarget:
    """Four proteins of 1,024 residues."""
    return _esm("esm2_150m_long", 4, 1024)


def decoder_500m() -> ProfileTarget:
    """Eight tokens, one after the other, of a decoder shaped as Qwen2-0.5B."""
    import transformers as hf

    wide = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24}
    toy = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151_936}
    few = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 500}
    shape = _choose({**wide, **heads}, {**toy, **few})
    model = _placed(lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**shape)))
    prompt = _tokens(shape["vocab_size"], 1, 64)
    return _target("decoder_500m", lambda tokens: _decode(model, tokens, 8), prompt)


def whisper_base() -> ProfileTarget:
    """Thirty seconds of sound through the encoder, and 16 words through the decoder."""
    import transformers as hf

    sizes = _choose((512, 6, 8, 1500), (32, 1, 2, 50))
    width, layers, heads, frames = sizes
    config = hf.WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_source_positions=frames,
    )
    model = _placed(lambda: hf.WhisperModel(config))
    sound = _numbers(model, 1, config.num_mel_bins, 2 * frames)
    words = _tokens(config.vocab_size, 1, 16)
    return _target(
        "whisper_base", lambda x: model(input_features=x, decoder_input_ids=words), sound
    )


def bert_base() -> ProfileTarget:
    """Sixteen texts of 128 words."""
    import transformers as hf

    toy = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = hf.BertConfig(**_choose({}, toy))
    model = _placed(lambda: hf.BertModel(config))
    return _target("bert_base", lambda x: model(input_ids=x), _tokens(config.vocab_size, 16, 128))


def resnet_50() -> ProfileTarget:
    """Sixteen pictures of 224 x 224."""
    import transformers as hf

    toy = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    model = _placed(lambda: hf.ResNetModel(hf.ResNetConfig(**_choose({}, toy))))
    side, batch = _choose((224, 16), (32, 2))
    return _target("resnet_50", model, _numbers(model, batch, 3, side, side))


def lstm_basecaller() -> ProfileTarget:
    """Pieces of nanopore signal of 4,000 samples, as Bonito's convolutions and LSTMs read them."""
    from torch import nn

    width, batch, samples = _choose((384, 64, 4000), (16, 2, 200))

    class Basecaller(nn.Module):
        """Three convolutions that keep every fifth sample, five LSTMs in turns, a linear layer."""

        def __init__(self) -> None:
            super().__init__()
            shapes = ((1, 4, 5, 1), (4, 16, 5, 1), (16, width, 19, 5))
            self.stem = nn.Sequential(
                *(
                    layer
                    for i, o, k, s in shapes
                    for layer in (nn.Conv1d(i, o, k, s, k // 2), nn.SiLU())
                )
            )
            self.lstms = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(5))
            self.head = nn.Linear(width, 1024)

        def forward(self, signal: Any) -> Any:
            states = self.stem(signal).transpose(1, 2)
            for lstm in self.lstms:
                states = lstm(states.flip(1))[0]
            return self.head(states)

    model = _placed(Basecaller)
    return _target("lstm_basecaller", model, _numbers(model, batch, 1, samples))


LOADERS = (
    *(esm2_150m, esm2_150m_long, decoder_500m, whisper_base),
    *(bert_base, resnet_50, lstm_basecaller),
)
# Three that differ, and how they mix: what is asked of what pairs foretell.
TRIPLES = (
    ("esm2_150m", "decoder_500m", "lstm_basecaller"),
    ("esm2_150m_long", "whisper_base", "resnet_50"),
    ("decoder_500m", "whisper_base", "bert_base"),
    ("esm2_150m_long", "decoder_500m", "bert_base"),
    ("resnet_50", "lstm_basecaller", "esm2_150m"),
)


def _esm(name: str, batch: int, length: int) -> ProfileTarget:
    import transformers as hf

    shape = {"hidden_size": 640, "intermediate_size": 2560, "num_hidden_layers": 30}
    toy = {"hidden_size": 40, "intermediate_size": 80, "num_hidden_layers": 2}
    config = hf.EsmConfig(
        vocab_size=33,
        pad_token_id=1,
        mask_token_id=32,
        num_attention_heads=20,
        position_embedding_type="rotary",
        token_dropout=True,
        emb_layer_norm_before=False,
        **_choose(shape, toy),
    )
    model = _placed(lambda: hf.EsmModel(config))
    return _target(name, lambda x: model(input_ids=x), _tokens(24, batch, length, least=4))


def _decode(model: Any, tokens: Any, count: int) -> None:
    """Read the prompt, then write so many tokens, the likeliest each time."""
    past = None
    for _ in range(count):
        said = model(input_ids=tokens, past_key_values=past, use_cache=True)
        past, tokens = said.past_key_values, said.logits[:, -1:].argmax(-1)


def _device() -> str:
    return os.environ.get(DEVICE, "cuda")


def _choose(real: Any, toy: Any) -> Any:
    return toy if os.environ.get(SMALL) else real


def _placed(build: Callable[[], Any]) -> Any:
    """The model, made where it will run and in its dtype: no more memory than it needs."""
    import torch

    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16 if _device() == "cuda" else torch.float32)
    with torch.device(_device()):
        model = build().eval()
    torch.set_default_dtype(torch.float32)
    return model


def _tokens(most: int, *shape: int, least: int = 0) -> Any:
    import torch

    return torch.randint(least, most, shape, device=_device())


def _numbers(model: Any, *shape: int) -> Any:
    import torch

    like = next(model.parameters())
    return torch.randn(shape, device=like.device, dtype=like.dtype)


def _target(name: str, run: Callable[[Any], object], sample: Any) -> ProfileTarget:
    """run, without gradients and to its end, in the slice that was asked for."""
    import torch

    on_card = _device() == "cuda"
    kept = enter_wanted() if on_card else None

    def infer(inputs: Any) -> None:
        with torch.inference_mode():
            run(inputs)
        if on_card:
            torch.cuda.current_stream().synchronize()

    infer.kept = kept  # type: ignore[attr-defined]  # a slice lasts as long as its context
    return ProfileTarget(name, infer, sample, canonical_batch=1)

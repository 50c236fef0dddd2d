"""Save a decoder with random 16-bit weights: `python decoder.py FOLDER 1b|toy`."""

import json
import sys
from pathlib import Path

from campaign.libraries import demand

SHAPES = {
    "1b": (2048, 8192, 16, 32, 8, 32_000),  # as Llama 3.2 1B, with a smaller vocabulary
    "toy": (64, 160, 6, 4, 2, 500),
}


def make(folder, shape):
    import torch
    import transformers as hf

    width, deep, layers, heads, groups, words = shape
    config = hf.LlamaConfig(
        hidden_size=width,
        intermediate_size=deep,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=words,
        tie_word_embeddings=False,
    )
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = hf.LlamaForCausalLM(config)
    model.save_pretrained(folder)


def main(folder, size):
    demand("torch", "transformers", "accelerate")
    if not (folder / "config.json").exists():
        make(folder, SHAPES[size])
    bytes_ = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    print(json.dumps({"size": size, "bytes": bytes_}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

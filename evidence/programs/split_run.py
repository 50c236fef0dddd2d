"""Load a decoder with about a share of it off the card, and time it.

    python split_run.py FOLDER SHARE ROUNDS

Through nvinx's own plan and keyword arguments. Without a card the limit is on RAM, and the rest
lies on disk. One JSON line: the plan, where the layers really are, and seconds of each prefill and
of each token.
"""

import json
import sys
import time
from pathlib import Path

import torch
import transformers

from nvinx.catalog import Residency
from nvinx.overflow import from_config
from nvinx.overflow.split import plan_overflow
from nvinx.placement import CurrentPlacement

PROMPT, TOKENS = 512, 8
ON_CARD = torch.cuda.is_available()
DEVICE = "cuda:0" if ON_CARD else "cpu"


def placement(folder, share):
    """Whole, or with a limit that leaves about this share elsewhere; and what nvinx plans then."""
    if not share:
        return CurrentPlacement(None, DEVICE), None
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        parts = from_config.parts(transformers.AutoModelForCausalLM.from_config(config), 16)
    total = sum(part.size for part in parts)
    room = round(total * (1 - share)) + max(part.largest for part in parts)
    limits = {0: room, "cpu": 2 * total} if ON_CARD else {"cpu": room, "disk": total}
    found = CurrentPlacement(Residency.GPU_RAM_OVERFLOW, DEVICE, None, limits, "evidence")
    return found, plan_overflow(parts, found.tiers(), context=0)


def held(model):
    """Bytes by tier, by the map that transformers made."""
    if not hasattr(model, "hf_device_map"):
        return {}
    places = {name: str(place) for name, place in model.hf_device_map.items()}
    sizes = {}
    for part in leaves(from_config.parts(model)):
        above = [n for n in places if n in ("", part.name) or part.name.startswith(f"{n}.")]
        tier = places[max(above, key=len)]
        tier = tier if tier in ("cpu", "disk") else "card"
        sizes[tier] = sizes.get(tier, 0) + part.size
    return sizes


def leaves(parts):
    for part in parts:
        yield from leaves(part.parts) if part.parts else (part,)


def timed(run):
    if ON_CARD:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    result = run()
    if ON_CARD:
        torch.cuda.synchronize()
    return time.perf_counter() - begin, result


def decode(model, tokens):
    """Seconds of the prefill, and of each token after it."""
    times, past = [], None
    for _ in range(1 + TOKENS):
        took_s, said = timed(
            lambda tokens=tokens, past=past: model(tokens, past_key_values=past, use_cache=True)
        )
        times.append(took_s)
        past, tokens = said.past_key_values, said.logits[:, -1:].argmax(-1)
    return times[0], times[1:]


def main(folder, share, rounds):
    torch.set_num_threads(1)
    where, plan = placement(folder, share)
    kwargs = where.from_pretrained_kwargs(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **kwargs)
    words = torch.randint(0, model.config.vocab_size, (1, PROMPT), device=DEVICE)
    with torch.inference_mode():
        decode(model.eval(), words)
        runs = [decode(model, words) for _ in range(rounds)]
    planned = plan and {"card": sum(plan.cards), "cpu": plan.ram, "disk": plan.disk}
    found = {
        "share": share,
        "tiers": "card, RAM" if ON_CARD else "RAM, disk",
        "planned": planned,
        "held": held(model),
        "prefill_s": [prefill for prefill, _ in runs],
        "token_s": [each for _, tokens in runs for each in tokens],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))

"""A co-run table made from a seed, for where no measured one is at hand."""

import math
import random

from tables import Table

from nvinx.interference import CoRun

MODELS, SEED = 12, 20
SUFFERS_SD, HURTS_SD, MISFIT = 0.4, 0.7, 0.1


def made_up() -> Table:
    """What suffers times what hurts, but for what no such product explains."""
    draw = random.Random(SEED)
    names = [f"model{k}" for k in range(MODELS)]
    suffers = {name: draw.gauss(-0.25, SUFFERS_SD) for name in names}
    hurts = {name: draw.gauss(-0.25, HURTS_SD) for name in names}

    def slowdown(of: str, beside: str) -> float:
        return (1 + math.exp(suffers[of] + hurts[beside])) * math.exp(draw.gauss(0, MISFIT))

    coruns = [
        CoRun(a, b, slowdown(a, b), slowdown(b, a)) for k, a in enumerate(names) for b in names[k:]
    ]
    plain = dict.fromkeys(names, 1.0)
    return Table("made_up", {name: name for name in names}, plain, {}, tuple(coruns))

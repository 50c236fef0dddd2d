"""Co-run tables: JSON files with `models` (iter_ms, gpu_util in percent, family) and `pairs`
(a, b, slow_a, slow_b, flags). Flagged pairs are left out, one-sided ones keep the side they have.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from nvinx.interference import CoRun


@dataclass(frozen=True)
class Table:
    name: str
    family: dict[str, str]
    solo_ms: dict[str, float]
    utilisation: dict[str, float]
    coruns: tuple[CoRun, ...]

    @property
    def cross(self) -> list[CoRun]:
        """Two-sided co-runs of two different models."""
        return [run for run in self.coruns if run.a != run.b and run.slowdown_b is not None]


def read(path: Path) -> Table:
    plain = json.loads(path.read_text())
    models = plain["models"]
    coruns = [
        CoRun(pair["a"], pair["b"], pair["slow_a"], pair["slow_b"])
        for pair in plain["pairs"]
        if not set(pair["flags"]) - {"one_sided"}
    ]
    return Table(
        path.stem,
        {name: model["family"] for name, model in models.items()},
        {name: model["iter_ms"] for name, model in models.items()},
        {name: m["gpu_util"] / 100 for name, m in models.items() if "gpu_util" in m},
        tuple(coruns),
    )

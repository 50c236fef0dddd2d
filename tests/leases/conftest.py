"""A bench with one simulated card, and `nvinx` as a user starts it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from bench_folder import NVINX, BenchFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BENCH = "hardware: {cpu_cores: 4, ram_gb: 16, gpus: [{name: c, vram_gb: 4, simulated: true}]}\n"


class Bench(BenchFolder):
    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `nvinx WORDS`; what it says to its user is kept apart from what it prints."""
        words = (*NVINX, *words)
        return self.family.start(words, self.folder, self.environment(), stderr=subprocess.PIPE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.write("nvinx.yaml", BENCH)
    yield made
    made.family.close()

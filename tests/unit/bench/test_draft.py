"""The bench file that nvinx writes is one that it reads."""

import pytest
from builders import gpu_state
from msgspec.structs import replace

from nvinx.bench.draft import render
from nvinx.bench.parse import parse
from nvinx.bench.resolve import resolve
from nvinx.catalog import Residency
from nvinx.gpu.ports import GpuInventory
from nvinx.host.resources import Machine

MACHINE = Machine(cores=6, ram_mib=10_000)
CARD = gpu_state(total_mib=8000)


def read(text):
    return parse(text, "folder/nvinx.yaml")


@pytest.mark.parametrize("simulate", [None, 4, 0.5])
@pytest.mark.parametrize(
    "gpus",
    [(), (CARD,), (CARD, gpu_state(1, total_mib=8000)), (replace(CARD, name='a "b": #c\\'),)],
)
def test_the_file_that_is_written_can_be_read(gpus, simulate):
    inventory = GpuInventory(gpus, None if gpus else "there is\nno driver: # none")
    bench = resolve(read(render(MACHINE, inventory, simulate)), MACHINE, inventory)
    assert bench.cores == MACHINE.cores
    assert 0 <= MACHINE.ram_mib - bench.ram_mib <= 10
    assert bench.simulated == (simulate is not None)
    assert len(bench.cards) == (len(gpus) if simulate is None else 1)
    for card, gpu in zip(bench.cards, gpus, strict=False):
        assert card.simulated or 0 <= gpu.total_mib - card.total_mib <= 10


def test_the_models_of_a_written_file_can_be_uncommented():
    head, _, tail = render(MACHINE, GpuInventory()).partition("models:\n")
    file = read(f"{head}models:\n{tail.replace('#', ' ')}")
    assert file.models["esm2_150m"].residency is Residency.GPU_SHARED

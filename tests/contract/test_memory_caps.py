"""Declared VRAM is imposed where the framework allows, and no program is harmed by it."""

import json
import os
import subprocess
import sys

import pytest
from builders import card, cpu_claim, granted, part_claim, shared_claim

from nvinx.admission.job import Placement
from nvinx.bench.capacity import Capacity
from nvinx.catalog import Residency
from nvinx.leases import environment, memory_caps
from nvinx.leases.context import SITE
from nvinx.reasons import Why

CAPACITY = Capacity((card(),))
SHARED = granted(shared_claim(1300))
NEW = "__version__ = '2.10.1+cu130'\n"
OLD = "__version__ = '2.4.0'\n"
TORCH = """
import os
from types import SimpleNamespace
calls = []
cuda = SimpleNamespace(
    _lazy_call=lambda work: work(), set_per_process_memory_fraction=lambda f: calls.append(f)
)
conf = os.environ.get("PYTORCH_CUDA_ALLOC_CONF"), os.environ.get("PYTORCH_ALLOC_CONF")
"""


def test_each_framework_is_told_its_share_without_the_context():
    told = memory_caps.variables(SHARED, CAPACITY, "/site", {})
    assert told["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.2500"
    assert told["XLA_CLIENT_MEM_FRACTION"] == told["NVINX_VRAM_FRACTION"] == "0.2500"
    assert told["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert told["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert told["CUPY_GPU_MEMORY_LIMIT"] == str(1000 * 1024 * 1024)
    assert told["PYTHONPATH"] == "/site"


def test_fractions_are_of_the_whole_device_also_where_less_is_declared():
    limited = card(device_mib=8000)
    told = memory_caps.variables(SHARED, Capacity((limited,)), "/site", {})
    assert told["NVINX_VRAM_FRACTION"] == "0.1250"


def test_on_several_cards_the_cap_is_safe_on_each():
    both = granted(part_claim("1/2"), vram_mib=2000, more=("gpu-1",), more_mib=(4000,))
    capacity = Capacity((card(), card(1, total_mib=8000, device_mib=10_000)))
    told = memory_caps.variables(both, capacity, "/site", {})
    assert told["NVINX_VRAM_FRACTION"] == "0.3700"
    assert told["CUPY_GPU_MEMORY_LIMIT"] == str(1700 * 1024 * 1024)


def test_a_small_job_keeps_half_of_what_it_declared():
    small = granted(shared_claim(400))
    assert memory_caps.variables(small, CAPACITY, "/s", {})["NVINX_VRAM_FRACTION"] == "0.0500"


@pytest.mark.parametrize("residency", [Residency.GPU_EXCLUSIVE, Residency.GPU_RAM_OVERFLOW])
def test_who_has_the_card_alone_is_not_capped(residency):
    alone = Placement(residency, Why.WHOLE_CARD, "gpu-0", 4000)
    assert memory_caps.variables(alone, CAPACITY, "/site", {}) == {}
    assert memory_caps.variables(granted(cpu_claim()), CAPACITY, "/s", {}) == {}


def test_what_the_user_set_stays():
    mine = {"CUPY_GPU_MEMORY_LIMIT": "1", "PYTHONPATH": "/mine"}
    told = memory_caps.variables(SHARED, CAPACITY, "/site", mine)
    assert "CUPY_GPU_MEMORY_LIMIT" not in told
    assert told["PYTHONPATH"] == "/site:/mine"


@pytest.fixture
def python(tmp_path):
    """Runs code in a Python with a stand-in torch of this version, capped at a quarter."""

    def run(code, version=NEW, **environ):
        folder = tmp_path / "lib" / "torch"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "version.py").write_text(version)
        (folder / "__init__.py").write_text(TORCH)
        env = {
            **os.environ,
            "NVINX_VRAM_FRACTION": "0.25",
            "PYTHONPATH": f"{SITE}:{tmp_path / 'lib'}",
            **environ,
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_a_torch_that_knows_the_setting_gets_it_before_it_starts(python):
    assert python("import torch; print(*torch.conf, torch.calls)") == (
        "per_process_memory_fraction:0.25 None []"
    )


def test_settings_of_the_users_own_are_added_to(python):
    mine = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    assert python("import torch; print(torch.conf[0])", **mine) == (
        "expandable_segments:True,per_process_memory_fraction:0.25"
    )
    newer = {"PYTORCH_ALLOC_CONF": "backend:native"}
    assert python("import torch; print(torch.conf[1])", **newer).startswith("backend:native,per_")
    own = {"PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:0.9"}
    assert python("import torch; print(torch.conf[0])", **own) == "per_process_memory_fraction:0.9"


def test_an_older_torch_is_asked_when_cuda_starts(python):
    assert python("import torch; print(*torch.conf, torch.calls)", OLD) == "None None [0.25]"


def test_a_torch_that_cannot_be_understood_is_left_alone(python):
    assert python("import torch; print(torch.calls)", "nothing") == "[0.25]"


def test_a_python_without_torch_does_not_notice(python):
    assert python("import sys, json; print('torch' in sys.modules)") == "False"


def test_another_sitecustomize_still_runs(python, tmp_path):
    (tmp_path / "lib").mkdir(exist_ok=True)
    (tmp_path / "lib" / "sitecustomize.py").write_text("import os; os.environ['MINE'] = 'ran'\n")
    assert python("import os, sitecustomize; print(os.environ['MINE'])") == "ran"


def test_children_are_capped_too(python):
    code = (
        "import subprocess, sys; "
        "subprocess.run([sys.executable, '-c', 'import torch; print(torch.conf[0])'])"
    )
    assert python(code) == "per_process_memory_fraction:0.25"


def test_the_real_torch_accepts_its_cap():
    pytest.importorskip("torch", reason="torch is an extra: pip install .[torch]")
    env = {**os.environ, "NVINX_VRAM_FRACTION": "0.25", "PYTHONPATH": SITE}
    code = "import torch, os; print(torch.ones(2).sum().item())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2.0"


def test_a_part_of_a_card_is_a_cap_of_that_part_less_the_context():
    third = granted(part_claim("1/3"))
    told = memory_caps.variables(third, CAPACITY, "/site", {})
    assert told["CUPY_GPU_MEMORY_LIMIT"] == str((1333 - 300) * 1024 * 1024)
    assert told["NVINX_VRAM_FRACTION"] == f"{(1333 - 300) / 4000:.4f}"


def test_what_jobs_are_told_of_their_parts_is_no_more_than_the_card():
    told = [environment.variables("j", granted(part_claim(f"1/{n}")), CAPACITY) for n in (2, 3, 7)]
    most = 4000 * 1024 * 1024
    for n, each in zip((2, 3, 7), told, strict=True):
        assert n * json.loads(each["NVINX_MAX_MEMORY"])["0"] <= most
        assert n * int(each["NVINX_VRAM_MB"]) * 10**6 <= most

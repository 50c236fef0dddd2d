"""A placement in other programs' words: each from what the job was granted, no more."""

import json

import pytest
from click.testing import CliRunner

from nvinx.catalog import Residency
from nvinx.cli import frameworks, main
from nvinx.placement import CurrentPlacement

GB = 10**9
SPILLS = CurrentPlacement(
    Residency.GPU_RAM_OVERFLOW,
    "cuda:0",
    4000,
    {0: 3 * GB, "cpu": 8 * GB},
    "job",
    card_mb=4000,
)
SHARES = CurrentPlacement(Residency.GPU_SHARED, "cuda:0", 1000, {0: GB}, "job", card_mb=4000)
ON_CPU = CurrentPlacement(Residency.CPU_ONLY, "cpu", None, {}, "job")
OUTSIDE = CurrentPlacement(None, "cuda:0")


@pytest.mark.parametrize(
    ("here", "keep", "count"),
    [(SPILLS, 0, 5), (SPILLS, GB, 3), (SHARES, 0, 1), (ON_CPU, 0, 0)],
    ids=["spills", "with a cache", "shares", "cpu"],
)
def test_llama_cpp_gets_the_last_layers_that_fit(here, keep, count):
    layers = [3 * GB, *[GB // 2] * 5, GB * 6 // 10]  # the last ones go first
    assert frameworks.llama_cpp(here, layers, output=GB, keep=keep) == f"-ngl {count}"


def test_llama_cpp_gets_the_output_layer_when_all_others_fit():
    assert frameworks.llama_cpp(SPILLS, [GB, GB], output=GB) == "-ngl 3"


def test_jax_may_use_more_than_the_card_only_where_it_spills():
    assert frameworks.jax(SPILLS) == {
        "XLA_CLIENT_MEM_FRACTION": "2.750",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "2.750",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_UNIFIED_MEMORY": "1",
    }
    assert frameworks.jax(SHARES)["XLA_CLIENT_MEM_FRACTION"] == "0.250"
    assert "TF_FORCE_UNIFIED_MEMORY" not in frameworks.jax(SHARES)
    assert frameworks.jax(ON_CPU)["JAX_PLATFORMS"] == "cpu"


def test_several_cards_are_counted_and_the_least_share_is_taken_of_each():
    both = {0: GB, 1: 2 * GB}
    here = CurrentPlacement(
        Residency.GPU_SHARED, "cuda:0", 1000, both, "job", card_mb=4000, count=2
    )
    assert frameworks.vllm(here) == "--gpu-memory-utilization 0.25 --tensor-parallel-size 2"
    assert frameworks.jax(here)["XLA_CLIENT_MEM_FRACTION"] == "0.250"


def test_vllm_gets_its_share_and_what_to_keep_in_ram():
    assert frameworks.vllm(SPILLS) == "--gpu-memory-utilization 0.75 --cpu-offload-gb 7.5"
    assert frameworks.vllm(SHARES) == "--gpu-memory-utilization 0.25"
    assert frameworks.vllm(ON_CPU) == "--device cpu"


def test_deepspeed_offloads_parameters_to_ram_or_disk():
    ram = json.loads(frameworks.deepspeed(SPILLS, "/scratch"))["zero_optimization"]
    assert (ram["stage"], ram["offload_param"]["device"]) == (3, "cpu")
    on_disk = CurrentPlacement(
        Residency.GPU_RAM_OVERFLOW, "cuda:0", 1, {0: GB, "cpu": GB, "disk": GB}, "job"
    )
    disk = json.loads(frameworks.deepspeed(on_disk, "/scratch"))["zero_optimization"]
    assert disk["offload_param"] == {"device": "nvme", "nvme_path": "/scratch"}
    assert json.loads(frameworks.deepspeed(SHARES, "x"))["zero_optimization"] == {"stage": 0}


def test_outside_nvinx_a_program_has_the_card():
    assert frameworks.vllm(OUTSIDE).startswith("--gpu-memory-utilization 0.98")


# the command

JOB = {
    "NVINX_JOB": "engine.1",
    "NVINX_PLACEMENT": "gpu_ram_overflow",
    "NVINX_VRAM_MB": "4000",
    "NVINX_CARD_MB": "4000",
    "NVINX_MAX_MEMORY": '{"0": 3000000000, "cpu": 8000000000}',
    "NVINX_SIMULATED": "",
}


def nvinx(*args, env=JOB):
    return CliRunner().invoke(main, ["placement", *args], env=env)


def test_a_job_of_any_language_can_ask():
    said = json.loads(nvinx("--json").output)
    assert said["device"] == "cuda:0"
    assert said["max_memory"] == {"0": 3 * GB, "cpu": 8 * GB}
    assert "RAM: 8000 MB" in nvinx().output


def test_each_form_can_be_asked_for():
    assert "export TF_FORCE_UNIFIED_MEMORY=1" in nvinx("--for", "jax").output
    assert nvinx("--for", "vllm").output.startswith("--gpu-memory-utilization")
    assert "zero_optimization" in json.loads(nvinx("--for", "deepspeed").output)
    assert json.loads(nvinx("--for", "accelerate").output) == {"0": 3 * GB, "cpu": 8 * GB}


def test_llama_cpp_needs_the_file():
    result = nvinx("--for", "llama.cpp")
    assert result.exit_code == 2
    assert "--model FILE.gguf" in result.stderr


def test_a_file_that_is_no_gguf_is_one_line(tmp_path):
    pytest.importorskip("gguf", reason="gguf is not installed (the extra llama-cpp)")
    for content in (b"", b"nonsense", b"GGUF" + b"\xff" * 64):
        (tmp_path / "m.gguf").write_bytes(content)
        result = nvinx("--for", "llama.cpp", "--model", str(tmp_path / "m.gguf"))
        assert result.exit_code == 2, content
        assert "is not a GGUF file" in result.stderr


def test_layers_of_a_gguf_file_are_counted(tmp_path):
    gguf = pytest.importorskip("gguf", reason="gguf is not installed (the extra llama-cpp)")
    import numpy as np

    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    for name in ("token_embd", "output", *(f"blk.{n}.attn_q" for n in (0, 1, 10))):
        writer.add_tensor(f"{name}.weight", np.zeros((1000, 250), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    env = JOB | {"NVINX_MAX_MEMORY": '{"0": 2500000}'}
    result = nvinx("--for", "llama.cpp", "--model", str(tmp_path / "m.gguf"), env=env)
    assert result.output == "-ngl 2\n"


def test_without_the_package_the_fix_is_told(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gguf", None)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    result = nvinx("--for", "llama.cpp", "--model", str(tmp_path / "m.gguf"))
    assert "[llama-cpp]" in result.stderr


def test_outside_a_job_the_command_says_so():
    env = dict.fromkeys(JOB, "") | {"CUDA_VISIBLE_DEVICES": ""}
    assert "not placed by nvinx" in nvinx(env=env).output

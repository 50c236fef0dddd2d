"""Whatever others call a GPU is understood, or named as what is ignored."""

import pytest

from nvinx.catalog import Residency
from nvinx.jobs import gpu_words
from nvinx.jobs.hints import Common, read

A100 = "NVIDIA A100-SXM4-80GB"


def claim(**resources):
    return read("embed", gpu_words.translated(resources), Common(), {}, (), [A100])


def ignored(resources, of=gpu_words.readings):
    return [reading.name for reading in of(resources) if not reading.means]


def ignored_params(*params):
    return ignored(params, gpu_words.readings_of_params)


WHOLE_CARD = [
    {"gpus": 1},
    {"gpus": "1"},
    {"gpus": "a100:1"},
    {"ngpus": 1},
    {"ngpu": 1},
    {"n_gpus": 1},
    {"num_gpus": 1},
    {"gpu_count": True},
    {"nvidia_gpu": 1},
    {"request_gpus": 1},
    {"gpus_per_task": 1},
    {"gres": "gpu:1"},
    {"gres": "gpu"},
    {"gres": "gpu:a100:1"},
    {"gres": "gres/gpu:1"},
    {"gres": "lscratch:50,gpu:p100:1"},
    {"gres": "shard:3"},
    {"gres": "mps:50"},
    {"slurm_extra": "'--gres=gpu:1'"},
    {"slurm_extra": "--gpus=1 --nice"},
    {"slurm_extra": "--gpus a100:1"},
    {"slurm_extra": "--gpus-per-node=1"},
    {"slurm_extra": "-G 1"},
    {"slurm_extra": "--gres=shard:2"},
    {"slurm": "gres=gpu:1"},
    {"slurm": "partition=gpu gres=gpu:1 qos=short"},
    {"lsf_extra": "-gpu num=1:mode=shared"},
    {"sge_extra": "-l gpu=1"},
    {"pbs": "select=1:ncpus=4:ngpus=1"},
    {"cluster": "--gres gpu:1"},
    {"gpu_manufacturer": "nvidia"},
    {"gpu_model": "a100"},
    {"gpu_type": "any"},
    {"gpu": 1, "gpu_model": "a100"},
    {"nvidia_gpu": 1, "gpu_manufacturer": "NVIDIA", "gpu_model": "A100"},
    {"tasks_per_gpu": 1},
    {"cpus_per_gpu": 8, "mem_mb_per_gpu": 8000},
    {"GPU": 1},
    {"Gpu": "A100"},
    {"GPUS": 1},
    {"nGPU": 1},
    {"gpuCount": 1},
    {"GRES": "gpu:1"},
    {"use_gpu": True},
    {"requires_gpu": "yes"},
    {"CUDA": 1},
]


@pytest.mark.parametrize("resources", WHOLE_CARD, ids=str)
def test_what_asks_for_one_gpu_elsewhere_gets_the_card(resources):
    assert claim(**resources).residency is Residency.GPU_EXCLUSIVE
    assert ignored({k: v for k, v in resources.items() if k != "slurm"}) == []


@pytest.mark.parametrize(
    ("resources", "hint"),
    [
        ({"gpus": 2}, "2"),
        ({"gpus": "1-2"}, "1-2"),
        ({"gpus": "a100:2"}, "2"),
        ({"gres": "gpu:4"}, "4"),
        ({"gres": "gpu:v100:2"}, "2"),
        ({"slurm_extra": "--gpus=2"}, "2"),
        ({"gpus": 2, "gpus_per_node": "1-4"}, "1-4"),
        ({"gpu": 2, "gpu_manufacturer": "nvidia"}, "2"),
        ({"gpu": "1-2", "gpus": 4}, "1-2"),
    ],
    ids=str,
)
def test_more_than_one_gpu_is_asked_for_in_any_words(resources, hint):
    made = claim(**resources)
    assert (made.cards.hint, made.residency) == (hint, Residency.GPU_EXCLUSIVE)


@pytest.mark.parametrize(
    ("resources", "hint"),
    [
        ({"gpu": 2, "gpu_model": "a100"}, "2"),
        ({"gpu": "2", "gpu_type": "a100"}, "2"),
        ({"gpu": "1-2", "gpu_model": "a100"}, "1-2"),
        ({"gpu": True, "gpu_model": "a100"}, "1"),
        ({"gpus": 2, "gpu_model": "a100"}, "2"),
        ({"gpus": "1-3", "gpu_model": "a100"}, "1-3"),
        ({"gpu": "a100:2", "gpu_model": "h100"}, "2"),
    ],
    ids=str,
)
def test_several_cards_are_all_of_the_model_that_is_asked_for(resources, hint):
    made = claim(**resources)
    assert (made.cards.hint, made.card_name) == (hint, "a100")


def test_a_model_makes_no_card_of_none():
    assert not claim(gpu=0, gpu_model="a100").uses_gpu


@pytest.mark.parametrize(
    ("resources", "vram_mib"),
    [
        ({"gpu_mem_mb": 900}, 858),
        ({"gpu": 1, "gpu_memory_mb": 900}, 858),
        ({"gpus": 1, "gpu_mem": "900MB"}, 858),
        ({"gpu_mem_gb": 2}, 1907),
        ({"gpu_vram_gb": "1.5"}, 1430),
        ({"gpus_minimum_memory_mb": 900}, 858),
        ({"gpus": 1, "vram_mb": 900}, 858),
        ({"gpu_mem_mb": 4000, "vram_mb": 900}, 858),
        ({"VRAM_MB": 900}, 858),
        ({"vramMb": 900}, 858),
        ({"Vram": "900MB"}, 858),
        ({"vram_gb": 2}, 1907),
        ({"VRAM_GB": "1.5"}, 1430),
        ({"gmem_mb": 900}, 858),
        ({"video_mem": "900MB"}, 858),
        ({"VRAM_MB": 4000, "vram_mb": 900}, 858),
    ],
    ids=str,
)
def test_a_size_in_other_words_is_the_vram(resources, vram_mib):
    made = claim(**resources)
    assert (made.residency, made.vram_mib) == (Residency.GPU_SHARED, vram_mib)


@pytest.mark.parametrize(
    "resources",
    [
        {"gpus": 0},
        {"gpus": "0"},
        {"ngpus": 0, "vram_mb": 900},
        {"gres": ""},
        {"gres": "lscratch:50"},
        {"gpu": 0, "gres": "gpu:1"},
        {"gpu": "off", "gpu_model": "a100"},
        {"nvidia_gpu": 0, "gpu_model": ""},
        {"slurm_extra": "--mail-type=END"},
        {"tasks_per_gpu": -1},
        {"tmpdir": "/scratch/gpu/tmp", "weights": "/data/gpu/model.bin"},
        {"slurm_partition": "short", "virtual": 1},
        {"use_gpu": False, "device": "cpu"},
        {"phage": "T4", "machine_type": "n1-standard-4", "instance_type": "m5.large"},
        {"constraint": "haswell", "qos": "short"},
        {"h_vmem": "8G", "gram": "negative", "without_gpu": 1, "notGpu": 1, "nogpus": 1},
        {"video": 1, "cards": 3, "game": 1, "device_name": "sda"},
        {"slurm_partition": "nogpu", "queue": "non-gpu", "gpu_id": -1, "a100": 0},
        {"slurm_extra": "'--exclude=gpu01,gpu02 -x gpu3'", "constraint": "!gpu"},
        {"slurm_exclude_nodes": "gpu01"},
    ],
    ids=str,
)
def test_what_asks_for_no_gpu_stays_on_the_cpu_without_a_word(resources):
    assert claim(**resources).residency is Residency.CPU_ONLY
    assert ignored(resources) == []


@pytest.mark.parametrize(
    "resources",
    [
        {"slurm_partition": "gpu"},
        {"partition": "gpu_short"},
        {"queue": "long-gpu"},
        {"slurm_partition": "gpuq"},
        {"partition": "biogpu"},
        {"qos": "dgx"},
        {"v100": 1},
        {"a100": 2},
        {"mig": "1g.5gb"},
        {"gpu_device": 0},
        {"gpuid": "0"},
        {"cuda_id": 0},
        {"apptainer_extra": "--nv"},
        {"gpu_manufacturer": "amd"},
        {"gpus": "all"},
        {"gpu_mem": 8},
        {"use_gpu": 2},
        {"gpu_slots": 2},
        {"device": "cuda:0"},
        {"constraint": "nvidia"},
        {"slurm_extra": "--constraint=gpu"},
        {"constraint": "a100|v100"},
        {"slurm_partition": "rtx8000"},
        {"accelerator": 1},
        {"rocm": True},
        {"min_vram": 4},
        {"machine_type": "g2-standard-4"},
        {"googlebatch_machine_type": "a2-highgpu-1g"},
        {"instance_type": "g4dn.xlarge"},
        {"vm_size": "Standard_NC6s_v3"},
        {"gmem": 900},
        {"device_memory": 8},
        {"__gpus": 1},
        {"usegpu": 1},
        {"hasGPU": True},
        {"minvram": 4},
        {"use_cuda": 2},
        {"graphics_card": 1},
    ],
    ids=str,
)
def test_what_looks_like_a_gpu_and_says_too_little_is_named(resources):
    assert claim(**resources).residency is Residency.CPU_ONLY
    assert ignored(resources) == list(resources)


def test_params_are_the_programs_but_for_a_schedulers():
    params = {"gres": "gpu:1", "gpus": 1, "extra": "--use-gpu", "device": "cuda", "k": 31}
    assert ignored_params(*params.items()) == ["gpus", "extra", "device"]
    quiet = {"extra": "--no-gpu", "model": "weights/gpu.bin", "gpus": 0, "device": "cpu"}
    assert ignored_params(*quiet.items()) == []


def test_params_are_looked_at_whatever_they_hold():
    assert ignored_params(("params", "gpu"), ("params", "--gpus 1")) == ["params", "params"]
    assert ignored_params(("options", ["--gpus", "1"]), ("program", {"device": "cuda"})) == [
        "options",
        "device",
    ]
    (word,) = gpu_words.readings_of_params([("cluster", {"gres": "gpu:1", "k": None})])
    assert word.means == {"gpu": 1}

"""What stands before docker and the others in a task's PATH, by the words that these get."""

import os
import subprocess
from pathlib import Path

import pytest

OURS = Path(__file__).parents[3] / "nextflow" / "containers"
PROGRAMS = ("docker", "podman", "apptainer", "singularity", "ch-run")
ONE = {"CUDA_VISIBLE_DEVICES": "GPU-b", "NVINX_GPU_INDEX": "1", "NVINX_PLACEMENT": "gpu_shared"}
TWO = ONE | {"CUDA_VISIBLE_DEVICES": "GPU-b,GPU-c", "NVINX_GPU_INDEX": "1,2"}
PART = ONE | {"CUDA_VISIBLE_DEVICES": "MIG-d"}
CPU = {"CUDA_VISIBLE_DEVICES": "", "NVINX_GPU_INDEX": "", "NVINX_PLACEMENT": "cpu_only"}


@pytest.fixture
def words(tmp_path):
    """The words that the real program gets."""
    for program in PROGRAMS:
        file = tmp_path / program
        file.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        file.chmod(0o755)
    path = f"{OURS}:{tmp_path}:{os.environ['PATH']}"

    def call(line, given):
        environ = {"PATH": path, **given}
        done = subprocess.run(line.split(), env=environ, capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    return call


@pytest.mark.parametrize(
    ("line", "given", "expected"),
    [
        ("docker run -i img bash", ONE, "run --gpus device=GPU-b -i img bash"),
        ("docker run --gpus all img", ONE, "run --gpus device=GPU-b img"),
        ("docker run --gpus=all img", TWO, 'run --gpus "device=GPU-b,GPU-c" img'),
        ("docker run --gpus all --device /dev/fuse img", CPU, "run --device /dev/fuse img"),
        (
            "docker run -e NVIDIA_VISIBLE_DEVICES=all img",
            ONE,
            "run --gpus device=GPU-b -e NVIDIA_VISIBLE_DEVICES=GPU-b img",
        ),
        ("docker run --device nvidia.com/gpu=all img", PART, "run --gpus device=MIG-d img"),
        (
            "docker run --env=NVIDIA_VISIBLE_DEVICES=all i",
            CPU,
            "run --env=NVIDIA_VISIBLE_DEVICES=void i",
        ),
        ("docker --tls run --gpus all img", ONE, "--tls run --gpus device=GPU-b img"),
        ("docker --config /d run --gpus all img", CPU, "--config /d run img"),
        ("docker stop run", ONE, "stop run"),
        ("docker stop it", ONE, "stop it"),
        (
            "podman --log-level error run i",
            ONE,
            "--log-level error run --device nvidia.com/gpu=1 i",
        ),
        ("podman run --device nvidia.com/gpu=all i", ONE, "run --device nvidia.com/gpu=1 i"),
        (
            "podman run img",
            TWO,
            "run --device nvidia.com/gpu=1 --device nvidia.com/gpu=2 img",
        ),
        ("podman run --device=nvidia.com/gpu=0 i", PART, "run --device nvidia.com/gpu=MIG-d i"),
        ("podman run --device=/dev/nvidia0 img", CPU, "run img"),
        ("apptainer exec --no-home img", ONE, "exec --nv --no-home img"),
        ("apptainer exec --nv img exec x", ONE, "exec --nv img exec x"),
        ("apptainer exec --nv img", CPU, "exec img"),
        ("singularity -q run img", ONE, "-q run --nv img"),
        ("singularity run --nv img", CPU, "run img"),
        ("ch-run --unset-env=* --set-env img -- x", ONE, "--unset-env=* --set-env img -- x"),
        (
            "ch-run --unset-env=* --set-env img -- x",
            CPU,
            "--unset-env=* --set-env --set-env=CUDA_VISIBLE_DEVICES= img -- x",
        ),
    ],
)
def test_a_container_gets_the_cards_of_its_lease_and_no_others(words, line, given, expected):
    assert words(line, given) == expected.split()


@pytest.mark.parametrize("prefix", ["SINGULARITYENV_", "APPTAINERENV_"])
def test_a_program_in_an_empty_environment_is_told_by_the_prefix(words, prefix):
    given = {f"{prefix}{name}": value for name, value in ONE.items()}
    assert words("singularity exec img", given) == ["exec", "--nv", "img"]


@pytest.mark.parametrize("given", [{}, ONE | {"NVINX_SIMULATED": "1"}])
@pytest.mark.parametrize("program", PROGRAMS)
def test_without_a_lease_or_with_a_simulated_card_the_words_stay(words, program, given):
    line = f"{program} run --gpus all --nv --set-env img"
    assert words(line, given) == line.split()[1:]


def test_words_with_blanks_stay_whole(words, tmp_path):
    file = tmp_path / "docker"
    path = f"{OURS}:{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [file.name, "run", "-v", "a b:c $(d)", "--gpus", "all", "img"],
        env={"PATH": path, **ONE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a b:c $(d)\n" in done.stdout

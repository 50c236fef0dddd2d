"""Runs the campaign on real cards as its users do: on CPU workers, and on a card made of RAM."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import fake_library
import pytest

RUN = Path(__file__).parents[1] / "run.py"
MIB = 2**20
CARD = f"gpu 0 GPU-0 {4096 * MIB} {96 * MIB} {100 * MIB}\ncard 0 2048 8 6 37 25500 1530 61\n"
# Answers as the MPS control program does; a client list that is empty is one line less.
CONTROL = """\
#!/bin/sh
[ "$1" = -d ] && exec touch "$CUDA_MPS_PIPE_DIRECTORY/control"
test -e "$CUDA_MPS_PIPE_DIRECTORY/control" || exit 1
read -r asked
case "$asked" in
get_server_list) echo 77 ;;
quit*) rm "$CUDA_MPS_PIPE_DIRECTORY/control" ;;
esac
"""


@dataclass
class Campaign:
    """The campaign's command with the options of one place, and the lines that it left."""

    out: Path
    options: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, part, *words, program=(RUN,)):
        options = (*self.options, "--out", self.out)
        return self.command(part, *options, *words, program=program)

    def publish(self, *words):
        return self.command("publish", self.out, *words)

    def command(self, *words, program=(RUN,)):
        return subprocess.run(
            [sys.executable, *program, *words],
            env={**os.environ, "NVINX_STATE_DIR": str(self.out / "state"), **self.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def lines(self, part):
        text = (self.out / f"{part}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def data(self, part):
        return {line["key"]: line["data"] for line in self.lines(part)}


@pytest.fixture
def cpu_workers(tmp_path):
    scratch = tmp_path / "scratch"
    return Campaign(tmp_path / "out", ("--device", "cpu", "--small", "--scratch", str(scratch)))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A folder with our libnvidia-ml.so.1 and libcuda.so.1."""
    folder = fake_library.build(tmp_path_factory.mktemp("libraries"))
    source, target = Path(__file__).with_name("fake_cuda.c"), folder / "libcuda.so.1"
    flags = ("-Wall", "-Werror", "-shared", "-fPIC")
    subprocess.run([shutil.which("gcc"), *flags, "-o", target, source], check=True)
    return folder


@pytest.fixture
def made_of_ram(tmp_path, libraries):
    """A card that NVML shows and CUDA allocates from; MPS's control program is there, too."""
    (tmp_path / "card").write_text(CARD)
    control = tmp_path / "bin" / "nvidia-cuda-mps-control"
    control.parent.mkdir()
    control.write_text(CONTROL)
    control.chmod(0o755)
    environ = {
        "LD_LIBRARY_PATH": str(libraries),
        "NVINX_FAKE_NVML": str(tmp_path / "card"),
        "FAKE_CUDA_MIB": "2048",
        "PATH": f"{control.parent}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    options = ("--small", "--scratch", str(tmp_path / "scratch"))
    return Campaign(tmp_path / "out", options, environ)

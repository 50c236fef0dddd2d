"""A real Nextflow with nvinx.config: its tasks share the card, and no lease outlives its task."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from waiting import GIVE_UP_S, eventually

HERE = Path(__file__).parent
GPU = ("-c", str(HERE / "gpu.config"))
SNAKEFILE = """
GPU, TRUTH = os.environ["GPU"], os.environ["TRUTH"]
rule all:
    input: expand("out/{n}", n=range(3)), "out/whole"
rule small:
    output: "out/{n,[0-9]}"
    resources: vram_mb=900
    shell: "{GPU} {TRUTH} snake{wildcards.n} 900 1 plain && touch {output}"
rule whole:
    output: "out/whole"
    resources: gpu=1
    shell: "{GPU} {TRUTH} snakealone 4000 1 plain && touch {output}"
"""
SNAKEMAKE = (
    *(sys.executable, "-m", "snakemake", "--executor", "nvinx", "--jobs", "unlimited"),
    *("--cores", "8"),
)


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nextflow_and_snakemake_share_one_card_and_resuming_is_all_cached(flow):
    """Then the placement changes, and a resumed run finds every task cached."""
    flow.write("Snakefile", SNAKEFILE)
    other = flow.start(*SNAKEMAKE)
    done = flow.run(*flow.nextflow("workload.nf", *GPU, "--gpu_s", "1"))
    said, _ = other.communicate(timeout=GIVE_UP_S)
    assert (done.returncode, other.returncode) == (0, 0), done.stdout + said
    assert len(flow.ran()) == 11 + 4
    assert flow.overbooked() == []
    assert flow.held() == set()
    flow.write("moved.config", "process { withName: SMALL { ext.vram_gb = 1.5 \n maxForks = 2 } }")
    again = flow.run(
        *flow.nextflow("workload.nf", *GPU, "-c", "moved.config", "--gpu_s", "1", "-resume")
    )
    assert again.returncode == 0, again.stdout
    assert again.stdout.count("Cached process") == 11
    assert len(flow.ran()) == 11 + 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_nextflow_that_is_ended_leaves_nothing_and_nothing_starts_later(flow, number):
    process = flow.start(*flow.nextflow("workload.nf", *GPU, "--gpu_s", "3600"))
    assert eventually(lambda: flow.held() and flow.waits())
    process.send_signal(number)
    assert eventually(lambda: not flow.family.living())
    ran = flow.ran()
    assert not eventually(lambda: flow.family.living() or flow.ran() != ran, 2)
    assert (flow.held(), flow.waits()) == (set(), set())


def test_a_killed_wrapper_leaves_the_lease_with_the_child(flow):
    gate = flow.folder / "gate"
    process = flow.start(*flow.nextflow("workload.nf", *GPU, "--gpu_s", "0", "--gate", str(gate)))
    assert eventually(flow.programs)
    (child, *_) = flow.programs()
    ancestors = child.parents()
    wrapper = ancestors[[parent.pid for parent in ancestors].index(process.pid) - 1]
    name = flow.name_of(Path(wrapper.cwd()) / ".command.run")
    wrapper.kill()
    assert not eventually(lambda: name not in flow.held(), 2)
    assert is_alive(child)
    gate.touch()
    process.communicate(timeout=GIVE_UP_S)
    assert flow.overbooked() == []


def test_a_stub_run_takes_no_lease(flow):
    done = flow.run(*flow.nextflow("workload.nf", *GPU, "--gpu_s", "1", "-stub"))
    assert done.returncode == 0, done.stdout
    assert len(list(flow.truth.glob("stub*"))) == 5
    assert not (flow.state / "ledger.db").exists()


def test_wrong_wishes_fail_their_own_task_with_one_line_and_ignore_stays_ignore(flow):
    done = flow.run(*flow.nextflow("wrong.nf", *GPU))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Error is ignored") == 5
    assert not (flow.truth / "wrong").exists()
    logs = flow.logs()
    assert logs["SIZE"].count("\n") == 1
    assert "task SIZE: ext.vram_gb='lots': this is not a number of GB. Fix:" in logs["SIZE"]
    assert "task MODE: ext.nvinx_mode='sharde': nvinx knows no such mode. Fix:" in logs["MODE"]
    assert "task LABEL: label: begins with nvinx_, but nvinx knows no such label" in logs["LABEL"]
    assert "LARGE needs 9.00 GB of VRAM; the largest card can give 4.00 GB" in logs["LARGE"]
    assert "exit status (3) -- Error is ignored" in done.stdout


def test_without_nvinx_on_path_the_error_report_says_so_in_one_line(flow):
    folders = flow.environment()["PATH"].split(":")
    flow.environ["PATH"] = ":".join(f for f in folders if not os.path.exists(f"{f}/nvinx"))
    done = flow.run(*flow.nextflow("hungry.nf", *GPU))
    assert done.returncode == 1
    report = done.stdout.partition("Command exit status:")[2]
    assert "127" in report
    assert report.count("the command nvinx is not on PATH. Fix:") == 1
    assert flow.ran() == []


def test_a_task_that_runs_out_of_memory_is_retried_with_more_room(flow):
    retry = str(HERE.parents[1] / "nextflow" / "nvinx-retry.config")
    done = flow.run(*flow.nextflow("hungry.nf", *GPU, "-c", retry))
    assert done.returncode == 0, done.stdout
    assert flow.ran() == ["gpu_shared:900", "gpu_shared:1350", "gpu_exclusive:3999"]
    assert done.stdout.count("error exit status (144)") == 2
    assert "ran out of GPU memory in 0.90 GB of the card; it is retried" in flow.logs()["HUNGRY"]


CONTAINER = """#!/usr/bin/env {python}
# Runs what it was asked to in an environment as clean as a container's.
import os, sys
words, given = sys.argv[1:], {{"PATH": os.environ["PATH"]}}
given |= {{k.partition("ENV_")[2]: v for k, v in os.environ.items() if "{prefix}" in k}}
for option, value in zip(words, words[1:]):
    name, _, text = value.partition("=")
    if option == "-e" and (text or name in os.environ):
        given[name] = text or os.environ[name]
if words[0] in ("run", "exec"):
    script = next(i for i, word in enumerate(words) if word == "/bin/bash")
    os.execve("/bin/bash", words[script:], given)
"""


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer", "singularity"])
def test_a_container_is_told_its_placement(flow, engine):
    text = CONTAINER.format(python=sys.executable, prefix=f"{engine.upper()}ENV_")
    flow.write(f"bin/{engine}", text).chmod(0o755)
    flow.write("some/image", "")
    flow.environ["PATH"] = f"{flow.folder / 'bin'}:{flow.environment()['PATH']}"
    flow.write("engine.config", f"{engine}.enabled = true\n{engine}.libraryDir = '/'\n")
    done = flow.run(*flow.nextflow("contained.nf", *GPU, "-c", "engine.config"))
    assert done.returncode == 0, done.stdout
    (seen,) = flow.folder.glob("work/*/*/seen")
    seen = dict(line.partition("=")[::2] for line in seen.read_text().splitlines())
    assert seen["NVINX_PLACEMENT"] == "gpu_shared"
    assert seen["NVINX_VRAM_MB"] == "900"
    assert seen["CUDA_VISIBLE_DEVICES"] == "0"
    assert seen["NVINX_JOB"]
    assert float(seen["XLA_CLIENT_MEM_FRACTION"]) < 0.23


QUOTED = """
process {name} {{
    label 'nvinx_gpu_shared'
    errorStrategy 'ignore'
    ext {directive}: "0.9'; touch $TRUTH/ran; echo '"
    script: 'true'
}}
"""


def test_what_a_process_says_is_never_run_by_its_wrapper(flow):
    said = {"MODEL": "nvinx_model", "SIZE": "vram_gb", "BENCH": "nvinx_bench"}
    processes = [
        QUOTED.format(name=name, directive=directive).replace("$TRUTH", str(flow.truth))
        for name, directive in said.items()
    ]
    flow.write("quotes.nf", "".join(processes) + f"workflow {{ {'(); '.join(said)}() }}\n")
    done = flow.run(*flow.nextflow("quotes.nf", *GPU))
    assert done.stdout.count("Error is ignored") == 3, done.stdout
    for name in said:
        assert "touch" in flow.logs()[name], "it is told as a word that makes no sense"
    assert not flow.ran()


HOSTILE = r"""
process TASK {
    label 'gpu'
    tag { word }
    errorStrategy 'ignore'
    input: val word
    script: 'echo ok >> $TRUTH/ran'
}
workflow {
    TASK(Channel.of(
        "it's", 'say "x"', '$(touch $TRUTH/wrong)', '`touch $TRUTH/wrong`',
        "'; touch \$TRUTH/wrong; '", '\\', '!! ${HOME} *', '--mode cpu', "ümlaut ☃"
    ))
}
"""


def test_whatever_a_task_is_called_its_wrapper_runs_it_and_nothing_else(flow):
    """But for a line break, with which Nextflow's own wrapper is no shell script."""
    flow.write("hostile.nf", HOSTILE)
    done = flow.run(*flow.nextflow("hostile.nf", *GPU))
    assert done.returncode == 0, done.stdout
    assert "Error is ignored" not in done.stdout
    assert flow.ran() == ["ok"] * 9
    assert not (flow.truth / "wrong").exists()
    seen = json.loads(flow.run("nvinx", "jobs", "--json").stdout)["jobs"]
    assert len(seen) == 9
    assert any("it's" in job["name"] for job in seen)

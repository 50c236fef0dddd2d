"""On a real Nextflow: a task that shows by any sign that it wants a GPU takes a lease."""

from __future__ import annotations

import shutil
from pathlib import Path

import cached_nextflow
import pytest

HERE = Path(__file__).parent
SELECTORS = """
process {
    withName: COMPUTED { accelerator = { task.attempt } }
    withName: NAMED { ext.nvinx_mode = 'shared'; ext.vram_gb = 1.5 }
    withName: SWITCHED { ext.use_gpu = true }
}
"""
WITHOUT = {"CPU", "OWN_SCRIPT"}


@pytest.fixture
def signs(flow):
    """A pipeline with every sign, in the bench's folder, and Nextflow on PATH."""
    shutil.copy(HERE / "pipelines/signs.nf", flow.folder / "main.nf")
    flow.write("nextflow.config", SELECTORS)
    flow.environ["PATH"] = f"{cached_nextflow.FOLDER}:{flow.environment()['PATH']}"
    return flow


def placements(flow):
    return {file.name: file.read_text().split() for file in flow.truth.iterdir()}


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_each_sign_takes_a_lease_and_no_sign_takes_none(signs, two_parsers, parser):
    signs.environ["NXF_SYNTAX_PARSER"] = parser
    done = signs.run(*signs.nextflow("main.nf"))
    assert done.returncode == 0, done.stdout
    found = placements(signs)
    assert found.pop("NF_CORE") == ["cpu_only"]
    assert found.pop("OWN_SCRIPT") == ["none", "none", "yes"], "check tells of it"
    assert found.pop("CPU") == ["none", "none"]
    assert found.pop("NAMED") == ["gpu_shared", "0"]
    assert len(found) == 11
    assert {tuple(said) for said in found.values()} == {("gpu_exclusive", "0")}


def test_the_check_names_who_takes_none_and_its_lines_put_the_guard_there(signs):
    told = signs.run("nvinx", "nextflow", "check", ".")
    assert told.returncode == 1
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("error: ")]
    assert "OWN_SCRIPT (main.nf, line" in line
    assert "withName: 'OWN_SCRIPT'" in told.stdout
    made = signs.run("nvinx", "nextflow", "config", ".")
    assert made.returncode == 0, made.stdout
    again = signs.run("nvinx", "nextflow", "check", ".", "-c", "nvinx.local.config")
    assert (again.returncode, again.stdout) == (0, "No problems found.\n")
    signs.configs = ("nvinx.local.config",)
    done = signs.run(*signs.nextflow("main.nf"))
    assert done.returncode == 0, done.stdout
    assert placements(signs)["OWN_SCRIPT"] == ["gpu_exclusive", "0", "yes"]


FIELD = """
include { FOLD as FOLD_ALL } from './modules/fold'
params.who = 'me'
process CLOSURE {
    accelerator 1
    beforeScript { "export WHO=${task.name}" }
    script: 'echo "$NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES $WHO" > $TRUTH/CLOSURE'
}
process TEXT {
    accelerator 1
    beforeScript "export WHO=${params.who}"
    afterScript 'touch $TRUTH/AFTER'
    script: 'echo "$NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES $WHO" > $TRUTH/TEXT'
}
process OTHER {
    script: 'echo "${NVINX_PLACEMENT-none} ${ALL-}" > $TRUTH/OTHER'
}
workflow { CLOSURE(); TEXT(); FOLD_ALL(); OTHER() }
"""
FOLD = r"""
process FOLD {
    script:
    def option = params.use_gpu ? '--use_gpu' : ''
    "echo ${option} \$NVINX_PLACEMENT > \$TRUTH/FOLD"
}
"""
FIELD_CONFIG = """
params.use_gpu = false
env { CUDA_VISIBLE_DEVICES = System.getenv('NO_SUCH') ? '1' : null }
profiles { debug { process.beforeScript = 'export ALL=all' } }
"""


@pytest.fixture
def field(signs):
    signs.write("main.nf", FIELD)
    signs.write("modules/fold.nf", FOLD)
    signs.write("nextflow.config", FIELD_CONFIG)
    return signs


def test_scripts_of_its_own_stay_and_switches_are_seen(field):
    run = ("-profile", "debug", "--use_gpu", "true")
    told = field.run("nvinx", "nextflow", "check", ".", *run)
    assert told.returncode == 1
    errors = [line for line in told.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 5
    assert "process scope with -profile debug: its beforeScript for all" in told.stdout
    assert "FOLD_ALL (modules/fold.nf, line 2): uses a GPU through params.use_gpu" in told.stdout
    assert field.run("nvinx", "nextflow", "config", ".", *run).returncode == 0
    field.configs = ("nvinx.local.config",)
    done = field.run(*field.nextflow("main.nf", *run))
    assert done.returncode == 0, done.stdout
    seen = placements(field)
    assert seen["CLOSURE"] == ["gpu_exclusive", "0", "CLOSURE"]
    assert seen["TEXT"] == ["gpu_exclusive", "0", "me"]
    assert seen["FOLD"] == ["--use_gpu", "gpu_exclusive"]
    assert seen["OTHER"] == ["none", "all"]
    assert "AFTER" in seen
    again = field.run("nvinx", "nextflow", "check", ".", *run, "-c", "nvinx.local.config")
    assert (again.returncode, again.stdout) == (0, "No problems found.\n")


QUIET = """
process FOLD {
    label 'process_gpu'
    script: task.accelerator ? 'fold --use_gpu' : 'fold'
}
workflow { FOLD() }
"""
QUIET_CONFIG = """
env { CUDA_VISIBLE_DEVICES = System.getenv('NO_SUCH') ? '1' : null }
profiles {
    debug { process.beforeScript = 'echo $HOSTNAME' }
    test_full { process { withName: 'FOLD' { accelerator = 1; beforeScript = 'true' } } }
}
"""


def test_what_only_another_profile_would_do_is_no_finding(signs):
    signs.write("main.nf", QUIET)
    signs.write("nextflow.config", QUIET_CONFIG)
    done = signs.run("nvinx", "nextflow", "check", ".")
    assert (done.returncode, done.stdout) == (0, "No problems found.\n")
    told = signs.run("nvinx", "nextflow", "check", ".", "-profile", "test_full")
    assert told.returncode == 1
    assert "with -profile test_full" in told.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-profile", "none_such"), "Unknown configuration profile: 'none_such'"),
        (("-c", "none.config"), "does not exist"),
    ],
)
def test_what_nextflow_itself_would_refuse_is_told(signs, words, said):
    done = signs.run("nvinx", "nextflow", "check", ".", *words)
    assert done.returncode == 2
    assert said in done.stdout


def test_a_folder_without_a_pipeline_and_a_machine_without_nextflow_are_told(signs):
    (signs.folder / "empty").mkdir()
    done = signs.run("nvinx", "nextflow", "check", "empty")
    assert (done.returncode, "holds no Nextflow script" in done.stdout) == (2, True), done.stdout
    folders = signs.environment()["PATH"].split(":")
    signs.environ["PATH"] = ":".join(f for f in folders if not (Path(f) / "nextflow").exists())
    done = signs.run("nvinx", "nextflow", "check", ".")
    assert done.returncode == 2
    assert "nextflow: the program is not on PATH. Fix:" in done.stdout


TWO_CARDS = """
hardware:
  cpu_cores: 8
  ram_gb: 8
  gpus:
    - {name: c, vram_gb: 4, simulated: true}
    - {name: d, vram_gb: 4, simulated: true}
"""
CARDS = r'''
process BOTH {
    label 'nvinx_gpu_shared'
    accelerator 2
    ext vram_gb: 0.9
    script: 'echo "$NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES $NVINX_MAX_MEMORY" > $TRUTH/BOTH'
}
process AS_FREE {
    accelerator request: 1, limit: 2, type: 'nvidia-a100'
    script: 'echo "$NVINX_PLACEMENT $CUDA_VISIBLE_DEVICES" > $TRUTH/AS_FREE'
}
process NONE {
    label 'gpu'
    accelerator 0
    script: 'echo "$NVINX_PLACEMENT" > $TRUTH/NONE'
}
process THREE {
    accelerator 3
    errorStrategy 'ignore'
    script: 'touch $TRUTH/ran'
}
process SETTING {
    ext nvinx_preemptible: 'requeue'
    errorStrategy 'ignore'
    script: 'touch $TRUTH/ran'
}
process WITHIN {
    script: """
        nvinx run --bench ${workflow.launchDir}/nvinx.yaml --gpus 2 --preemptible=requeue -- \
            sh -c 'echo \$CUDA_VISIBLE_DEVICES \$NVINX_PREEMPTED > \$TRUTH/WITHIN'
    """
}
workflow { BOTH(); AS_FREE(); NONE(); THREE(); SETTING(); WITHIN() }
'''


def test_as_many_cards_as_a_task_asks_for_and_what_cannot_be_is_told(signs):
    signs.write("main.nf", CARDS)
    signs.write("nvinx.yaml", TWO_CARDS)
    done = signs.run(*signs.nextflow("main.nf"))
    assert done.returncode == 0, done.stdout
    found = placements(signs)
    assert found.pop("BOTH") == ["gpu_shared", "0,1", '{"0":900000000,"1":900000000}']
    assert found.pop("AS_FREE")[0] == "gpu_exclusive"
    assert found.pop("NONE") == ["cpu_only"]
    assert found.pop("WITHIN") == ["0,1", "0"]
    assert not found
    said = signs.logs()
    assert "AS_FREE asks for type: 'nvidia-a100'; there is c, d, and any of them" in said["AS_FREE"]
    assert "task THREE: THREE asks for 3 cards at once, and this bench has only 2" in said["THREE"]
    assert "Fix: set accelerator 2, or accelerator request: 1, limit: 3 for" in said["THREE"]
    assert "task SETTING: ext.nvinx_preemptible: a task cannot be preempted" in said["SETTING"]
    told = signs.run("nvinx", "nextflow", "check", ".")
    assert told.returncode == 1
    assert [line.partition(" (")[0] for line in told.stdout.splitlines()] == [
        "error: THREE",
        "error: SETTING",
    ]

"""The plugin: tasks that wait for the card hold no CPU, and are as safe as without it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from waiting import eventually

from nvinx.errors import NextflowError
from nvinx.nextflow import install as nextflow_install
from nvinx.nextflow import shipped

HERE = Path(__file__).parent
FEW_CPUS = "executor { cpus = 3 }\n"


@pytest.fixture
def plugged(flow):
    """Nextflow with the plugin installed, and the words that ask for it."""
    done = flow.run("nvinx", "nextflow", "install-plugin")
    if "was not built" in done.stdout and not os.environ.get("CI"):
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    flow.write("few.config", FEW_CPUS)
    flow.configs = (*flow.configs, str(HERE / "gpu.config"), "few.config")
    flow.words = ("-plugins", done.stdout.split("-plugins ")[1].split()[0])
    return flow


def test_cpu_tasks_run_while_gpu_tasks_wait_and_the_card_is_never_overbooked(plugged):
    done = plugged.run(*plugged.nextflow("workload.nf", *plugged.words, "--gpu_s", "5"))
    assert done.returncode == 0, done.stdout
    ran = plugged.ran()
    assert len(ran) == 11
    assert not ran[-1].startswith("cpu")
    assert plugged.overbooked() == []
    assert (plugged.held(), plugged.waits()) == (set(), set())
    taken = list(plugged.folder.glob("work/*/*/.nvinx.env"))
    assert len(taken) == 5
    assert not list(plugged.folder.glob("work/*/*/.nvinx.held"))


def test_a_nextflow_that_is_ended_leaves_nothing_and_nothing_starts_later(plugged):
    process = plugged.start(*plugged.nextflow("workload.nf", *plugged.words, "--gpu_s", "3600"))
    assert eventually(lambda: plugged.held() and plugged.waits())
    process.send_signal(signal.SIGTERM)
    assert eventually(lambda: not plugged.family.living())
    assert (plugged.held(), plugged.waits()) == (set(), set())


def test_a_killed_nextflow_takes_those_that_wait_along_and_running_tasks_keep_their_lease(plugged):
    process = plugged.start(*plugged.nextflow("workload.nf", *plugged.words, "--gpu_s", "3600"))
    assert eventually(lambda: (plugged.truth / "truth").exists() and plugged.waits())
    process.kill()
    process.wait()
    assert eventually(lambda: not plugged.waits())
    assert plugged.held()


def test_what_can_never_run_fails_its_own_task_with_one_line(plugged):
    done = plugged.run(*plugged.nextflow("wrong.nf", *plugged.words))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Error is ignored") == 5
    log = plugged.logs()["LARGE"]
    assert "LARGE needs 9.00 GB of VRAM; the largest card can give 4.00 GB" in log
    assert log.count("\n") == 1


def test_an_older_copy_is_replaced_and_a_folder_that_cannot_be_written_is_told(
    tmp_path, monkeypatch
):
    built = tmp_path / "built" / "_nextflow" / "plugin" / "nf-nvinx-1.0.0"
    built.mkdir(parents=True)
    built.joinpath("new").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "built")
    home = tmp_path / "home"
    home.joinpath("plugins/nf-nvinx-1.0.0/old").mkdir(parents=True)
    target = nextflow_install.install_plugin(nextflow_install.plugins({"NXF_HOME": str(home)}))
    assert [path.name for path in target.iterdir()] == ["new"]
    tmp_path.joinpath("file").touch()
    with pytest.raises(NextflowError, match="name a writable folder"):
        nextflow_install.install_plugin(tmp_path / "file")
    shutil.rmtree(built)
    with pytest.raises(NextflowError, match="was not built"):
        nextflow_install.install_plugin(home)


def test_scripts_of_its_own_stay_and_each_attempt_has_its_own_guard(plugged):
    plugged.configs = (plugged.configs[0],)
    plugged.write(
        "own.nf",
        """
process OWN {
    label 'with_gpus'
    beforeScript 'export LOADED=yes'
    afterScript 'touch $TRUTH/after'
    script: 'echo "$LOADED $NVINX_PLACEMENT" > $TRUTH/own'
}
process GROWS {
    accelerator 1
    errorStrategy 'retry'
    ext vram_gb: { 0.5 * task.attempt }
    beforeScript { "export TRY=${task.attempt}" }
    script: 'echo "$TRY $NVINX_VRAM_MB" >> $TRUTH/grows; [ $TRY = 2 ]'
}
process PLAIN {
    label 'gpu'
    errorStrategy 'retry'
    ext vram_gb: { 0.4 * task.attempt }
    script: "echo ${task.attempt} \\$NVINX_VRAM_MB >> \\$TRUTH/plain; [ ${task.attempt} = 2 ]"
}
workflow { OWN(); GROWS(); PLAIN() }
""",
    )
    done = plugged.run(*plugged.nextflow("own.nf", *plugged.words))
    assert done.returncode == 0, done.stdout
    assert (plugged.truth / "own").read_text() == "yes gpu_exclusive\n"
    assert (plugged.truth / "after").exists()
    assert (plugged.truth / "grows").read_text().splitlines() == ["1 500", "2 1000"]
    assert (plugged.truth / "plain").read_text().splitlines() == ["1 400", "2 800"]


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """The table of a run, by the task's name."""
    first, *lines = (folder / "nvinx-trace.txt").read_text().splitlines()
    names = first.split("\t")
    found = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    return {row["name"]: row for row in found}


def test_the_table_of_a_run_has_what_nvinx_saw_of_each_task(plugged):
    done = plugged.run(*plugged.nextflow("workload.nf", *plugged.words, "--gpu_s", "1"))
    assert done.returncode == 0, done.stdout
    found = rows(plugged.folder)
    assert len(found) == 11
    alone, small, cpu = found["ALONE"], found["SMALL (1)"], found["CPU (1)"]
    assert (alone["status"], alone["placement"], alone["gpu"]) == (
        "COMPLETED",
        "gpu_exclusive",
        "0",
    )
    assert (small["placement"], small["vram_declared_mb"]) == ("gpu_shared", "900")
    assert {cpu[name] for name in ("placement", "gpu", "gpu_waited_s", "vram_peak_mb")} == {"-"}
    assert float(small["gpu_held_s"]) >= 1
    waited = [row for row in found.values() if row["gpu_waited_for"] != "-"]
    assert waited, "five tasks of 1 s on one card, one of them alone"
    again = plugged.run(*plugged.nextflow("workload.nf", *plugged.words, "--gpu_s", "1", "-resume"))
    assert again.returncode == 0, again.stdout
    assert rows(plugged.folder)["ALONE"]["status"] == "CACHED"
    assert rows(plugged.folder)["ALONE"]["placement"] == "gpu_exclusive"
    shown = plugged.run("nvinx", "jobs")
    assert "ALONE" in shown.stdout


def test_a_run_without_the_configuration_is_warned(plugged):
    plugged.configs = ()
    plugged.write("one.nf", "process ONE {\n script: 'true'\n}\nworkflow { ONE() }\n")
    done = plugged.run(*plugged.nextflow("one.nf", *plugged.words))
    assert done.returncode == 0, done.stdout
    assert "not nvinx's configuration, so no task waits for the card. Fix:" in done.stdout

"""NVINX_JOB counts where the lease that it names lives around whoever asks, and nowhere else."""

from __future__ import annotations

import sys

import pytest
from bench_folder import NVINX
from waiting import GIVE_UP_S, eventually

import nvinx
from nvinx.errors import ImpossibleJobError
from nvinx.leases import slurm_step

SNAKEMAKE = [
    "-m",
    "snakemake",
    "--executor",
    "nvinx",
    "--cores",
    "2",
    "--jobs",
    "4",
    "--quiet",
    "all",
]
SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt"
rule shares:
    output: "{name}.txt"
    resources: vram_mb=400
    shell: "echo $NVINX_VRAM_MB $CUDA_VISIBLE_DEVICES $NVINX_JOB > {output}"
"""


@pytest.fixture
def here(bench, monkeypatch):
    """This very process at the bench."""
    monkeypatch.chdir(bench.folder)
    monkeypatch.setenv("NVINX_STATE_DIR", str(bench.state))
    for name in ("NVINX_JOB", "NVINX_BENCH"):
        monkeypatch.delenv(name, raising=False)
    return bench


def inner(*words):
    """`nvinx WORDS` as a command for the shell of a lease."""
    return " ".join([sys.executable, "-c", f"'{NVINX[2]}'", *words])


def stale_environment():
    """What a job of another time would have left in an environment."""
    return {
        "NVINX_JOB": "4242-0a0a0a0a.1",
        "NVINX_PLACEMENT": "gpu_exclusive",
        "NVINX_VRAM_MB": "4000",
        "CUDA_VISIBLE_DEVICES": "0",
    }


def test_a_job_of_another_time_lets_nobody_in(bench):
    first = bench.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"first"})
    bench.environ = stale_environment()
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    first.terminate()
    out, err = second.communicate(timeout=GIVE_UP_S)
    assert out == "mine\n"
    assert "NVINX_JOB names a job that this process does not belong to" in err


def test_the_job_of_somebody_else_lets_nobody_in(bench):
    first = bench.start("run", "--", "bash", "-c", "echo $NVINX_JOB; exec sleep 3600")
    bench.environ = {**stale_environment(), "NVINX_JOB": first.stdout.readline().strip()}
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    first.terminate()
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"


def test_a_slurm_job_that_is_only_named_lets_nobody_in(bench):
    first = bench.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"first"})
    bench.environ = {**stale_environment(), "SLURM_JOB_ID": "7"}
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    first.terminate()
    assert second.communicate(timeout=GIVE_UP_S)[0] == "mine\n"


@pytest.mark.parametrize(
    ("job_id", "said"), [("7", "gpu_exclusive"), ("77", "gpu_shared"), ("", "gpu_shared")]
)
def test_what_a_slurm_job_was_given_is_its_place(bench, job_id, said):
    """The name that Slurm's step manager shows, with a shell in its place."""
    bench.environ = {**stale_environment(), "SLURM_JOB_ID": job_id}
    script = inner("run --quiet --vram 900MB printenv NVINX_PLACEMENT") + "; exit $?"
    step = bench.family.start(
        ("bash", "-c", 'exec -a "slurmstepd: [7.batch]" bash -c "$0"', script),
        bench.folder,
        bench.environment(),
    )
    assert step.communicate(timeout=GIVE_UP_S)[0].splitlines()[-1] == said


@pytest.mark.parametrize(
    ("cgroups", "is_there"),
    [
        (b"0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n", True),
        (b"9:devices:/slurm/uid_1000/job_7\n0::/init\n", True),
        (b"0::/system.slice/slurmstepd.scope/job_77/step_0\n", False),
        (b"0::/user.slice/job_7\n", False),
        (b"", False),
    ],
)
def test_the_cgroup_of_a_slurm_job_tells_it_too(monkeypatch, cgroups, is_there):
    monkeypatch.setattr("nvinx.host.proc.groups", lambda: cgroups)
    assert slurm_step.is_around("7", []) is is_there
    assert not slurm_step.is_around("7|.*", [])


def test_a_place_on_the_cpu_does_not_count_where_cards_can_be_seen(bench):
    """A task's lease names no engine whose descendants could be told."""
    first = bench.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"first"})
    bench.environ = {
        "NVINX_JOB": "task-4242-0a0a0a0a",
        "NVINX_PLACEMENT": "cpu_only",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    second = bench.start("run", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: bench.waits() == {"second"})
    bench.environ["CUDA_VISIBLE_DEVICES"] = ""
    assert bench.run("run", "--", "echo", "on the CPU").stdout == "on the CPU\n"
    first.terminate()
    second.communicate(timeout=GIVE_UP_S)


def test_a_python_program_does_not_believe_a_stale_job_either(here, monkeypatch):
    for name, value in stale_environment().items():
        monkeypatch.setenv(name, value)
    with nvinx.lease(vram_mb=900) as placement:
        assert placement.vram_mb == 900
        assert here.held()


def test_a_wish_that_fits_the_lease_around_it_uses_it(bench):
    done = bench.run(
        "run", "--vram", "2GB", "bash", "-c", inner("run --vram 1GB printenv NVINX_VRAM_MB")
    )
    assert (done.returncode, done.stdout) == (0, "2000\n"), done.stderr


@pytest.mark.parametrize("wish", ["--vram 3900MB", "--residency gpu_exclusive"])
def test_a_wish_larger_than_the_lease_around_it_is_an_error(bench, wish):
    done = bench.run("run", "--vram", "500MB", "bash", "-c", inner(f"run {wish} echo ran"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "inside a lease of 0.50 GB. Fix: ask for no more than" in done.stderr


def test_a_python_wish_larger_than_the_lease_around_it_is_an_error(here):
    with nvinx.lease(vram_mb=900):
        with nvinx.lease(vram_mb=900) as same:
            assert same.vram_mb == 900
        with (
            pytest.raises(ImpossibleJobError, match=r"asks for 3\.90 GB inside"),
            nvinx.lease(vram_mb=3900),
        ):
            pass


def test_a_whole_card_gives_room_to_any_wish_inside(bench):
    done = bench.run("run", "bash", "-c", inner("run --vram 3GB printenv NVINX_PLACEMENT"))
    assert done.stdout == "gpu_exclusive\n", done.stderr


def snakemake(bench, *options):
    bench.write("Snakefile", SNAKEFILE)
    return bench.run("run", *options, "--", sys.executable, *SNAKEMAKE)


@pytest.mark.parametrize("options", [(), ("--vram", "500MB"), ("--vram", "3GB")])
def test_an_engine_inside_a_lease_shares_out_that_lease(bench, options):
    done = snakemake(bench, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [(bench.folder / name).read_text().split() for name in ("a.txt", "b.txt")]
    assert [words[:2] for words in said] == [["400", "0"]] * 2
    assert all("+" in words[2] for words in said), "its jobs belong to the lease around them"
    assert bench.held() == set()


def test_an_engine_inside_a_lease_refuses_what_is_larger_than_it(bench):
    done = snakemake(bench, "--vram", "300MB")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert not (bench.folder / "a.txt").exists()


def test_what_a_job_inside_left_behind_keeps_the_lease_around_it(bench):
    bench.write(
        "Snakefile",
        'rule all:\n    output: "a.txt"\n    resources: vram_mb=400\n    shell: "setsid bash -c '
        "'exec 243<&-; exec sleep 3600' >/dev/null 2>&1 & touch {output}\"\n",
    )
    done = bench.run("run", "--name", "around", "--", sys.executable, *SNAKEMAKE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bench.held() == {"around"}


def test_a_part_inside_a_lease_is_one_of_what_the_lease_holds(bench):
    command = inner("run", "--gpu-share", "1/2", "--", "printenv", "NVINX_VRAM_MB")
    done = bench.run("run", "--gpu-share", "1/2", "--", "bash", "-c", command)
    assert (done.returncode, done.stdout) == (0, "1999\n"), done.stderr

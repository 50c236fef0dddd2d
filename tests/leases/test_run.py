"""`nvinx run`: any command waits for its share of the card, and is itself once it has it."""

from __future__ import annotations

import os
import shlex
import signal

import pytest
from waiting import GIVE_UP_S, eventually

from nvinx.history.store import SqliteHistory


def test_the_command_sees_its_placement_and_gives_its_exit_status(bench):
    done = bench.run("run", "--vram", "900MB", "--", "bash", "-c", "env; exit 3")
    assert done.returncode == 3
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert seen["NVINX_PLACEMENT"] == "gpu_shared"
    assert seen["NVINX_VRAM_MB"] == "900"
    assert seen["CUDA_VISIBLE_DEVICES"] == "0"
    assert done.stderr == "nvinx: bash -> GPU 0 shared (0.90 GB of 4.00 GB)\n"
    assert bench.held() == set()


def test_without_any_word_of_its_needs_it_gets_the_whole_card(bench):
    done = bench.run("run", "printenv", "NVINX_PLACEMENT")
    assert (done.returncode, done.stdout) == (0, "gpu_exclusive\n")


def test_one_that_keeps_running_out_is_told_why_it_gets_the_card_alone(bench):
    asks = ("run", "--vram", "900MB", "--name", "hungry", "--retry-oom", "--", "bash", "-c")
    assert bench.run(*asks, "echo CUDA out of memory >&2; exit 1").returncode == 1
    done = bench.run(*asks, "true")
    assert "hungry ran out of GPU memory 3 times recently, so it gets the card to" in done.stderr
    assert "nvinx: hungry -> GPU 0 alone" in done.stderr


def test_one_that_has_to_wait_says_why_and_behind_whom(bench):
    first = bench.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"first"})
    second = bench.start("run", "--vram", "900MB", "--name", "second", "--", "echo", "mine")
    assert eventually(lambda: "second" in bench.queued())
    first.terminate()
    out, err = second.communicate(timeout=GIVE_UP_S)
    assert (second.returncode, out) == (0, "mine\n")
    assert "nvinx: second waits: card held exclusively by first\n" in err
    assert "second -> GPU 0 shared" in err
    assert first.wait() == 128 + signal.SIGTERM


def test_what_the_killed_left_is_swept_away_bit_by_bit(bench):
    assert bench.run("run", "true").returncode == 0
    life = bench.state / "life"
    holder = bench.start("run", "--vram", "900MB", "--name", "holder", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"holder"})
    living = {file.name for file in life.iterdir()}
    for number in range(450):
        life.joinpath(f"{number + 1}-0a0a0a0a.1.lock").touch()
    for file in life.iterdir():
        os.utime(file, (1, 1))

    left = []
    for _ in range(3):
        assert bench.run("run", "--vram", "900MB", "true").returncode == 0
        left.append({file.name for file in life.iterdir()})

    assert [len(files - living) for files in left] == [250, 50, 0]
    assert left[-1] == living
    holder.terminate()


def test_small_ones_share_the_card(bench):
    several = [
        bench.start("run", "--vram", "900MB", "--name", f"n{k}", "sleep", "3600") for k in "ab"
    ]
    assert eventually(lambda: bench.held() == {"na", "nb"})
    for process in several:
        process.terminate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(bench, number):
    script = f"trap 'echo got; exit 9' {number.value}; echo ready; while :; do sleep 0.05; done"
    process = bench.start("run", "--", "bash", "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=GIVE_UP_S)[0] == "got\n"
    assert process.returncode == 9
    assert bench.held() == set()


def test_a_killed_wrapper_leaves_the_lease_with_its_command(bench):
    process = bench.start("run", "--name", "orphan", "--", "bash", "-c", "echo $$; exec sleep 3600")
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    other = bench.run("run", "--give-up", "0.6", "true")
    assert other.returncode == 75
    assert "card held exclusively by orphan" in other.stderr
    os.kill(pid, signal.SIGKILL)
    assert bench.run("run", "--give-up", str(GIVE_UP_S), "true").returncode == 0


def test_what_the_command_leaves_behind_keeps_the_lease(bench):
    script = "setsid sleep 3600 >/dev/null 2>&1 & echo $!"
    done = bench.run("run", "--name", "daemon", "--", "bash", "-c", script)
    assert done.returncode == 0
    assert bench.run("run", "--give-up", "0.6", "true").returncode == 75
    os.kill(int(done.stdout), signal.SIGKILL)
    assert bench.run("run", "--give-up", str(GIVE_UP_S), "true").returncode == 0


def test_one_that_is_interrupted_while_it_waits_leaves_the_queue(bench):
    first = bench.start("run", "--name", "first", "--", "sleep", "3600")
    assert eventually(lambda: bench.held() == {"first"})
    second = bench.start("run", "--name", "second", "true")
    assert eventually(lambda: "second" in bench.queued())
    second.send_signal(signal.SIGINT)
    _, err = second.communicate(timeout=GIVE_UP_S)
    assert second.returncode == 130
    assert "Traceback" not in err
    assert "second" not in bench.queued()
    first.terminate()


def test_a_command_that_is_not_there_gives_the_lease_back(bench):
    done = bench.run("run", "no-such-program")
    assert done.returncode == 127
    assert "no-such-program was not found. Fix:" in done.stderr
    assert bench.held() == set()


def test_a_command_that_cannot_be_executed_is_told(bench):
    done = bench.run("run", "--", "./nvinx.yaml")
    assert done.returncode == 126
    assert "cannot be executed. Fix:" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--vram", "9XB"), "command true: --vram 9XB"),
        (("--vram", "9GB"), "needs 9.00 GB of VRAM; the largest card can give 4.00 GB"),
        (("--residency", "shared"), "no such residency. Fix: write 'gpu_shared'"),
        (("--model", "esm"), "has no such model"),
        (("--vram", "9GB", "--ram-overflow"), "add --mem-mb N"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_runs(bench, words, said):
    done = bench.run("run", *words, "--", "true")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_one_that_may_runs_on_the_cpu_where_there_is_no_room_at_all(bench):
    done = bench.run("run", "--vram", "9GB", "--cpu-fallback", "--", "printenv", "NVINX_PLACEMENT")
    assert (done.returncode, done.stdout) == (0, "cpu_only\n")


def test_a_command_inside_a_job_has_the_jobs_place(bench):
    done = bench.run("run", "--", "nvinx", "run", "--vram", "900MB", "printenv", "NVINX_PLACEMENT")
    assert (done.returncode, done.stdout) == (0, "gpu_exclusive\n"), done.stderr


def test_runs_are_remembered(bench):
    bench.run("run", "--vram", "900MB", "--name", "embed", "true")
    from nvinx.history.store import SqliteHistory

    (entry,) = SqliteHistory(bench.state / "history.db").entries()
    assert (entry.run.kind, entry.source, entry.run.declared_mib) == ("embed", "embed", 858)


def test_a_share_is_imposed_unless_that_is_turned_off(bench):
    capped = bench.run("run", "--vram", "900MB", "--", "printenv", "XLA_CLIENT_MEM_FRACTION")
    assert 0.1 < float(capped.stdout) < 0.225
    free = bench.run("run", "--vram", "900MB", "--no-caps", "printenv", "XLA_CLIENT_MEM_FRACTION")
    assert free.returncode == 1


def test_a_command_that_runs_out_of_memory_is_run_again_if_asked(bench):
    script = (
        'echo "try $NVINX_VRAM_MB"; [ $NVINX_VRAM_MB -ge 1350 ] || '
        '{ echo "CUDA out of memory. Tried to allocate" >&2; exit 1; }'
    )
    words = ("run", "--vram", "900MB", "--name", "embed")
    done = bench.run(*words, "--retry-oom", "--", "bash", "-c", script)
    assert (done.returncode, done.stdout) == (0, "try 900\ntry 1350\n")
    assert "CUDA out of memory" in done.stderr
    assert "embed ran out of GPU memory in 0.90 GB of the card; it is retried" in done.stderr
    once = bench.run(*words, "--", "bash", "-c", script)
    assert (once.returncode, once.stdout) == (1, "try 900\n")


def test_a_try_is_told_its_number_and_how_the_one_before_ended(bench):
    script = (
        'echo "$NVINX_ATTEMPT $NVINX_LAST_FAILURE."; [ $NVINX_ATTEMPT = 2 ] || '
        '{ echo "CUDA out of memory." >&2; exit 1; }'
    )
    done = bench.run("run", "--vram", "900MB", "--retry-oom", "--", "bash", "-c", script)
    assert (done.returncode, done.stdout) == (0, "1 .\n2 out_of_memory.\n")


def test_the_bench_file_may_say_what_a_program_writes(bench):
    with (bench.folder / "nvinx.yaml").open("a") as file:
        file.write("oom_patterns: {fold: 'the board is full'}\n")
    script = "[ $NVINX_ATTEMPT = 2 ] || { echo the board is full >&2; exit 1; }"
    words = ("run", "--vram", "900MB", "--retry-oom", "--name")
    assert bench.run(*words, "fold", "--", "bash", "-c", script).returncode == 0
    assert bench.run(*words, "other", "--", "bash", "-c", script).returncode == 1


def test_vram_that_is_to_be_learned_means_the_card_alone_and_the_size_is_remembered(bench):
    words = ("run", "--vram", "auto", "--size", "350", "--name", "fold")
    done = bench.run(*words, "printenv", "NVINX_PLACEMENT", "TF_FORCE_GPU_ALLOW_GROWTH")
    assert (done.returncode, done.stdout) == (0, "gpu_exclusive\ntrue\n")
    (entry,) = SqliteHistory(bench.state / "history.db").entries()
    assert (entry.run.size, entry.run.declared_mib) == (350.0, None)


def test_when_every_step_failed_the_last_exit_status_counts(bench):
    script = 'echo $NVINX_PLACEMENT; echo "CUDA out of memory" >&2; exit 7'
    done = bench.run("run", "--vram", "900MB", "--retry-oom", "--", "bash", "-c", script)
    assert done.returncode == 7
    assert done.stdout.split() == ["gpu_shared", "gpu_shared", "gpu_exclusive"]


def test_a_broken_history_is_told_and_costs_nothing_but_its_lessons(bench):
    bench.state.mkdir(mode=0o700)
    (bench.state / "history.db").write_text("no history" * 100)
    done = bench.run("run", "--vram", "900MB", "--", "echo", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n")
    assert done.stderr.count("history.db cannot be used") == 1
    (bench.folder / "workload.yaml").write_text("- {name: a, vram_mb: 900, duration_s: 5}\n")
    planned = bench.run("plan", "workload.yaml")
    assert planned.returncode == 0, planned.stderr
    assert planned.stderr.count("history.db cannot be used") == 1


def test_on_a_simulated_card_the_command_says_what_it_took(bench):
    script = 'echo 700 > "$NVINX_SIMULATED_PEAK"'
    assert bench.run("run", "--vram", "900MB", "--name", "fold", "--", "bash", "-c", script)

    (entry,) = SqliteHistory(bench.state / "history.db").entries()
    assert entry.run.peak_mib == 667
    assert not list(bench.state.glob("life/*.peak"))


def test_what_ran_out_may_be_said_on_stdout_and_reaches_us_too(bench):
    script = "echo tried; [ $NVINX_ATTEMPT = 2 ] || { echo CUDA out of memory; exit 1; }"
    done = bench.run("run", "--vram", "900MB", "--retry-oom", "--", "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tried\nCUDA out of memory\ntried\n"


LEAVES_OUT = (
    "[ $NVINX_ATTEMPT = 2 ] && touch out.pdb || echo 'ran out of memory, skipping batch' >&2"
)


def test_an_output_left_out_for_lack_of_memory_is_tried_again(bench):
    asks = ("run", "--vram", "900MB", "--retry-oom", "--output", "out.pdb", "--")
    done = bench.run(*asks, "bash", "-c", f"echo on a GPU >&2; {LEAVES_OUT}")
    assert done.returncode == 0, done.stderr
    assert "bash ended with 0 but did not write out.pdb" in done.stderr
    assert (bench.folder / "out.pdb").exists()


def test_an_output_left_out_for_any_reason_is_a_failure(bench):
    done = bench.run("run", "--vram", "900MB", "--output", "out.pdb", "--", "true")
    assert done.returncode == 1
    assert "true ended with 0 but did not write out.pdb" in done.stderr


def test_a_lack_of_ram_is_told_and_not_tried_again(bench):
    script = "echo once; echo std::bad_alloc >&2; exit 1"
    done = bench.run("run", "--vram", "900MB", "--retry-oom", "--", "bash", "-c", script)
    assert (done.returncode, done.stdout) == (1, "once\n")
    assert "bash ran out of the machine's memory (RAM)" in done.stderr


def test_of_a_command_that_was_killed_no_more_is_said_than_is_known(bench):
    done = bench.run("run", "--vram", "900MB", "--", "bash", "-c", "kill -KILL $$")
    assert done.returncode == 137
    assert "bash was killed (SIGKILL)" in done.stderr
    assert "ran out of" not in done.stderr


def test_three_thirds_share_the_card_and_are_told_how_much_that_is(bench):
    words = ("run", "--gpu-share", "1/3", "--name")
    several = [bench.start(*words, f"n{k}", "sleep", "3600") for k in range(2)]
    assert eventually(lambda: bench.held() == {"n0", "n1"})
    done = bench.run(*words, "third", "--", "printenv", "NVINX_VRAM_MB")
    assert (done.returncode, done.stdout) == (0, "1332\n")
    assert "third -> GPU 0 shared, a third of the card with n" in done.stderr
    assert "1.33 GB (a third of the card) shared" in bench.run("status").stdout
    for process in several:
        process.terminate()


@pytest.mark.parametrize("bad", ["1/0", "4/3", "a third", "0", "-1"])
def test_what_is_no_part_of_a_card_is_refused(bench, bad):
    done = bench.run("run", f"--gpu-share={bad}", "--name", "mine", "true")
    assert done.returncode != 0
    assert f"mine: --gpu-share {shlex.quote(bad)}: must be a part of one card" in done.stderr
    assert "Fix: write --gpu-share 1/3" in done.stderr


def test_a_third_that_ran_out_gets_half_of_the_card_and_then_all(bench):
    script = "echo $NVINX_PLACEMENT $NVINX_VRAM_MB >> tries; echo CUDA out of memory >&2; exit 1"
    done = bench.run("run", "--gpu-share", "1/3", "--retry-oom", "--", "bash", "-c", script)
    tries = (bench.folder / "tries").read_text().splitlines()
    assert tries == ["gpu_shared 1332", "gpu_shared 1999", "gpu_exclusive 3999"]
    assert "in a third of the card; it is retried with half of the card." in done.stderr

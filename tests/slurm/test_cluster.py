"""The Slurm that the tests use is a real one: it runs, counts, waits, fails and ends as one does."""

import subprocess
import sys
from pathlib import Path

import pytest
from cluster import Cluster
from programs import ClusterError
from slurm_conf import Node
from waiting import GIVE_UP_S, eventually
from writers import lives, with_children, writers

HERE = Path(__file__).parent
ON_NODE1 = "--nodelist=node1"


def shards(count):
    return f"--gres=shard:{count}"


def wait(question, limit_s=GIVE_UP_S):
    assert eventually(question, limit_s)


def is_in(cluster, job, *states):
    return lambda: cluster.job(job).state in states


def states(cluster, jobs):
    return sorted(job.state for job in cluster.squeue() if job.id in jobs)


def test_a_job_runs_on_the_card_that_it_was_given(cluster):
    job = cluster.submit("echo card $CUDA_VISIBLE_DEVICES of $SLURMD_NODENAME", shards(2), ON_NODE1)
    wait(is_in(cluster, job, "COMPLETED"))
    assert cluster.job(job).tres == "gres:shard:2"
    assert "card 0 of node1" in cluster.logs()


def test_a_job_that_fails_is_seen_to_fail(cluster):
    job = cluster.submit("exit 3")
    wait(is_in(cluster, job, "FAILED"))
    assert cluster.job(job).reason == "NonZeroExitCode"


def test_four_jobs_of_one_shard_run_on_a_node_and_the_fifth_waits(cluster):
    jobs = [cluster.submit("sleep 3600", shards(1), ON_NODE1) for _ in range(5)]
    wait(lambda: states(cluster, jobs).count("RUNNING") == 4)
    assert states(cluster, jobs) == ["PENDING"] + 4 * ["RUNNING"]
    (last,) = (job.id for job in cluster.squeue() if job.id in jobs and job.state == "PENDING")
    wait(lambda: cluster.job(last).reason == "Resources")


def test_a_job_that_wants_the_whole_card_waits_for_jobs_that_share_it(cluster):
    small = cluster.submit("sleep 3600", shards(1), ON_NODE1)
    wait(is_in(cluster, small, "RUNNING"))
    whole = cluster.submit("true", shards(4), ON_NODE1)
    wait(lambda: cluster.job(whole).reason == "Resources")
    cluster.run("scancel", small)
    wait(is_in(cluster, whole, "COMPLETED"))


def test_more_shards_than_a_card_has_are_refused(cluster):
    with pytest.raises(ClusterError, match="Requested node configuration is not available"):
        cluster.submit("true", shards(5))


def test_constraints_choose_the_node(cluster):
    job = cluster.submit("true", "--constraint=second")
    wait(is_in(cluster, job, "COMPLETED"))
    assert (cluster.job(job).node, cluster.job(job).features) == ("node2", "second")


def test_slurm_says_that_a_job_runs_before_it_does(cluster):
    (daemon,) = writers(cluster.folder, "slurmd.node1.log")
    daemon.suspend()
    try:
        job = cluster.submit("sleep 3600", ON_NODE1)
        wait(is_in(cluster, job, "RUNNING"))
        assert not cluster.runs(job)
    finally:
        daemon.resume()
    wait(lambda: cluster.runs(job))


def test_when_a_node_dies_its_job_ends_with_it(cluster):
    job = cluster.submit("sleep 3600", ON_NODE1, "--no-requeue")
    wait(lambda: cluster.runs(job))
    cluster.down("node1")
    assert cluster.states()["node1"] in {"down", "down*"}
    wait(is_in(cluster, job, "NODE_FAIL"))
    cluster.up("node1")
    assert cluster.states()["node1"] == "idle"


def test_when_a_node_dies_its_job_runs_again_elsewhere(cluster):
    job = cluster.submit("sleep 3600", "--requeue")
    wait(lambda: cluster.runs(job))
    first = cluster.job(job).node
    cluster.down(first)
    wait(is_in(cluster, job, "RUNNING"))
    second = cluster.job(job).node
    cluster.up(first)
    assert {first, second} == {"node1", "node2"}


def test_jobs_outlive_the_controller(cluster):
    go = cluster.folder / "go"
    job = cluster.submit(f"until [ -e {go} ]; do sleep 0.1; done")
    wait(lambda: cluster.runs(job))
    cluster.controller_stop()
    assert not writers(cluster.folder, "slurmctld.log")
    go.touch()
    wait(lambda: not cluster.runs(job))
    cluster.controller_start()
    wait(is_in(cluster, job, "COMPLETED"))


def test_two_clusters_do_not_know_of_each_other_and_leave_no_process(running, short_path):
    nodes = (Node("alone", cpus=2, shards=0), Node("bare", cards=0))
    with Cluster(short_path / "other", nodes) as other:
        job = other.submit("sleep 12345", "--gres=gpu:1")
        wait(lambda: other.runs(job))
        assert other.job(job).node == "alone"
        assert set(other.states()) == {"alone", "bare"}
        with pytest.raises(ClusterError, match="Invalid generic resource"):
            other.submit("true", shards(1))
        started = {}

        def has_a_running_job():
            started.update(with_children(writers(other.folder)))
            return {"slurmctld", "slurmstepd", "sleep"} <= set(started.values())

        wait(has_a_running_job)
    assert [process for process in started if lives(process)] == []
    assert set(running.states()) == {"node1", "node2"}


def test_a_folder_whose_sockets_slurm_could_not_open_is_refused(tmp_path):
    with pytest.raises(ClusterError, match="too long"), Cluster(tmp_path / ("long" * 20)):
        pytest.fail("it started")


def test_a_folder_that_is_not_a_clusters_is_left_alone(short_path):
    log = short_path / "other.log"
    with log.open("w") as out, subprocess.Popen(["sleep", "3600"], stdout=out) as other:
        with pytest.raises(ClusterError, match="no cluster's"), Cluster(short_path):
            pytest.fail("it started")
        assert other.poll() is None
        other.kill()
    assert log.exists()


def test_a_cluster_whose_owner_was_killed_is_stopped_by_the_next_one(short_path):
    """By whoever is the next here, which may be another test beside this one."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from cluster import Cluster; from writers import writers\n"
        "left = Path(sys.argv[1]); Cluster(left).__enter__(); print(len(writers(left)), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    left = short_path / "left"
    words = [sys.executable, "-c", script, left]
    done = subprocess.run(
        words, cwd=HERE, stdout=subprocess.PIPE, text=True, check=False, timeout=GIVE_UP_S
    )
    assert int(done.stdout) > 0
    with Cluster(short_path / "next", (Node("node1"),)):
        assert not writers(left)


def test_from_the_command_line_one_is_started_used_and_stopped(short_path):
    def command(what):
        words = [sys.executable, HERE / "cluster.py", what, short_path / "made", "--shards=2"]
        return subprocess.run(
            words, capture_output=True, text=True, check=True, timeout=GIVE_UP_S
        ).stdout

    try:
        line = f"{command('start')}sinfo --noheader --Node --Format=NodeAddr,Gres"
        shown = subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
        assert shown.count("gpu:1,shard:2") == 2
    finally:
        command("stop")
    assert not writers(short_path / "made")

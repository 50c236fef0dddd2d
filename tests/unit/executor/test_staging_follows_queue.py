"""Files are read for whoever is next in the queue, as long as he is, and the log says so once."""

import pytest
from builders import exclusive_claim

from nvinx.admission.job import Job
from nvinx.errors import OptionError
from nvinx.staging import process as host
from nvinx.testing import FakeStager
from snakemake_executor_plugin_nvinx.job_claims import Weights
from snakemake_executor_plugin_nvinx.staging import Staging, stager

CLAIM = exclusive_claim()
MB = 1_000_000


@pytest.fixture
def bench(tmp_path):
    """A stager, the staging that uses it, and a queue of jobs by the sizes of their files in MB."""
    fake = FakeStager()
    staging = Staging(fake, 0.5, lambda: 10_000, lambda paths: Weights(paths, are_named=False))

    def queue(**jobs):
        for job_id, sizes in jobs.items():
            paths = []
            for number, size in enumerate(sizes):
                paths.append(make(tmp_path / f"{job_id}{number}", size))
            yield Job(job_id, f"rule[{job_id}]", CLAIM), tuple(paths)

    return fake, staging, queue


def make(path, size):
    with path.open("wb") as file:
        file.truncate(size * MB)
    return str(path)


def names(fake):
    return ["+".join(path.rpartition("/")[2] for path in paths) for paths in fake.begun]


def test_one_jobs_files_are_read_at_a_time_and_each_is_told_of_once(bench):
    fake, staging, queue = bench
    jobs = list(queue(a=[20, 30], b=[40]))

    assert staging.look(jobs) == []
    assert staging.look(jobs) == ["nvinx: warmed rule[a]: 50 MB in 1.0 s"]
    assert staging.look(jobs) == ["nvinx: warmed rule[b]: 40 MB in 1.0 s"]
    assert staging.look(jobs) == []
    assert names(fake) == ["a0+a1", "b0"]


def test_what_is_read_for_a_job_that_leaves_the_queue_is_given_up(bench):
    fake, staging, queue = bench
    fake.busy = True
    first, second = queue(a=[20], b=[40])
    staging.look([first, second])
    staging.look([second])

    assert names(fake) == ["a0", "b0"]
    staging.look([])
    assert fake.reading == ()


def test_a_job_that_only_moved_back_in_the_queue_is_still_read_for(bench):
    fake, staging, queue = bench
    fake.busy = True
    first, second = queue(a=[20], b=[40])
    staging.look([first, second])
    staging.look([second, first])

    assert names(fake) == ["a0"]


def test_closing_leaves_nothing_running(bench):
    fake, staging, queue = bench
    fake.busy = True
    staging.look(queue(a=[20]))
    staging.close()
    staging.close()

    assert fake.reading == ()


def test_tiny_files_are_left_alone_and_nothing_is_said(bench):
    fake, staging, queue = bench
    assert staging.look(queue(a=[1, 2], b=[])) == []
    assert fake.begun == []


def test_a_long_queue_is_looked_at_in_front_only(bench):
    _, staging, _ = bench

    def endless():
        number = 0
        while True:
            number += 1
            yield Job(str(number), "rule", CLAIM), ()

    assert staging.look(endless()) == []


def test_what_is_no_file_is_passed_over_in_silence(bench, tmp_path):
    fake, staging, queue = bench
    ((job, paths),) = queue(a=[20])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "deeper").mkdir()
    none = (str(tmp_path / "empty"), "/nowhere", "\0", "/dev/null")
    assert staging.look([(job, (*none, *paths))]) == []
    assert names(fake) == ["a0"]


def test_a_models_folder_stands_for_its_files(bench, tmp_path):
    fake, staging, queue = bench
    ((job, _),) = queue(a=[])
    folder = tmp_path / "model"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.safetensors", "a.safetensors", "deeper/c.safetensors"):
        make(folder / name, 20)
    (folder / "linked.safetensors").symlink_to(folder / "deeper" / "c.safetensors")
    (folder / "broken.safetensors").symlink_to(folder / "gone")

    assert staging.look([(job, (str(folder),))]) == []
    assert names(fake) == ["a.safetensors+b.safetensors+c.safetensors"]


def test_it_is_said_once_where_a_hint_names_it(tmp_path):
    staging = Staging(
        FakeStager(), 0.5, lambda: 10_000, lambda _: Weights((str(tmp_path),), are_named=True)
    )
    said = staging.look([(Job("a", "rule[a]", CLAIM), None), (Job("b", "rule[b]", CLAIM), None)])
    assert said == [
        (
            f"nvinx: could not read ahead everything for rule[a]: {tmp_path} is neither a "
            "file nor a folder of files"
        )
    ]


def test_a_failing_reader_is_told_of_once_and_not_tried_again_for_the_same_job(bench):
    fake, staging, queue = bench
    fake.problem = "the disk is gone"
    jobs = list(queue(a=[20], b=[40]))
    said = [*staging.look(jobs), *staging.look(jobs), *staging.look(jobs), *staging.look(jobs)]

    assert [text for text in said if "disk" in text] == [
        "nvinx: could not read ahead everything for rule[a]: the disk is gone"
    ]
    assert names(fake) == ["a0", "b0"]


def test_links_are_followed_and_a_file_behind_two_of_them_is_read_once(bench, tmp_path):
    fake, staging, queue = bench
    ((job, (path,)),) = queue(a=[20])
    link = tmp_path / "link"
    link.symlink_to(path)
    staging.look([(job, (str(link), path))])

    assert names(fake) == ["a0"]


def test_turned_off_nothing_is_looked_at():
    staging = Staging(stager("off"), 0.5, weights=lambda _: pytest.fail("looked"))
    assert staging.look([(Job("a", "a", CLAIM), None)]) == []
    staging.close()


@pytest.mark.skipif(host.has_nixl(), reason="NIXL is installed here")
def test_nixl_where_it_is_not_installed_is_refused_with_a_fix():
    with pytest.raises(OptionError, match=r"--nvinx-stage nixl: NIXL is not installed.*Fix: pip"):
        stager("nixl")


def test_while_nobody_has_a_file_worth_reading_nobody_asks_how_much_ram_is_left(bench):
    _, _, queue = bench
    asked = []
    staging = Staging(
        FakeStager(),
        0.5,
        lambda: asked.append("ram") or 10_000,
        lambda paths: Weights(paths, are_named=False),
    )
    staging.look(queue(a=[], b=[0]))
    assert not asked
    staging.look(queue(c=[20]))
    assert asked == ["ram"]

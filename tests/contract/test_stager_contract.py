"""One suite, every Stager: the fake, the plain reader, and NIXL's where it is installed."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from page_cache import make, resident_share
from waiting import GIVE_UP_S, eventually

from nvinx.staging import pieces
from nvinx.staging.ports import File
from nvinx.staging.process import ProcessStager, has_nixl
from nvinx.testing import FakeStager

SIZE = 24 * (1 << 20) + 12_345
LARGE = 256 * (1 << 20)
NEEDS_NIXL = pytest.mark.skipif(not has_nixl(), reason="NIXL is not installed here")
BOTH = ["plain", pytest.param("nixl", marks=NEEDS_NIXL)]


@pytest.fixture(params=["fake", *BOTH])
def stager(request):
    made = FakeStager() if request.param == "fake" else ProcessStager(request.param)
    yield made
    made.stop()


@pytest.fixture(params=BOTH)
def real(request):
    made = ProcessStager(request.param)
    yield made
    made.stop()


def file(path):
    return File(str(path), path.stat().st_size)


def begun_without_end(stager, path):
    """The process of a reader that has more to read than it comes to the end of."""
    stager.begin([file(make(path, SIZE))] * 9999, 0)
    (process,) = eventually(readers)
    return process


def readers():
    """Our own readers that live."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words, status = child.cmdline(), child.status()
        except psutil.NoSuchProcess:
            continue
        if "nvinx.staging.reader" in words and status != psutil.STATUS_ZOMBIE:
            found.append(child)
    return found


def test_what_was_read_is_told_once(stager, tmp_path):
    assert stager.result() is None
    files = [file(make(tmp_path / name, SIZE)) for name in ("a", "b")]
    stager.begin(files, 0)
    done = eventually(stager.result)

    assert (done.size_bytes, done.problem) == (2 * SIZE, None)
    assert done.took_s > 0
    assert stager.result() is None


def test_a_new_beginning_gives_up_what_was_read_before(stager, tmp_path):
    first, second = make(tmp_path / "a", LARGE), make(tmp_path / "b", SIZE)
    stager.begin([file(first)], 0)
    stager.begin([file(second)], 0)

    assert eventually(stager.result).size_bytes == SIZE
    assert stager.result() is None


def test_after_a_stop_there_is_nothing_to_tell(stager, tmp_path):
    stager.begin([file(make(tmp_path / "a", SIZE))], 0)
    stager.stop()
    stager.stop()

    assert stager.result() is None
    assert readers() == []


def test_what_was_read_is_in_the_page_cache(real, tmp_path):
    path = make(tmp_path / "a", SIZE)
    if resident_share(path) > 0:
        pytest.skip("this file system keeps all files in memory")
    shares = []
    while len(shares) < 3 and shares[-1:] != [1]:  # the kernel may drop pages at any time
        real.begin([File(str(path), SIZE)], 0)
        assert eventually(real.result).size_bytes == SIZE
        shares.append(resident_share(path))

    assert shares[-1] == 1, shares


def test_no_more_than_was_meant_of_a_file_is_read(real, tmp_path):
    path = make(tmp_path / "a", SIZE)
    real.begin([File(str(path), 5_000_000)], 0)

    assert eventually(real.result).size_bytes == 5_000_000


def test_a_file_that_is_gone_cut_off_or_not_ours_keeps_nobody_from_reading_the_rest(real, tmp_path):
    cut, sound = make(tmp_path / "cut", 1 << 20), make(tmp_path / "sound", SIZE)
    secret = make(tmp_path / "secret", 1 << 20)
    secret.chmod(0)
    files = [File(str(tmp_path / "gone"), SIZE), file(secret), File(str(cut), SIZE), file(sound)]
    real.begin(files, 0)
    done = eventually(real.result)

    as_root = os.geteuid() == 0
    assert done.size_bytes == (1 << 20) + SIZE + as_root * (1 << 20)
    assert done.problem == (
        f"{tmp_path}/gone: No such file or directory"
        if as_root
        else f"{tmp_path}/secret: Permission denied"
    )


def test_a_folder_and_a_pipe_are_problems_and_hang_nobody(real, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    real.begin([File(str(tmp_path / "pipe"), SIZE), File(str(tmp_path), SIZE)], 0)
    done = eventually(real.result)

    assert done.size_bytes == 0
    assert done.problem.startswith(str(tmp_path))


def test_reading_ends_when_memory_runs_low(real, tmp_path):
    path = make(tmp_path / "a", SIZE)
    real.begin([file(path)], psutil.virtual_memory().total)

    assert eventually(real.result).size_bytes == pieces.PIECE_BYTES


def test_a_reader_that_is_killed_is_a_problem(real, tmp_path):
    begun_without_end(real, tmp_path / "a").kill()
    done = eventually(real.result)

    assert "-9" in done.problem
    assert done.size_bytes == 0


def test_more_paths_than_a_command_line_holds_are_a_problem(real):
    real.begin([File("/nowhere/" + "x" * 200, SIZE)] * 20_000, 0)
    assert "no process could be started" in eventually(real.result).problem


def test_the_reader_takes_the_cpu_and_the_disk_only_when_nobody_else_does(tmp_path):
    stager = ProcessStager()
    process = begun_without_end(stager, tmp_path / "a")
    assert eventually(lambda: process.nice() == 19)
    assert eventually(lambda: process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE)
    stager.stop()


@pytest.mark.parametrize("how", BOTH)
def test_the_reader_dies_with_whoever_started_it(how, tmp_path):
    path = make(tmp_path / "a", LARGE)
    program = (
        "from nvinx.staging.process import ProcessStager\nfrom nvinx.staging.ports import File\nimport time\n"
        f"stager = ProcessStager({how!r})\n"
        f"stager.begin([File({str(path)!r}, {LARGE})] * 9999, 0)\n"
        "print('up', flush=True)\ntime.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with starter:
        assert starter.stdout.readline() == "up\n"
        (process,) = eventually(readers)
        time.sleep(0.5)
        assert process.is_running()
        starter.send_signal(signal.SIGKILL)
    assert eventually(lambda: not process.is_running() or process.status() == "zombie")


@NEEDS_NIXL
def test_nixl_reads_the_same_bytes_as_plain_reading(tmp_path):
    path = make(tmp_path / "a", SIZE)
    program = (
        "import hashlib, os\nfrom nvinx.staging.nixl import NixlPieces\n"
        f"fd, digest = os.open({str(path)!r}, os.O_RDONLY), hashlib.sha256()\n"
        f"for piece in NixlPieces()(fd, {SIZE}): digest.update(piece)\nprint(digest.hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=GIVE_UP_S,
    )
    with path.open("rb") as there:
        digest = hashlib.sha256()
        for piece in pieces.plain(there.fileno(), SIZE):
            digest.update(piece)
    assert done.stdout.split()[-1] == digest.hexdigest()


@NEEDS_NIXL
def test_nixl_listens_nowhere(tmp_path):
    program = (
        "import psutil\nfrom nvinx.staging.nixl import NixlPieces\nNixlPieces()\n"
        "print(len(psutil.Process().net_connections()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=GIVE_UP_S,
    )
    assert done.stdout.split()[-1] == "0"

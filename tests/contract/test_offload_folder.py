"""The folder for weights on disk goes with its process, however that ends. Real processes."""

import signal
import subprocess
import sys

from waiting import GIVE_UP_S

CODE = (
    "from nvinx.overflow import offload_folder; print(offload_folder.folder(), flush=True); input()"
)


def start(scratch):
    program = subprocess.Popen(
        [sys.executable, "-c", CODE],
        env={"TMPDIR": str(scratch)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return program, program.stdout.readline().strip()


def left(scratch):
    return {str(path) for path in scratch.iterdir()}


def test_it_is_removed_when_the_program_ends(tmp_path):
    program, folder = start(tmp_path)
    assert left(tmp_path) == {folder}
    program.communicate("\n", timeout=GIVE_UP_S)
    assert left(tmp_path) == set()


def test_a_killed_programs_folder_is_swept_up_and_a_living_ones_is_not(tmp_path):
    killed, gone = start(tmp_path)
    living, kept = start(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=GIVE_UP_S)
    third, new = start(tmp_path)

    assert left(tmp_path) == {kept, new}
    assert gone not in left(tmp_path)
    for program in (living, third):
        program.communicate("\n", timeout=GIVE_UP_S)


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path):
    (tmp_path / "nvinx-offload-young").mkdir()
    program, folder = start(tmp_path)
    assert left(tmp_path) == {folder, str(tmp_path / "nvinx-offload-young")}
    program.communicate("\n", timeout=GIVE_UP_S)

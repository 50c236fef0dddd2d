"""A stand-in for cuda.bindings.driver: its checkpoint calls, on a card of 4000 MB that is a folder.

In the folder $STAND_IN_CUDA a program that uses the card has a file of its pid's name, with its
state and its MB; one that has loaded libcuda.so.1 gets such a file, with 0 MB. `calls` has what was called, and `overbooked` what did not fit. A call that stands
in `refuses` is not supported; one that stands in `waits` waits until it no longer does.
"""

import enum
import os
import time
from pathlib import Path

FOLDER = Path(os.environ["STAND_IN_CUDA"])
CARD_MB = 4000


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_ILLEGAL_STATE = 401
    CUDA_ERROR_NOT_SUPPORTED = 801


class CUprocessState(enum.IntEnum):
    CU_PROCESS_STATE_RUNNING = 0
    CU_PROCESS_STATE_LOCKED = 1
    CU_PROCESS_STATE_CHECKPOINTED = 2
    CU_PROCESS_STATE_FAILED = 3


class CUcheckpointLockArgs:
    timeoutMs = 0


def _told(name):
    path = FOLDER / name
    return path.read_text().split() if path.exists() else []


def _program(pid):
    _meet(pid)
    try:
        state, mb = FOLDER.joinpath(str(pid)).read_text().split()
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return CUprocessState[f"CU_PROCESS_STATE_{state}"], int(mb)


def _meet(pid):
    try:
        loaded = "libcuda.so.1" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return
    if loaded and not FOLDER.joinpath(str(pid)).exists():
        FOLDER.joinpath(str(pid)).write_text("RUNNING 0")


def _note(name, text):
    with FOLDER.joinpath(name).open("a") as file:
        file.write(f"{text}\n")


def _used_mb():
    pids = (int(path.name) for path in FOLDER.iterdir() if path.name.isdigit())
    there = filter(None, map(_program, pids))
    return sum(mb for state, mb in there if state != CUprocessState.CU_PROCESS_STATE_CHECKPOINTED)


def _step(call, pid, before, after):
    found = _program(pid)
    if found is None:
        return (CUresult.CUDA_ERROR_INVALID_VALUE,)
    state, mb = found
    if call in _told("refuses"):
        return (CUresult.CUDA_ERROR_NOT_SUPPORTED,)
    if state.name != f"CU_PROCESS_STATE_{before}":
        return (CUresult.CUDA_ERROR_ILLEGAL_STATE,)
    _note("calls", call)
    while call in _told("waits"):
        time.sleep(0.01)
    if call == "restore" and _used_mb() + mb > CARD_MB:
        _note("overbooked", f"{pid} {_used_mb()}")
        return (CUresult.CUDA_ERROR_OUT_OF_MEMORY,)
    part = FOLDER / f"{pid}.part"
    part.write_text(f"{after} {mb}")
    part.replace(FOLDER / str(pid))
    return (CUresult.CUDA_SUCCESS,)


def cuInit(_flags):
    return (CUresult.CUDA_SUCCESS,)


def cuDriverGetVersion():
    return CUresult.CUDA_SUCCESS, int((*_told("version"), "12080")[0])


def cuCheckpointProcessGetState(pid):
    found = _program(pid)
    if found is None:
        return CUresult.CUDA_ERROR_INVALID_VALUE, None
    return CUresult.CUDA_SUCCESS, found[0]


def cuCheckpointProcessLock(pid, args):
    assert args.timeoutMs > 0
    return _step("lock", pid, "RUNNING", "LOCKED")


def cuCheckpointProcessCheckpoint(pid, _args):
    return _step("checkpoint", pid, "LOCKED", "CHECKPOINTED")


def cuCheckpointProcessRestore(pid, _args):
    return _step("restore", pid, "CHECKPOINTED", "LOCKED")


def cuCheckpointProcessUnlock(pid, _args):
    return _step("unlock", pid, "LOCKED", "RUNNING")

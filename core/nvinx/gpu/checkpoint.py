"""The driver's own checkpoints of processes, through NVIDIA's package cuda-bindings.

https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__CHECKPOINT.html
"""

from __future__ import annotations

import importlib
import platform
import sys
from typing import Any

from nvinx.errors import SuspendError, install_command
from nvinx.gpu.checkpoint_ports import CudaState

_DRIVER = "cuda.bindings.driver"
_CALLS = ("GetState", "Lock", "Checkpoint", "Restore", "Unlock")
_LEAST = 12080  # as cuDriverGetVersion counts; drivers from 570 on
_LOCK_MS = 30_000
_NO_CUDA = ("CUDA_ERROR_INVALID_VALUE", "CUDA_ERROR_NOT_INITIALIZED")  # said of other processes
_STATES = {
    "CU_PROCESS_STATE_RUNNING": CudaState.RUNNING,
    "CU_PROCESS_STATE_LOCKED": CudaState.LOCKED,
    "CU_PROCESS_STATE_CHECKPOINTED": CudaState.CHECKPOINTED,
    "CU_PROCESS_STATE_FAILED": CudaState.FAILED,
}
_OTHERWISE = "use preemptible='requeue' or 'signal'"
_WORDS = {
    "CUDA_ERROR_NOT_SUPPORTED": (
        "the driver does not suspend such a process: it uses managed memory (UVM), memory that "
        "processes share (CUDA IPC), or another feature that has no checkpoint"
    ),
    "CUDA_ERROR_NOT_READY": f"what it does on the card was not done within {_LOCK_MS // 1000} s",
    "CUDA_ERROR_OUT_OF_MEMORY": "the card has too little room for what it had there",
    "CUDA_ERROR_OPERATING_SYSTEM": "the operating system refused it, or an earlier restore failed",
}


class DriverCheckpoint:
    """A `Checkpoint` by the driver of this machine. Nothing of CUDA is loaded before it is used."""

    def problem(self) -> SuspendError | None:
        try:
            self._demand_able()
        except SuspendError as error:
            return error
        return None

    def state(self, pid: int) -> CudaState | None:
        driver = self._demand_able()
        error, *found = _called(driver, "cuCheckpointProcessGetState", pid)
        if error.name in _NO_CUDA:
            return None
        _demand(error, f"process {pid} cannot be looked at")
        return _STATES.get(found[0].name, CudaState.UNDER_WAY)

    def lock(self, pid: int) -> None:
        driver = self._demand_able()
        how = driver.CUcheckpointLockArgs()
        how.timeoutMs = _LOCK_MS
        self._do("Lock", pid, how)

    def checkpoint(self, pid: int) -> None:
        self._do("Checkpoint", pid, None)

    def restore(self, pid: int) -> None:
        (error,) = _called(self._demand_able(), "cuInit", 0)  # or persistence mode, says its manual
        _demand(error, "the driver cannot be initialised")
        self._do("Restore", pid, None)

    def unlock(self, pid: int) -> None:
        self._do("Unlock", pid, None)

    def _do(self, call: str, pid: int, how: Any) -> None:
        (error,) = _called(self._demand_able(), f"cuCheckpointProcess{call}", pid, how)
        _demand(error, f"{call.lower()} of process {pid} failed")

    def _demand_able(self) -> Any:
        """The driver's calls. Raises SuspendError."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            problem = f"only x86-64 Linux can suspend, this is {platform.machine()} {sys.platform}"
            raise SuspendError(problem, _OTHERWISE)
        driver = _bindings()
        error, version = _called(driver, "cuDriverGetVersion")
        _demand(error, "the driver does not tell its version")
        if version < _LEAST:
            told = f"{version // 1000}.{version % 1000 // 10}"
            problem = f"the NVIDIA driver is too old to suspend (CUDA {told}, needs 12.8)"
            raise SuspendError(problem, f"update the driver to 570 or later, or {_OTHERWISE}")
        return driver


def _bindings() -> Any:
    install = install_command("suspend")
    try:
        driver = importlib.import_module(_DRIVER)
    except ImportError as error:
        problem = f"suspending needs the package cuda-bindings, which cannot be used ({error})"
        raise SuspendError(problem, f"{install}, or {_OTHERWISE}") from error
    if not all(hasattr(driver, f"cuCheckpointProcess{call}") for call in _CALLS):
        problem = "the package cuda-bindings is too old to suspend"
        raise SuspendError(problem, f"{install}, or {_OTHERWISE}")
    return driver


def _called(driver: Any, name: str, *words: Any) -> tuple[Any, ...]:
    """What a call of the driver returned: its error first. Raises SuspendError where it has none.

    The package raises RuntimeError where the library, or the function in it, is not there.
    """
    try:
        returned: tuple[Any, ...] = getattr(driver, name)(*words)
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        problem = f"the NVIDIA driver cannot suspend ({first})"
        raise SuspendError(problem, f"install a driver of 570 or later, or {_OTHERWISE}") from error
    return returned


def _demand(error: Any, problem: str) -> None:
    """Raise SuspendError unless the call succeeded."""
    if error.name != "CUDA_SUCCESS":
        why = _WORDS.get(error.name, error.name)
        raise SuspendError(f"{problem}: {why}", _OTHERWISE)

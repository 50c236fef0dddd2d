"""As much of torch as a calibration asks for, on a card that is made of sleeping.

A kernel sleeps for a thousandth of its matrix's side in ms. `cuda.present` is whether there is one.
"""

import contextlib
import time
from dataclasses import dataclass
from types import SimpleNamespace

launched = []


@dataclass
class Kernel:
    name: str
    device_time: float  # microseconds
    device_type: str = "DeviceType.CUDA"


class Matrix:
    def __init__(self, side):
        self.ms = side / 1000

    def __matmul__(self, other):
        time.sleep(self.ms / 1000)
        launched.append(Kernel("gemm", 1000 * self.ms))
        return self


def rand(rows, columns, device):
    assert (rows, device) == (columns, "cuda")
    return Matrix(rows)


class Event:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, later):
        return 1000 * (later.at - self.at)


class Profile:
    def __init__(self, activities):
        assert activities == ["cuda"]

    def __enter__(self):
        self.begin = len(launched)
        return self

    def __exit__(self, *error):
        pass

    def events(self):
        copy, host = Kernel("Memcpy HtoD", 5.0), Kernel("aten::mm", 9.0, "DeviceType.CPU")
        return [*launched[self.begin :], copy, host]


cuda = SimpleNamespace(
    present=True,
    is_available=lambda: cuda.present,
    is_initialized=lambda: False,
    current_device=lambda: 0,
    get_device_properties=lambda index: SimpleNamespace(uuid=f"fake-{index}"),
    synchronize=lambda: None,
    Stream=lambda: None,
    stream=lambda stream: contextlib.nullcontext(),
    Event=Event,
)
profiler = SimpleNamespace(ProfilerActivity=SimpleNamespace(CUDA="cuda"), profile=Profile)

"""How fast weights reach the program from the disk, and a card from RAM; in bytes per second."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from nvinx.errors import MeasureError
from nvinx.host import extras

NEEDS = ("safetensors.numpy", "hf", "measuring how fast weights are read")
SIZE = 512 * 1024 * 1024
_PIECE = 16 * 1024 * 1024  # about one matrix of a layer
_ROUNDS = 3
_BUS_BYTES = 256 * 1024 * 1024


def disk(folder: Path, size: int = SIZE) -> float:
    """Cold reads of one tensor after the other from a safetensors file, as accelerate reads.

    The median of a few rounds. Makes a file of `size` bytes in the folder and removes it. Raises
    MeasureError when it cannot, MissingExtraError without safetensors.
    """
    extras.require(*NEEDS)
    from safetensors import SafetensorError

    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix="nvinx-measure-") as made:
            file = Path(made) / "measure.safetensors"
            _write(file, size)
            return statistics.median(_cold_read(file, size) for _ in range(_ROUNDS))
    except (OSError, SafetensorError) as error:
        problem = f"{size / 1e6:.0f} MB could not be written and read back ({error})"
        raise MeasureError(str(folder), problem, "free space, or name another --scratch") from error


def bus() -> tuple[float | None, str | None]:
    """Copies from pageable RAM to the card, as accelerate makes them; or None, and why not."""
    from nvinx.calibration.cuda import torch_on_cuda, wall_ms

    try:
        torch = torch_on_cuda()
    except (ImportError, RuntimeError) as error:
        return None, str(error).partition(". Fix: ")[0]
    # Pages that were never written to are all one page of zeros, which says nothing of weights.
    source = torch.empty(_BUS_BYTES, dtype=torch.uint8).fill_(1)
    source.to("cuda")  # the first one also makes the context
    ms = wall_ms(torch, lambda: source.to("cuda"), _ROUNDS)
    return _BUS_BYTES / (ms / 1000), None


def drop_pages(file: Path) -> None:
    """Forget what is cached of the file; what a process has mapped and touched stays."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)  # what was not written back could not be dropped
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def _write(file: Path, size: int) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    chance = np.random.default_rng(1)
    number = max(size // _PIECE, 1)
    pieces = (chance.integers(0, 256, _PIECE, dtype=np.uint8) for _ in range(number))
    save_file({str(n): piece for n, piece in enumerate(pieces)}, file)


def _cold_read(file: Path, size: int) -> float:
    from safetensors import safe_open

    drop_pages(file)
    begin = time.perf_counter()
    for n in range(max(size // _PIECE, 1)):
        with safe_open(file, framework="numpy") as weights:
            weights.get_tensor(str(n))
    return size / (time.perf_counter() - begin)

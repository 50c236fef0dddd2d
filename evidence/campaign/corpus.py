"""Part corpus: programs that run out of GPU memory, and some that end badly for other reasons.

Their exit status and words are kept, with what nvinx makes of them. Programs that are capped say
how far they came. One goes up and down in memory while it is polled at several rates.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign import child, nvml
from campaign.steps import MeasurementError, MissingError, Step
from nvinx.jobs import outcome
from nvinx.jobs.outcome import Outcome
from nvinx.leases.context import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from campaign.child import Ended
    from campaign.steps import Part

CAP_MIB, KEPT_MIB = 2048, 2048
FULL = ("torch", "cublas", "cupy", "jax", "driver")  # on a card that somebody else filled
CAPPED = ("torch", "cupy", "jax")
OTHERWISE = ("bad-device", "bad-index")  # failures on a card that are not out of memory
ANYWHERE = ("host-memory", "killed", "no-card")  # failures that need no card at all
POLLS_HZ = (20, 5, 1)


def steps(part: Part) -> Iterator[Step]:
    """All measurements of this part."""
    for how in ANYWHERE:
        yield Step(f"corpus/{how}", partial(_anywhere, how), 20)
    yield Step("corpus/stand-in", lambda: _stand_in(part), 20)
    for how in OTHERWISE:
        yield Step(f"corpus/{how}", partial(_otherwise, part, how), 40)
    for how in CAPPED:
        yield Step(f"corpus/capped/{how}", partial(_capped, part, how), 60)
    for how in FULL:
        yield Step(f"corpus/full/{how}", partial(_filled, part, how), 60)
    for how in ("checked", "unchecked"):
        yield Step(f"corpus/full/c++-{how}", partial(_compiled, part, how), 90)
    for how in ("kept", "returned"):
        yield Step(f"corpus/peaks/{how}", partial(_peaks, part, how), 40)


def _anywhere(how: str) -> dict[str, Any]:
    return _ended(child.run("hungry.py", how).demand_library(), Outcome.FAILED)


def _otherwise(part: Part, how: str) -> dict[str, Any]:
    return _ended(_on_card(part, how), Outcome.FAILED)


def _stand_in(part: Part) -> dict[str, Any]:
    """The contended card's stand-in for a program; it only shows that the corpus is kept well."""
    if part.card is not None:
        raise MissingError("no stand-in: there is a card")
    program = child.STAND_IN / "card.py"
    environ = {**os.environ, "FAKE_CARD": str(part.scratch / "stand-in.json")}
    command = [sys.executable, str(program), "greedy", "5000", "1"]
    return _ended(child.execute(command, environ), Outcome.OUT_OF_MEMORY)


def _on_card(part: Part, how: str, *words: str, **more: str) -> Ended:
    environ = part.on_card(**more)
    return child.run("hungry.py", how, *words, environ=environ, timeout_s=120).demand_library()


def _ended(ended: Ended, expected: Outcome) -> dict[str, Any]:
    """What a program left, what it was, and what nvinx takes it for."""
    return {
        "status": ended.status,
        "stdout": ended.stdout,
        "stderr": ended.stderr,
        "took_s": ended.took_s,
        "expected": expected.value,
        "told": outcome.outcome_of(ended.status, ended.stderr).value,
    }


def _capped(part: Part, how: str) -> dict[str, Any]:
    """A program under the cap that nvinx exports for a job of CAP_MIB, and how far it came."""
    card = part.demand_card()
    fraction = f"{CAP_MIB / card.total_mib:.6f}"
    ended = _on_card(
        part,
        how,
        str(CAP_MIB // 32),
        PYTHONPATH=SITE,
        NVINX_VRAM_FRACTION=fraction,
        XLA_CLIENT_MEM_FRACTION=fraction,
        XLA_PYTHON_CLIENT_MEM_FRACTION=fraction,
        XLA_PYTHON_CLIENT_PREALLOCATE="false",
        CUPY_GPU_MEMORY_LIMIT=str(CAP_MIB * 2**20),
    )
    return _ended(ended, Outcome.OUT_OF_MEMORY) | {"cap_mib": CAP_MIB} | _reached(ended)


def _reached(ended: Ended) -> dict[str, int]:
    """How much it held when the next piece was refused, from the last JSON line of its stdout."""
    found = [line for line in ended.stdout.splitlines() if line.startswith('{"reached_mib"')]
    return {"reached_mib": int(found[-1].rstrip("}").rpartition(":")[2])} if found else {}


def _filled(part: Part, how: str) -> dict[str, Any]:
    """A program on a card that another one has filled."""
    with child.held("fill.py", str(KEPT_MIB), environ=part.on_card()):
        ended = _on_card(part, how, str(KEPT_MIB // 16))
    return _ended(ended, Outcome.OUT_OF_MEMORY) | _reached(ended)


def _compiled(part: Part, how: str) -> dict[str, Any]:
    """A CUDA C++ program that looks at what cudaMalloc returns, or one whose thrust throws."""
    environ = part.on_card()
    compiler = shutil.which("nvcc")
    if compiler is None:
        raise MissingError("nvcc")
    program = part.scratch / "allocate"
    source = child.PROGRAMS / "allocate.cu"
    made = child.execute([compiler, "-o", str(program), str(source)], os.environ, 120)
    if made.status:
        raise MeasurementError(f"nvcc: {made.stderr}")
    return _ended(child.execute([str(program), how], environ, 60), Outcome.OUT_OF_MEMORY)


def _peaks(part: Part, how: str) -> dict[str, Any]:
    """The peak that polling sees, at several rates and in each phase, and torch's own figure.

    Slower polls are every n-th of the fastest one's looks. MiB, the context counted in.
    """
    card = part.demand_card()
    _total, idle = nvml.memory_now(card.id)
    with child.held("spikes.py", how, environ=part.on_card()) as (pid, said, finish):
        looks = _looks(nvml.MemoryPoll(card.id, pid), said["lasts_s"])
        told = finish().answer()
    by_process = all(own is not None for own, _ in looks)
    sizes = [own if by_process and own is not None else used - idle for own, used in looks]
    by = "its process" if by_process else "the card"
    return {**told, "how": how, "by": by, "polled": _polled(sizes)}


def _looks(poll: nvml.MemoryPoll, seconds: float) -> list[tuple[int | None, int]]:
    """What is seen at the fastest rate for so many seconds."""
    began, found = time.monotonic(), []
    with contextlib.closing(poll):
        for number in range(round(seconds * POLLS_HZ[0])):
            time.sleep(max(began + number / POLLS_HZ[0] - time.monotonic(), 0))
            found.append(poll.look())
    return found


def _polled(sizes: list[int]) -> dict[str, list[float]]:
    """Peaks in MiB by rate, one for each phase in which the polling may have begun."""
    found: dict[str, list[float]] = {}
    for rate in POLLS_HZ:
        every = POLLS_HZ[0] // rate
        phases = (sizes[phase::every] for phase in range(every))
        found[str(rate)] = [round(max(each) / 2**20, 1) for each in phases]
    return found

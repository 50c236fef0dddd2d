"""The lease that this process runs in already, which has to be more than a word in its environment.

NVINX_JOB names it, and may be left over from a job that ended, or be copied. It counts where this
process or one that it descends from holds the lease's sign of life. In a container nobody can
see what is outside, so there the word is all there is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from nvinx.errors import ImpossibleJobError
from nvinx.formatting import cards_text, gb
from nvinx.host import proc, statedir
from nvinx.leases import lost_ledger, tokens
from nvinx.leases.markers import MARKER
from nvinx.residency import Residency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.bench.resolve import Bench
    from nvinx.jobs.claim import Claim
    from nvinx.leases.liveness import ProcessLiveness
    from nvinx.leases.ports import Lease

_INSIDE = "inside"


class Outer(Struct, frozen=True):
    """Where this process was placed. lease: None where it holds no card, or not through nvinx."""

    token: str
    state_dir: Path | None = None
    lease: Lease | None = None

    @property
    def folder(self) -> Path:
        """A state folder for those that share out the lease."""
        if self.state_dir is None:
            raise RuntimeError("without a lease there is nothing to share out")
        return self.state_dir / _INSIDE / self.token

    def make_folder(self) -> Path:
        above = self.folder.parent
        statedir.subfolder(above, shared=statedir.is_shared(above.parent))
        return self.folder


def find(environ: Mapping[str, str]) -> Outer | None:
    """What this process was placed in; None where nothing that lives has placed it."""
    token = environ.get(MARKER)
    if not token:
        return None
    from nvinx.leases import slurm_step

    if slurm_step.is_around(environ.get(slurm_step.VARIABLE, ""), _line()):
        return Outer(token)  # the cluster gave the place, and sees to it
    if environ.get("NVINX_PLACEMENT") == Residency.CPU_ONLY.value:
        is_ours = _sees_no_card(environ) and (_is_from(token) or not tokens.is_seen(token))
        return Outer(token) if is_ours else None
    return _held(token) or (None if tokens.is_seen(token) else Outer(token))


def stale(environ: Mapping[str, str]) -> str | None:
    """A sentence about a job that is named and not there; None where none is named."""
    token = environ.get(MARKER)
    if not token or find(environ) is not None:
        return None
    return f"{MARKER} names a job that this process does not belong to, so it is ignored"


def demand_within(claim: Claim, outer: Outer, name: str) -> None:
    """Raise ImpossibleJobError where the claim is for more than the lease around it has."""
    if outer.lease is None or not claim.uses_gpu:
        return
    held = outer.lease.placement
    number, wanted = claim.cards.least, claim.least_on_card_mib
    if number > len(held.cards):
        raise _asks_for_more(name, claim.cards.text, cards_text(len(held.cards)))
    if held.alone:
        return
    held_mib = sorted(_lasting_mib(outer.lease, card_id) for card_id in held.cards)[-number]
    if claim.residency is Residency.GPU_EXCLUSIVE:
        raise _asks_for_more(name, "the whole card", gb(held_mib))
    if wanted > held_mib:
        raise _asks_for_more(name, gb(wanted), gb(held_mib))


def _asks_for_more(name: str, asked: str, held: str) -> ImpossibleJobError:
    problem = f"asks for {asked} inside a lease of {held}"
    fix = "ask for no more than the surrounding lease has, or enlarge that lease"
    return ImpossibleJobError(name, problem, fix, kind="lease")


def share_of(bench: Bench, lease: Lease) -> Bench:
    """The bench as those see it that share out the lease: its cards alone, with what it holds."""
    held = lease.placement
    cards = []
    for card in bench.cards:
        if lease.holds(card.id):
            size = (
                card.total_mib if held.alone else min(_lasting_mib(lease, card.id), card.total_mib)
            )
            whole = max(card.device_mib, card.total_mib)
            cards.append(replace(card, total_mib=size, headroom_mib=0, device_mib=whole))
    return replace(bench, cards=tuple(cards))


def _lasting_mib(lease: Lease, card_id: str) -> int:
    """What the lease holds of a card to its end: of a range the least."""
    claim, held_mib = lease.job.claim, lease.placement.mib_on(card_id)
    return min(claim.vram_mib or 0, held_mib) if claim.elastic_mib else held_mib


def sweep(state_dir: Path, liveness: ProcessLiveness) -> None:
    """Remove what those left that shared out leases which have ended."""
    import shutil

    with suppress(OSError):
        tokens = {folder.name for folder in (state_dir / _INSIDE).iterdir()}
        for token in tokens - liveness.alive(tokens):
            shutil.rmtree(state_dir / _INSIDE / token, ignore_errors=True)


def _held(token: str) -> Outer | None:
    for pid in _line():
        for fd, target in proc.open_files(pid):
            file = Path(target)
            if file.name == f"{token}.lock" and proc.is_locked(pid, fd):
                lease = lost_ledger.lease_of(token, Path(f"/proc/{pid}/fd/{fd}"))
                return Outer(token, file.parents[1], lease)
    return None


def _sees_no_card(environ: Mapping[str, str]) -> bool:
    return environ.get("CUDA_VISIBLE_DEVICES") == ""


def _is_from(token: str) -> bool:
    """Whether the engine that names itself in the token started this process."""
    engine = token.rpartition("+")[2].partition("-")[0]
    return engine == "task" or (engine.isdigit() and int(engine) in _line())


def _line() -> Iterator[int]:
    """This process and those that it descends from."""
    pid: int | None = os.getpid()
    while pid:
        yield pid
        pid = proc.parent(pid)

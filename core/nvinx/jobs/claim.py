"""What a job asks for, after its hints were understood."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

# msgspec looks these up when it reads a claim.
from nvinx.jobs.card_count import ONE, CardCount
from nvinx.jobs.card_share import CardShare  # noqa: TC001
from nvinx.jobs.preemption import Preemptible  # noqa: TC001
from nvinx.residency import Residency


class Claim(Struct, frozen=True, kw_only=True):
    """One job's needs: memory in whole MiB, cores as a count, times in seconds.

    cards: how many it gets at once. vram_mib: on each of them, or in all of a job that spills; None
    means whole cards (only with `GPU_EXCLUSIVE`). ram_mib: host memory, 0 where
    nothing was declared. disk_mib: of the scratch folder, for what fits neither card nor RAM.
    runtime_s, cpu_runtime_s: expected, alone on the card and on the CPU; None where nobody knows.
    chain_s: the longest chain of jobs that begins with this one, 0 where the engine knows none.
    kind: the name under which runs of such jobs are remembered. card_name: a part of the name of
    the only cards that will do. size: of its input, in bytes or whatever the job counts in; None
    where nobody knows. auto_vram: the VRAM is to be learned from earlier runs, and is not known as
    long as the job asks for a whole card. share: the part of its card that a job gets which says no
    size; `Card.need_mib` tells how much that is. elastic_mib: VRAM beyond vram_mib that a job which
    shares can make use of, and give back while it runs. preemptible: how it gives its card back;
    None: it never does. preempts: how far its priority must be above that of a job which agreed to
    give its card back; None: it asks nobody. on_card: id of the only card that will do, of a job
    that was suspended there. ran_out: it has a whole card since it, or others of its kind, ran out
    of GPU memory with less. Raises ValueError when a number is negative, VRAM is missing, or a
    part is asked for beside a size or by a job that does not share.
    """

    residency: Residency
    vram_mib: int | None = None
    ram_mib: int = 0
    disk_mib: int = 0
    cores: int = 1
    cpu_fallback: bool = False
    ram_overflow: bool = False
    model: str | None = None
    max_slowdown: float | None = None
    runtime_s: float | None = None
    cpu_runtime_s: float | None = None
    chain_s: float = 0.0
    priority: int = 0
    kind: str = ""
    card_name: str | None = None
    size: float | None = None
    auto_vram: bool = False
    share: CardShare | None = None
    elastic_mib: int = 0
    cards: CardCount = ONE
    preemptible: Preemptible | None = None
    preempts: int | None = None
    on_card: str | None = None
    ran_out: bool = False

    def __post_init__(self) -> None:
        sizes = self.vram_mib or 0, self.elastic_mib, self.ram_mib, self.disk_mib
        if min(self.cores, *sizes) < 0:
            raise ValueError(f"a claim must not be negative: {self}")
        if self.share is not None:
            self._check_share()
        elif self.residency.needs_vram and self.vram_mib is None:
            raise ValueError(f"{self.residency.value} needs vram_mib")

    def _check_share(self) -> None:
        if not self.residency.shares_card or self.vram_mib is not None:
            raise ValueError(f"a part of a card is for jobs that share it without a size: {self}")

    def with_whole_card(self) -> Claim:
        """The same job, which holds a card alone; a size that it states is the least it needs."""
        return replace(self, residency=Residency.GPU_EXCLUSIVE, share=None, elastic_mib=0)

    def after_running_out(self) -> Claim:
        """The same job with a whole card, since a part of one was not enough."""
        return replace(self.with_whole_card(), ran_out=True)

    def with_cards(self, number: int) -> Claim:
        """The same job with just so many cards."""
        return replace(self, cards=CardCount(number, number))

    @property
    def most_mib(self) -> int:
        """What a job that shares can make use of on its card; 0 where it states no size."""
        return (self.vram_mib or 0) + self.elastic_mib

    @property
    def is_gang(self) -> bool:
        return self.cards.is_gang

    @property
    def is_wide(self) -> bool:
        """Whether it wants a whole card, or several cards, so that smaller jobs pass it by."""
        return self.residency is Residency.GPU_EXCLUSIVE or self.is_gang

    def may_preempt(self, other: Claim) -> bool:
        """Whether its priority is as far above the other's as it has to be to ask for its card."""
        return self.preempts is not None and self.priority - other.priority >= self.preempts

    @property
    def uses_gpu(self) -> bool:
        return self.residency is not Residency.CPU_ONLY

    @property
    def profile(self) -> str:
        """The name under which it is known who slows this job: its model, else its kind."""
        return self.model or self.kind

    @property
    def may_overflow(self) -> bool:
        return self.ram_overflow or self.residency is Residency.GPU_RAM_OVERFLOW

    def asks_as_much_as(self, other: Claim) -> bool:
        """Whether both ask for the same VRAM, or part of a card, and the same RAM."""
        mine, others = ((c.vram_mib, c.share, c.ram_mib) for c in (self, other))
        return mine == others

    @property
    def least_on_card_mib(self) -> int:
        """What must be on a card if all that may spill does; 0 where no size is known."""
        return max((self.vram_mib or 0) - self.ram_mib - self.disk_mib, 0)

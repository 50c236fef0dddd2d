"""The options `--nvinx-...` of the executor."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def said(
    kind: Callable[[str], Any], meaning: str, choices: Sequence[str] | None = None
) -> dict[str, Any]:
    """What Snakemake is told of an option; what it means ends with its default, in words."""
    return {"help": meaning, "type": kind} | ({"choices": list(choices)} if choices else {})


CAPS = said(
    str,
    "Limit PyTorch, JAX and CuPy to the VRAM that a shared job declares (on), or not (off). "
    "Default: on.",
    choices=["on", "off"],
)


def share(text: str) -> float:
    """A share of something that is there: above 0, and 1 at most."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise ArgumentTypeError(f"{text!r} must be above 0 and at most 1. Fix: write it like 0.25.")
    return number


def margin(text: object) -> int | None:
    """A difference of priorities of 1 at least; None for "off"."""
    word = str(text).strip().lower()
    if word in ("off", "none", "false"):  # as a profile's YAML gives it
        return None
    if word.isdecimal() and int(word) > 0:
        return int(word)
    fix = "Fix: write it like 10, or off."
    raise ArgumentTypeError(f"{text!r} is not a priority difference of 1 or more. {fix}")


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """Few, because rule hints and the bench file say the rest."""

    bench: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Bench file (nvinx.yaml) that describes the GPU, RAM, cores and models. "
            "Default: $NVINX_BENCH, else nvinx.yaml in the working folder, in the project's "
            "(above workflow/), beside the Snakefile or in the user's config folder, else "
            "the machine as detected.",
        ),
    )
    headroom_mb: int | None = field(
        default=None,
        metadata=said(
            int,
            "VRAM in MB that is never given to shared jobs. Default: headroom_gb of the "
            "bench file, else 500 on a real card and 0 on a simulated one.",
        ),
    )
    state_dir: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Folder on a local disk through which all nvinx programs of this machine share "
            "the card. Default: $NVINX_STATE_DIR, else the user's state folder.",
        ),
    )
    patience: int = field(
        default=60,
        metadata=said(
            int,
            "Seconds for which younger jobs may overtake a job that does not fit yet; then "
            "the card is reserved for it. Default: 60.",
        ),
    )
    look_ahead: str = field(
        default="on",
        metadata=said(
            str,
            "Simulate the known work to its end before each decision, to choose the order "
            "and which jobs go to the CPU, and keep a place for up to two seconds for a job "
            "that Snakemake is about to hand over, once run times are declared or learned (on), "
            "or decide job by job (off). Default: on.",
            choices=["on", "off"],
        ),
    )
    caps: str = field(default="on", metadata=CAPS)
    device_ids: str = field(
        default="uuid",
        metadata=said(
            str,
            "What CUDA_VISIBLE_DEVICES holds in a job: the card's UUID, or its index as nvidia-smi "
            "counts, for programs that read a number. Default: uuid.",
            choices=["uuid", "index"],
        ),
    )
    stage: str = field(
        default="on",
        metadata=said(
            str,
            "Read what the next GPU jobs will load into the page cache while they wait "
            "(on), with NIXL where that is installed (nixl), or not (off). Default: on.",
            choices=["on", "off", "nixl"],
        ),
    )
    stage_share: float = field(
        default=0.25,
        metadata=said(
            share, "Share of the available RAM that files read ahead may take. Default: 0.25."
        ),
    )
    preempt: int | None = field(
        default=None,
        metadata=said(
            margin,
            "Let jobs preempt running ones that agreed to it (hint preemptible) and whose "
            "priority is lower by at least this much, where that saves more waiting than it "
            "loses work; off: never. Default: off.",
        ),
    )
    trace: str = field(
        default="on",
        metadata=said(
            str,
            "Record the run in .nvinx/ in the working folder, for `nvinx jobs`, `explain` "
            "and `report` (on), in another folder (its path), or not (off). The last ten "
            "are kept. Default: on.",
        ),
    )
    workload: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Write the jobs to this file, as a workload for `nvinx simulate`, and run "
            "nothing. `nvinx plan` uses it.",
        ),
    )
    check: Path | None = field(
        default=None,
        metadata=said(
            Path,
            "Write how nvinx understands each rule to this file, and run nothing. `nvinx "
            "check` uses it.",
        ),
    )

    def __post_init__(self) -> None:
        from snakemake_executor_plugin_nvinx import snakemake_internals

        snakemake_internals.fill_in_limits(self._cores)

    def _cores(self, snakefile: Path | None, folder: Path | None) -> int:
        """The cores of the bench that this run will use; a mistake in its file is told later."""
        from nvinx.bench import machine
        from nvinx.errors import NvinxError
        from nvinx.host.resources import detect

        flow = None if snakefile is None else Path(snakefile).absolute().parent
        try:
            return machine.cores(self.bench, flow, folder)
        except NvinxError:
            return detect().cores

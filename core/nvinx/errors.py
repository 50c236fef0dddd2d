"""Every exception nvinx raises on purpose; each carries data, not only a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class NvinxError(Exception):
    """Catch this to catch anything nvinx reports on purpose."""


class ToldInFull:
    """An exception beside this one says all in its message, and shows no line of nvinx's code."""

    @property
    def __traceback__(self) -> None:
        return None

    @__traceback__.setter
    def __traceback__(self, lines: object) -> None:
        """Python keeps them by itself; nobody is shown them."""


def install_command(extra: str) -> str:
    """What to type for an extra of nvinx; quoted, as some shells read the brackets."""
    return f'pip install "snakemake-executor-plugin-nvinx[{extra}]"'


class MissingExtraError(NvinxError, ImportError):
    """A package that only some of nvinx needs is not installed. extra: of nvinx, which brings it.

    An ImportError too, as in nvinx 0.3. instead: what does without it.
    """

    def __init__(self, what: str, package: str, extra: str, instead: str = "") -> None:
        way_out = f", or {instead}" if instead else ""
        super().__init__(
            f"{what} needs {package}, which is not installed. "
            f"Fix: {install_command(extra)}{way_out}.",
            name=package,
        )
        self.what = what
        self.package = package
        self.extra = extra
        self.instead = instead


class HintError(NvinxError):
    """A resource hint cannot be understood, or contradicts another one."""

    def __init__(self, rule: str, hint: str, problem: str, fix: str, *, kind: str = "rule") -> None:
        super().__init__(f"{kind} {rule}: {hint}: {problem}. Fix: {fix}.")
        self.kind = kind
        self.rule = rule
        self.hint = hint
        self.problem = problem
        self.fix = fix


class ImpossibleJobError(NvinxError):
    """A job can never run on this bench, whatever it waits for."""

    def __init__(self, rule: str, problem: str, fix: str, *, kind: str = "rule") -> None:
        super().__init__(f"{kind} {rule}: {problem}. Fix: {fix}.")
        self.rule = rule
        self.problem = problem
        self.fix = fix


class OptionError(NvinxError):
    """An option asks for something that is not available here."""

    def __init__(self, option: str, problem: str, fix: str) -> None:
        super().__init__(f"{option}: {problem}. Fix: {fix}.")
        self.option = option
        self.problem = problem
        self.fix = fix


class BenchError(NvinxError):
    """The bench file cannot be used; says where and what to write instead."""

    def __init__(self, path: str, line: int | None, problem: str, fix: str) -> None:
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}. Fix: {fix}.")
        self.path = path
        self.line = line
        self.problem = problem
        self.fix = fix


STATE_DIR_BY = "NVINX_STATE_DIR, --state-dir or, for Snakemake, --nvinx-state-dir"


class StateDirError(NvinxError):
    """The folder that holds the machine's leases cannot be used."""

    def __init__(self, path: str, problem: str, fix: str) -> None:
        super().__init__(f"state folder {path}: {problem}. Fix: {fix}.")
        self.path = path
        self.problem = problem
        self.fix = fix


class LedgerLostError(StateDirError):
    """The ledger was lost or damaged while it was in use; the next attempt finds a new one."""

    def __init__(self, path: str) -> None:
        super().__init__(
            path,
            "the ledger was lost or damaged repeatedly",
            f"find out what else writes to this folder, or name another one with {STATE_DIR_BY}",
        )


class LedgerVersionError(NvinxError):
    """The ledger was written by another nvinx; it is left exactly as it is."""

    def __init__(self, path: str, found: int, expected: int) -> None:
        super().__init__(
            f"ledger {path} has schema {found}, this nvinx reads schema {expected}. It is left "
            "untouched. Fix: use the nvinx version that wrote it, or name another folder with "
            f"{STATE_DIR_BY}, or delete it when none of its jobs runs."
        )
        self.path = path
        self.found = found
        self.expected = expected


class LeaseExistsError(NvinxError):
    """The job already holds a lease; taking it again would count its memory twice."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id!r} already holds a lease")
        self.job_id = job_id


class LookOnlyError(NvinxError):
    """Something was to be written while the ledger was only looked at; nothing was."""

    def __init__(self) -> None:
        super().__init__("the ledger was opened for a look; write in a transaction")


class GaveUpError(NvinxError):
    """A request for a card was not granted in time."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} gave up: {reason}")
        self.name = name
        self.reason = reason


class IllegalEventError(NvinxError):
    """An event arrived for a job that is not in a state to take it."""

    def __init__(self, job_id: str, event: str, allowed: Sequence[str]) -> None:
        where = " or ".join(allowed)
        super().__init__(f"job {job_id!r} is not {where}, so it cannot be {event}")
        self.job_id = job_id
        self.event = event
        self.allowed = tuple(allowed)


class NoRunError(NvinxError):
    """A folder in which no workflow has run with nvinx."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"no run is recorded in {folder}. Fix: run snakemake --executor nvinx, or nextflow, "
            "there first, or name the folder of a workflow that did. Of runs on Slurm there is no "
            "record; nvinx history shows their jobs."
        )
        self.folder = folder


class RecordError(NvinxError):
    """The record of a run cannot be read."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not a record of a run. Fix: run the workflow again, or delete it."
        )
        self.path = path


class ModelFileError(NvinxError):
    """The file of a slowdown model cannot be used."""

    def __init__(self, path: str, problem: str, fix: str) -> None:
        super().__init__(f"slowdown model {path}: {problem}. Fix: {fix}.")
        self.path = path
        self.problem = problem
        self.fix = fix


class CardMismatchError(NvinxError):
    """The slowdown model was measured on another card than the one it would be used on."""

    def __init__(self, path: str, measured_on: str, card: str) -> None:
        super().__init__(
            f"slowdown model {path} was measured on {measured_on}, not on {card}. Fix: calibrate "
            "on this card (nvinx calibrate), or say that any card will do (any_card: true)."
        )
        self.path = path
        self.measured_on = measured_on
        self.card = card


class CalibrationError(NvinxError):
    """A calibration cannot start or continue; what was measured so far is kept."""

    def __init__(self, what: str, problem: str, fix: str) -> None:
        super().__init__(f"{what}: {problem}. Fix: {fix}.")
        self.what = what
        self.problem = problem
        self.fix = fix


class WorkloadError(NvinxError):
    """A workload cannot be planned or simulated."""

    def __init__(self, task: str, problem: str, fix: str) -> None:
        super().__init__(f"task {task}: {problem}. Fix: {fix}.")
        self.task = task
        self.problem = problem
        self.fix = fix


class HistoryError(NvinxError):
    """The history of earlier runs cannot be used; everything works without it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"history {path} {problem}. Fix: move the file away, or free disk space; nvinx works "
            "without it."
        )
        self.path = path
        self.problem = problem


class DoesNotFitError(NvinxError):
    """A model does not fit, however it is split. Sizes in bytes."""

    def __init__(self, missing: int, total: int, where: str) -> None:
        super().__init__(
            f"a model of {total / 1e6:.0f} MB does not fit {where}: {missing / 1e6:.0f} MB are "
            "missing. Fix: free memory or raise mem_mb or disk_mb by that much, or load it "
            "quantised."
        )
        self.missing = missing
        self.total = total
        self.where = where


class CheckpointError(NvinxError):
    """A model's files cannot be sized."""

    def __init__(self, path: str, problem: str, fix: str) -> None:
        super().__init__(f"model {path}: {problem}. Fix: {fix}.")
        self.path = path
        self.problem = problem
        self.fix = fix


class SuspendError(NvinxError):
    """A job cannot be suspended, or cannot go on."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}. Fix: {fix}.")
        self.problem = problem
        self.fix = fix


class StuckError(SuspendError):
    """A job that was suspended, or half so, cannot go on: what it had done is lost."""


class NextflowError(NvinxError):
    """Something that Nextflow needs is not where it should be."""

    def __init__(self, what: str, problem: str, fix: str) -> None:
        super().__init__(f"{what}: {problem}. Fix: {fix}.")
        self.what = what
        self.problem = problem
        self.fix = fix


class MeasureError(NvinxError):
    """This machine could not be measured."""

    def __init__(self, what: str, problem: str, fix: str) -> None:
        super().__init__(f"{what}: {problem}. Fix: {fix}.")
        self.what = what
        self.problem = problem
        self.fix = fix


class ExportError(NvinxError):
    """Metrics cannot be served or written there."""

    def __init__(self, where: str, problem: str, fix: str) -> None:
        super().__init__(f"metrics at {where}: {problem}. Fix: {fix}.")
        self.where = where
        self.problem = problem
        self.fix = fix


class SlurmError(NvinxError):
    """Slurm is not there, does not answer, or is not what the bench file says."""

    def __init__(self, what: str, problem: str, fix: str) -> None:
        super().__init__(f"{what} {problem}. Fix: {fix}.")
        self.what = what
        self.problem = problem
        self.fix = fix

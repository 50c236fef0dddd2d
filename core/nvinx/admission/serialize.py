"""Jobs, placements and reasons as plain values for JSON and SQL, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nvinx.admission.state import Job, Placement
from nvinx.catalog import Residency
from nvinx.history.runs import PastRun
from nvinx.jobs.claim import Claim
from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Reason, Why


def plain_job(job: Job) -> dict[str, Any]:
    claim = asdict(job.claim)
    claim["residency"] = job.claim.residency.value
    return {"id": job.id, "name": job.name, "engine": job.engine, "claim": claim}


def job_from(plain: dict[str, Any]) -> Job:
    claim = dict(plain["claim"])
    claim["residency"] = Residency(claim["residency"])
    return Job(plain["id"], plain["name"], Claim(**claim), plain["engine"])


def plain_run(run: PastRun) -> dict[str, Any]:
    return {
        **asdict(run),
        "residency": run.residency.value,
        "outcome": run.outcome.value,
        "co_residents": dict(run.co_residents),
    }


def run_from(plain: dict[str, Any]) -> PastRun:
    enums = {"residency": Residency(plain["residency"]), "outcome": Outcome(plain["outcome"])}
    return PastRun(**{**plain, **enums})


def plain_placement(placement: Placement) -> dict[str, Any]:
    return {
        **asdict(placement),
        "residency": placement.residency.value,
        "why": placement.why.value,
    }


def placement_from(plain: dict[str, Any]) -> Placement:
    enums = {"residency": Residency(plain["residency"]), "why": Why(plain["why"])}
    return Placement(**{**plain, **enums, "more": tuple(plain.get("more", ()))})


def plain_reason(reason: Reason | None) -> dict[str, Any] | None:
    return None if reason is None else {**asdict(reason), "why": reason.why.value}


def reason_from(plain: dict[str, Any] | None) -> Reason | None:
    if plain is None:
        return None
    return Reason(**{**plain, "why": Why(plain["why"]), "behind": tuple(plain["behind"])})

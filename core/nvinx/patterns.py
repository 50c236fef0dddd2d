"""The three patterns: what goes on the card, what runs beside it, what spills to RAM. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nvinx.catalog import HardwareSpec, ModelSpec, Residency, SchedulingPlan
from nvinx.interference.queue_aware.notes import Known, notes
from nvinx.reasons import Reason, Why
from nvinx.sizes import need_from_gb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nvinx.interference.queue_aware.latency import (
        HardwareCoefficients,
        InterferenceProfile,
        PairLookupEntry,
    )


def serial_handoff(
    gpu_exclusive: ModelSpec, cpu_candidates: list[ModelSpec], hw: HardwareSpec
) -> SchedulingPlan:
    """Pattern A: one job has the card, the CPU works meanwhile.

    A candidate goes to `cpu_parallel` when it is CPU_ONLY or declares a CPU fallback, else to
    `unscheduled`. Raises ValueError unless the job is GPU_EXCLUSIVE and fits the card.
    """
    _demand(
        gpu_exclusive.residency is Residency.GPU_EXCLUSIVE,
        f"{gpu_exclusive.name}: serial_handoff takes a GPU_EXCLUSIVE job, "
        f"this one is {gpu_exclusive.residency.name}",
    )
    _demand(
        gpu_exclusive.vram_gb <= hw.vram_gb,
        f"{gpu_exclusive.name}: needs {gpu_exclusive.vram_gb} GB of VRAM, "
        f"the card has {hw.vram_gb} GB",
    )
    plan = SchedulingPlan(gpu_foreground=gpu_exclusive)
    plan.reasons.append(Reason(gpu_exclusive.name, Why.WHOLE_CARD))
    for model in cpu_candidates:
        _send_to_cpu(plan, model, Why.DURING_EXCLUSIVE)
    plan.notes = handoff_notes(plan)
    return plan


def fractional_coresidency(
    candidates: list[ModelSpec], hw: HardwareSpec, *, headroom_gb: float = 0.5
) -> SchedulingPlan:
    """Pattern B: as many models on the card as fit, largest first, `headroom_gb` left free.

    What does not fit goes to `cpu_parallel` if it may, else to `unscheduled`; GPU_EXCLUSIVE never
    shares and CPU_ONLY never uses the card. Raises ValueError when the headroom leaves nothing.
    """
    budget_gb = hw.vram_gb - headroom_gb
    _demand(
        budget_gb > 0,
        f"headroom of {headroom_gb} GB leaves nothing of the card's {hw.vram_gb} GB",
    )
    plan, used_gb = SchedulingPlan(), 0.0
    for model in sorted(candidates, key=lambda m: m.vram_gb, reverse=True):
        if not model.residency.needs_vram:
            _set_aside(plan, model)
        elif used_gb + model.vram_gb <= budget_gb:
            used_gb += model.vram_gb
            plan.gpu_coresident.append(model)
            plan.reasons.append(Reason(model.name, Why.FITS_BESIDE_OTHERS))
        else:
            need, free = need_from_gb(model.vram_gb), need_from_gb(budget_gb - used_gb)
            plan.reasons.append(Reason(model.name, Why.NOT_ENOUGH_VRAM, need, free))
            _send_to_cpu(plan, model)
    plan.notes = coresidency_notes(plan, used_gb, budget_gb, headroom_gb)
    return plan


def fractional_coresidency_v2(  # noqa: PLR0913  (upstream's signature)
    candidates: list[ModelSpec],
    hw: HardwareSpec,
    *,
    headroom_gb: float = 0.5,
    interference_profiles: Mapping[str, InterferenceProfile] | None = None,
    hw_coefs: HardwareCoefficients | None = None,
    pair_lookup: Mapping[tuple[str, str], PairLookupEntry] | None = None,
    max_kernel_rate_threshold: float | None = None,
    gamma_kernel_size: float | None = None,
) -> SchedulingPlan:
    """Pattern B, placed the same, with notes on how the placed models will disturb each other.

    Needs profiles of the models, and for predictions the card's coefficients; without these only
    measured pairs are told.
    """
    plan = fractional_coresidency(candidates, hw, headroom_gb=headroom_gb)
    known = Known(interference_profiles or {}, hw_coefs, pair_lookup, gamma_kernel_size)
    placed = [model.name for model in plan.gpu_coresident]
    plan.notes += notes(placed, known, max_kernel_rate_threshold)
    return plan


def ram_overflow(
    model: ModelSpec, hw: HardwareSpec, *, headroom_gb: float = 0.5
) -> dict[str, object]:
    """Pattern C: `device_map` and `max_memory` for a model that is larger than the card.

    The sizes are upstream's: GB numbers labelled GiB (7 % more than stated); for exact bytes ask
    `nvinx.placement`. Raises ValueError when overflow or `ram_gb_needed` is not declared, when the
    need exceeds the RAM.
    """
    _demand(model.ram_overflow_supported, f"{model.name}: ram_overflow_supported is not declared")
    _demand(model.ram_gb_needed is not None, f"{model.name}: ram_overflow needs ram_gb_needed")
    needed_gb, gpu_gb = model.ram_gb_needed or 0.0, max(hw.vram_gb - headroom_gb, 0.0)
    _demand(
        needed_gb <= hw.ram_gb,
        f"{model.name}: needs {needed_gb} GB of RAM, the bench has {hw.ram_gb} GB",
    )
    cpu_gb = max(needed_gb - gpu_gb, 0.0)
    return {
        "device_map": "auto",
        "max_memory": {0: f"{gpu_gb:.1f}GiB", "cpu": f"{cpu_gb:.1f}GiB"},
        "estimated_slowdown": "3-5x vs. pure-GPU inference",
        "notes": overflow_note(model.name, gpu_gb, cpu_gb),
        "reasons": [
            Reason(
                model.name,
                Why.SPILLS_TO_RAM,
                need_from_gb(model.vram_gb),
                need_from_gb(gpu_gb),
            )
        ],
    }


def _set_aside(plan: SchedulingPlan, model: ModelSpec) -> None:
    if model.residency is Residency.CPU_ONLY:
        _send_to_cpu(plan, model)
    else:
        plan.unscheduled.append(model)
        plan.reasons.append(Reason(model.name, Why.CANNOT_SHARE))


def _send_to_cpu(plan: SchedulingPlan, model: ModelSpec, why_fallback: Why | None = None) -> None:
    """To the CPU if the model may run there, else to `unscheduled`."""
    if model.residency is Residency.CPU_ONLY:
        plan.cpu_parallel.append(model)
        plan.reasons.append(Reason(model.name, Why.NEEDS_NO_GPU))
    elif model.cpu_fallback_supported:
        plan.cpu_parallel.append(model)
        if why_fallback is not None:
            plan.reasons.append(Reason(model.name, why_fallback))
    else:
        plan.unscheduled.append(model)
        plan.reasons.append(Reason(model.name, Why.NO_CPU_FALLBACK))


def _demand(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def handoff_notes(plan: SchedulingPlan) -> list[str]:
    holder = plan.gpu_foreground.name if plan.gpu_foreground else "nobody"
    first = (
        f"Pattern A (serial_handoff): {holder} holds the card, "
        f"{len(plan.cpu_parallel)} CPU job(s) run meanwhile."
    )
    return [first, *_unscheduled_note(plan)]


def coresidency_notes(
    plan: SchedulingPlan, used_gb: float, budget_gb: float, headroom_gb: float
) -> list[str]:
    first = (
        f"Pattern B (fractional_coresidency): {len(plan.gpu_coresident)} model(s) co-resident; "
        f"{used_gb:.2f}/{budget_gb:.2f} GB VRAM used (+ {headroom_gb} GB headroom)."
    )
    return [first, *_unscheduled_note(plan)]


def overflow_note(model: str, gpu_gb: float, cpu_gb: float) -> str:
    return (
        f"Pattern C (ram_overflow): {model} is split, "
        f"{gpu_gb:.1f} GB on the GPU and {cpu_gb:.1f} GB in RAM."
    )


def _unscheduled_note(plan: SchedulingPlan) -> list[str]:
    if not plan.unscheduled:
        return []
    return ["Not scheduled, no room now: " + ", ".join(m.name for m in plan.unscheduled) + "."]

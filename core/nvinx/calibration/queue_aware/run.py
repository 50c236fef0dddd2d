"""Upstream nvinx's calibration, from models to fitted thetas."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from nvinx.calibration.campaign import Campaign
from nvinx.calibration.programs import Program
from nvinx.calibration.queue_aware.hardware import sweep_hardware
from nvinx.calibration.queue_aware.profile import profile_model, validate_pair
from nvinx.calibration.queue_aware.targets import CalibrationResult
from nvinx.calibration.queue_aware.theta import (
    NEEDS,
    apply_thetas,
    fit_thetas,
    fit_v5,
    lopo_cross_validate,
)
from nvinx.calibration.results import conclude
from nvinx.calibration.tasks import Solo, Together, Windows
from nvinx.host import extras

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nvinx.calibration.queue_aware.targets import ProfileTarget
    from nvinx.calibration.tasks import Task
    from nvinx.interference.queue_aware.gamma import PairMeasurement
    from nvinx.interference.queue_aware.latency import HardwareCoefficients, InterferenceProfile

RESULT_NAME = "calibration_result.json"
_FEWEST = 3


def run_calibration(  # noqa: PLR0913  (upstream's signature)
    model_loaders: Mapping[str, Callable[[], ProfileTarget]],
    *,
    output_dir: Path,
    fit_v5_gamma: bool = False,
    n_warmup: int = 3,
    n_measure: int = 5,
    ncu_sudo: bool = True,
    architecture_classes: Mapping[str, str] | None = None,
    skip_hardware_sweep: bool = False,
    hw_coefs_override: HardwareCoefficients | None = None,
    windows: Windows | None = None,
) -> CalibrationResult:
    """Profile every model, run every pair, fit theta (and gamma), and cross-validate.

    Loaders that another process can import are measured in processes of their own, as jobs run;
    others (lambdas, those of a notebook) in threads of this one, with a RuntimeWarning. The result
    is also in `output_dir`, as JSON. Raises ValueError for fewer than three models, or when the
    sweep is skipped without coefficients; RuntimeError without CUDA. windows: how long each pair is
    measured in separate processes.
    """
    if len(model_loaders) < _FEWEST:
        raise ValueError(f"{len(model_loaders)} models are too few; give {_FEWEST} or more")
    if skip_hardware_sweep and hw_coefs_override is None:
        raise ValueError("skip_hardware_sweep needs hw_coefs_override")
    extras.require(*NEEDS)  # before the half hour of measuring, not after it
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    hw = hw_coefs_override if skip_hardware_sweep else None
    hw = hw or sweep_hardware(output_dir=output_dir)
    classes = architecture_classes or {}
    profiles = {}
    for name, loader in model_loaders.items():
        profile = profile_model(
            loader,
            architecture_class=classes.get(name, "unknown"),
            n_warmup=n_warmup,
            n_measure=n_measure,
            ncu_sudo=ncu_sudo,
            output_dir=output_dir,
        )
        profiles[name] = replace(profile, name=name)
    pairs, notes = _pairs(model_loaders, profiles, output_dir, windows or Windows(), n_measure)
    result = _fitted(hw, profiles, pairs, notes, with_gamma=fit_v5_gamma)
    (output_dir / RESULT_NAME).write_text(json.dumps(result.to_dict(), indent=1))
    return result


def _fitted(
    hw: HardwareCoefficients,
    profiles: Mapping[str, InterferenceProfile],
    pairs: list[PairMeasurement],
    notes: list[str],
    *,
    with_gamma: bool,
) -> CalibrationResult:
    check = lopo_cross_validate(profiles, pairs, hw)
    result = CalibrationResult(
        hw,
        apply_thetas(profiles, fit_thetas(profiles, pairs, hw)),
        pairs,
        check["mean_pct"],
        check["max_pct"],
        notes=notes,
    )
    if not with_gamma:
        return result
    thetas, gamma = fit_v5(profiles, pairs, hw)
    check = lopo_cross_validate(profiles, pairs, hw, refit_v5=True)
    return replace(
        result,
        profiles=apply_thetas(profiles, thetas),
        gamma_kernel_size=gamma,
        lopo_mean_pct_v5=check["mean_pct"],
        lopo_max_pct_v5=check["max_pct"],
    )


def _pairs(
    loaders: Mapping[str, Callable[[], ProfileTarget]],
    profiles: Mapping[str, InterferenceProfile],
    folder: Path,
    windows: Windows,
    n_measure: int,
) -> tuple[list[PairMeasurement], list[str]]:
    """ms of both models of every pair, and what to be wary of."""
    specs = {name: importable(loader) for name, loader in loaders.items()}
    hidden = [name for name, spec in specs.items() if spec is None]
    if hidden:
        text = (
            f"{', '.join(hidden)}: no other process can import these loaders, so the pairs ran in "
            "threads of one process, which slow each other more than processes do"
        )
        warnings.warn(text, RuntimeWarning, stacklevel=3)
        return _in_threads(loaders, n_measure), [text]
    programs = {name: Program(name, loader=spec) for name, spec in specs.items()}
    tasks: list[Task] = [
        *map(Solo, programs),
        *(Together(a, b) for a, b in combinations(programs, 2)),
    ]
    campaign = Campaign(programs, folder, windows)
    findings = conclude(list(campaign.measure(tasks)))
    whole = {name: p.act_solo_ms + p.baseidle_ms for name, p in profiles.items()}
    measured = [
        (c.a, c.b, c.slowdown_a * whole[c.a], (c.slowdown_b or 1.0) * whole[c.b])
        for c in findings.coruns
    ]
    return measured, list(findings.warnings)


def _in_threads(
    loaders: Mapping[str, Callable[[], ProfileTarget]], n_measure: int
) -> list[PairMeasurement]:
    targets = {name: loader() for name, loader in loaders.items()}
    measured = []
    for a, b in combinations(targets, 2):
        _, _, ms_a, ms_b = validate_pair(targets[a], targets[b], n_measure=n_measure)
        measured.append((a, b, ms_a, ms_b))
    return measured


def importable(loader: Callable[[], ProfileTarget]) -> str | None:
    """`module:attribute` by which another process finds the loader; None when it cannot."""
    module, name = getattr(loader, "__module__", None), getattr(loader, "__qualname__", "<")
    return None if module in (None, "__main__") or "<" in name else f"{module}:{name}"

"""Co-runs out of the lines of a campaign, and how wrong predictions of them are. Pure.

A slowdown is the rate alone over the rate beside others, both of one session.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nvinx.calibration import cross_validate, fit_slowdown_model
from nvinx.calibration.crossval import Summary
from nvinx.calibration.rates import slowdown
from nvinx.calibration.results import Alone, Beside, conclude

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from campaign.records import Line
    from nvinx.calibration.results import Findings
    from nvinx.interference import CoRun, SlowdownModel
    from nvinx.interference.slowdown import Provenance

Crowd = dict[str, float]  # slowdown by model


@dataclass
class Way:
    """All that was measured of one way to share a card.

    rounds: co-runs by repeat. solo: iterations per second alone. crowds: three or more together.
    """

    rounds: dict[int, list[CoRun]] = field(default_factory=lambda: defaultdict(list))
    solo: dict[str, float] = field(default_factory=dict)
    utilisation: dict[str, float] = field(default_factory=dict)
    crowds: list[Crowd] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def coruns(self) -> list[CoRun]:
        """Of the first round."""
        return self.rounds.get(0, [])

    def model(self, provenance: Provenance | None = None) -> SlowdownModel:
        return fit_slowdown_model(self.coruns, utilisation=self.utilisation, provenance=provenance)


def ways(lines: Iterable[Line]) -> dict[str, Way]:
    """What was measured, by how programs shared; lines of other parts are left alone."""
    sessions: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["part"] == "coruns" and "kind" in line["data"]:
            _, way, repeat, *_ = line["key"].split("/")
            sessions[way, int(repeat), line["session"]].append(_told(line))
    found: dict[str, Way] = defaultdict(Way)
    for (way, repeat, _session), data in sessions.items():
        _add(found[way], repeat, data)
    return dict(found)


def _told(line: Line) -> dict[str, Any]:
    """Its data; shares of a CPU core say nothing of a GPU's kernels and are left out."""
    data = line["data"]
    return data if line["setting"]["card"] else {k: data[k] for k in data if k != "utilisation"}


def _add(way: Way, repeat: int, data: Sequence[Mapping[str, Any]]) -> None:
    """What one session measured; groups of which a rate alone is missing are left out."""
    alone = {entry["model"] for entry in data if entry["kind"] == "alone"}
    whole = [entry for entry in data if _models(entry) <= alone]
    findings = conclude([result for entry in whole if (result := _result(entry))])
    way.rounds[repeat] += findings.coruns
    way.solo |= findings.solo
    way.utilisation |= findings.utilisation
    way.warnings += findings.warnings
    way.crowds += [_crowd(entry, findings) for entry in whole if entry["kind"] == "crowd"]


def _models(entry: Mapping[str, Any]) -> set[str]:
    return {*entry.get("models", ())} | {entry[k] for k in ("model", "a", "b") if k in entry}


def _result(entry: Mapping[str, Any]) -> Alone | Beside | None:
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items() if k != "kind"}
    kinds = {"alone": Alone, "beside": Beside}
    return kinds[entry["kind"]](**plain) if entry["kind"] in kinds else None


def _crowd(entry: Mapping[str, Any], findings: Findings) -> Crowd:
    rates = zip(entry["models"], entry["rates"], strict=True)
    return {model: slowdown(findings.solo[model], each) for model, each in rates}


def errors(way: Way) -> dict[str, Summary]:
    """How wrong each model is on pairs that it has not seen, by name; nothing with too few."""
    if len({frozenset((run.a, run.b)) for run in way.coruns}) < 2:
        return {}
    solo_ms = {name: 1000 / rate for name, rate in way.solo.items()}
    check = cross_validate(way.coruns, utilisation=way.utilisation, solo_ms=solo_ms)
    shares = [abs(2 / s - 1) for run in way.coruns for _, _, s in run.directed]
    return {"S x I": check.summary, **check.baselines, "fair share": Summary.of(shares)}


def crowd_errors(way: Way) -> list[tuple[Crowd, Crowd]]:
    """Each crowd as measured, and as its measured pairs foretell."""
    if not way.coruns:
        return []
    model = way.model()
    return [
        (crowd, {m: model.predict(m, [n for n in crowd if n != m]).slowdown for m in crowd})
        for crowd in way.crowds
    ]


def mean_crowd_error(way: Way) -> float | None:
    """Mean relative error of what pairs foretell over all programs of all crowds; 0.1 is 10 %."""
    wrong = [
        abs(said[name] / value - 1)
        for crowd, said in crowd_errors(way)
        for name, value in crowd.items()
    ]
    return statistics.fmean(wrong) if wrong else None


def noise(way: Way) -> list[float]:
    """How far slowdowns of the same pair in two rounds are apart, relative to the first."""
    known = {(of, beside): s for run in way.coruns for of, beside, s in run.directed}
    return [
        abs(again / known[of, beside] - 1)
        for repeat, runs in way.rounds.items()
        if repeat
        for run in runs
        for of, beside, again in run.directed
        if (of, beside) in known
    ]

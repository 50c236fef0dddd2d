"""What was to be reached, and whether it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaign.coruns import TIME_SLICING
from campaign.markdown import table
from campaign.page.offload import compared
from campaign.page.workflows import SETS, span_s
from campaign.slowdowns import errors, mean_crowd_error, ways

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from campaign.records import Line

FEWEST_MODELS = 7
LOPO_PCT, CROWD, OFFLOAD, FASTER = 10.0, 0.15, 0.25, 1.3
NO_SLOWER = 1.02  # a span is told to some hundredths of a second


@dataclass(frozen=True, slots=True)
class Target:
    """met: None where it was not measured."""

    words: str
    seen: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {None: "not measured", True: "met", False: "missed"}[self.met]


def section(lines: Sequence[Line], kept: Mapping[str, Line], card: str | None) -> str:
    head = "## Targets\n\n"
    if card is None:
        head += "Targets are of cards; these are CPU workers, so none is met by this.\n\n"
    found = targets(lines, kept)
    rows = [[t.words, t.seen, t.verdict if card else "no card"] for t in found]
    return head + table(("target", "seen", ""), rows)


def targets(lines: Sequence[Line], kept: Mapping[str, Line]) -> list[Target]:
    return [*_predictions(lines), _offload(kept), *_workflows(kept)]


def _predictions(lines: Sequence[Line]) -> Iterator[Target]:
    way = ways(lines).get(TIME_SLICING)
    checked = errors(way).get("S x I") if way else None
    models = len(way.solo) if way else 0
    words = (
        f"error of pairs predicted from the others at most {LOPO_PCT:.0f} %, "
        f"{FEWEST_MODELS} models or more"
    )
    if checked is None:
        yield Target(words, "", None)
    else:
        good = checked.mean_pct <= LOPO_PCT and models >= FEWEST_MODELS
        yield Target(words, f"{checked.mean_pct:.1f} %, {models} models", good)
    crowd = mean_crowd_error(way) if way else None
    words = f"triples predicted from their pairs within {CROWD:.0%}"
    seen = "" if crowd is None else f"{crowd:.1%} on average"
    yield Target(words, seen, None if crowd is None else crowd <= CROWD)


def _offload(kept: Mapping[str, Line]) -> Target:
    """The predicted time of a split forward over the measured one."""
    wrong = [abs((whole + said) / took - 1) for _, _, whole, took, said in compared(kept)]
    words = f"predicted offload time within {OFFLOAD:.0%}"
    if not wrong:
        return Target(words, "", None)
    return Target(words, f"at most {max(wrong):.0%} off", max(wrong) <= OFFLOAD)


def _workflows(kept: Mapping[str, Line]) -> Iterator[Target]:
    for kind in SETS:
        ours = span_s(kept, kind, "nvinx")
        others = [s for n in ("gpu=1", "vram_mb") if (s := span_s(kept, kind, n)) is not None]
        words = f"nvinx calibrated as fast as the best other or faster (to 2 %), {kind} set"
        if ours is None or not others:
            yield Target(words, "", None)
            continue
        seen = f"{ours:.1f} s against {min(others):.1f} s"
        yield Target(words, seen, ours <= NO_SLOWER * min(others))
    ours, serial = span_s(kept, "cool", "nvinx"), span_s(kept, "cool", "gpu=1")
    words = f"{FASTER} times faster than gpu=1, cool set"
    if ours is None or serial is None:
        yield Target(words, "", None)
    else:
        yield Target(words, f"{serial / ours:.2f} times", serial / ours >= FASTER)

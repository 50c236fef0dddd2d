"""The section on contexts, the bus, NVML, and ways to share."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from campaign.markdown import figure, middle, table
from campaign.page.kept import data, why_not
from nvinx.overflow.bandwidth import Bandwidth
from nvinx.sizes import CONTEXT_MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from campaign.records import Line

_CONTEXT = "facts/context/"


def section(kept: Mapping[str, Line]) -> str:
    """Markdown; sentences say what is missing."""
    parts = [_contexts(kept), _copies(kept), _nvml(kept), _sharing(kept)]
    return "## The card\n\n" + "\n".join(parts)


def contexts(kept: Mapping[str, Line]) -> dict[str, float | None]:
    """MiB of the card that each kind of program takes besides what it allocates."""
    found: dict[str, float | None] = {}
    for key in kept:
        if key.startswith(_CONTEXT) and (told := data(kept, key)):
            used = told["card_mib"] if told["process_mib"] is None else told["process_mib"]
            found[key.removeprefix(_CONTEXT)] = used - told.get("allocated_mib", 0)
    return found


def _contexts(kept: Mapping[str, Line]) -> str:
    measured = contexts(kept)
    rows = []
    for key in kept:
        if not key.startswith(_CONTEXT):
            continue
        name, told = key.removeprefix(_CONTEXT), data(kept, key)
        if told:
            sizes = (told["process_mib"], told["card_mib"], told.get("allocated_mib"))
            rows.append([name, *(figure(x, 0) for x in sizes), figure(measured[name], 0)])
        else:
            rows.append([name, why_not(kept, key), "", "", ""])
    head = ("program", "its process", "the card", "allocated", "context")
    text = f"MiB that a CUDA context takes; nvinx charges {CONTEXT_MIB}.\n\n"
    return "### Contexts\n\n" + text + table(head, rows)


def speeds(kept: Mapping[str, Line]) -> Iterator[tuple[str, str, int, list[float]]]:
    """(pageable or pinned, which way, MiB, GB/s of each round)."""
    for row in data(kept, "facts/copies").get("rows", ()):
        yield row["ram"], row["way"], row["mib"], [b / 1e9 for b in row["bytes_per_s"]]


def _copies(kept: Mapping[str, Line]) -> str:
    rows = [
        [f"{ram}, {way.replace('_', ' ')}", mib, middle(x)] for ram, way, mib, x in speeds(kept)
    ]
    head = "### Between RAM and card\n\n"
    if not rows:
        return f"{head}{why_not(kept, 'facts/copies').capitalize()}.\n"
    bus = data(kept, "facts/bus").get("bytes_per_s")
    said = figure(None if bus is None else bus / 1e9, 2)
    text = f"`nvinx bench --measure` says {said} GB/s; without it nvinx assumes "
    text += f"{Bandwidth().bus / 1e9:.2f}.\n\n"
    return head + text + table(("copies", "MiB", "GB/s, median and range"), rows)


def _nvml(kept: Mapping[str, Line]) -> str:
    raw = data(kept, "facts/idle").get("raw")
    head = "### What NVML tells\n\n"
    if not raw:
        return f"{head}{why_not(kept, 'facts/idle').capitalize()}.\n"
    rows = [
        [version, *(_mib(raw[version], name) for name in ("total", "reserved", "used"))]
        for version in ("memory_v1", "memory_v2")
    ]
    held = data(kept, "facts/holding")
    answered = [
        ["per-process memory", figure(held.get("process_mib"), 0, " MiB")],
        ["the same by the whole card", figure(held.get("card_mib"), 0, " MiB")],
        ["allocated", figure(held.get("mib"), 0, " MiB")],
        ["accounting mode", _told(raw["accounting"])],
        ["MIG mode now, next", _told(raw["mig"])],
        ["compute mode", _told(raw["compute_mode"])],
    ]
    first = table(("idle card, MiB", "total", "reserved", "used"), rows)
    return f"{head}{first}\n{table(('asked', 'told'), answered)}"


def _mib(answer: Mapping[str, Any], name: str) -> str:
    return f"{answer[name] / 2**20:.0f}" if name in answer else _told(answer)


def _told(answer: Any) -> str:
    if isinstance(answer, dict):
        return str(answer.get("error", "?"))
    return str(answer)


def _sharing(kept: Mapping[str, Line]) -> str:
    green, mps = data(kept, "facts/green-contexts"), data(kept, "facts/mps")
    lines = ["### Ways to share\n"]
    if green:
        longer, scaled = green["slice_s"] / green["whole_s"], green["of"] / green["sms"]
        lines.append(
            f"* Green contexts: a matrix product takes {longer:.1f} times as long on "
            f"{green['sms']} of {green['of']} multiprocessors ({scaled:.1f} if it scaled)."
        )
    else:
        lines.append(f"* Green contexts: {why_not(kept, 'facts/green-contexts')}.")
    if mps:
        state = "came under it" if mps["is_client"] else "did not come under it by its pid"
        lines.append(
            f"* MPS: a program {state} ({mps['clients']} clients); nvinx takes the card for shared "
            f"by {mps['nvinx_thinks']}; a context then takes {figure(mps['process_mib'], 0)} MiB."
        )
    else:
        lines.append(f"* MPS: {why_not(kept, 'facts/mps')}.")
    return "\n".join(lines) + "\n"


def pageable_gb_per_s(kept: Mapping[str, Line]) -> float | None:
    """The median of the largest pageable copies to the card."""
    found = [(mib, x) for ram, way, mib, x in speeds(kept) if (ram, way) == ("pageable", "to_card")]
    return statistics.median(max(found)[1]) if found else None

"""The section on programs that ran out of memory, on caps and on peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaign.markdown import figure, table
from campaign.page.kept import data, why_not
from nvinx.leases.peaks import EVERY_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaign.records import Line

_PEAKS = "corpus/peaks/"
_WAS = {"out_of_memory": "out of memory", "failed": "another failure"}


def section(kept: Mapping[str, Line]) -> str:
    return "## Out of memory\n\n" + "\n".join([_ends(kept), _caps(kept), _peaks(kept)])


def _ends(kept: Mapping[str, Line]) -> str:
    rows = []
    for key in kept:
        if not key.startswith("corpus/") or key.startswith(_PEAKS):
            continue
        name, told = key.removeprefix("corpus/"), data(kept, key)
        if told:
            right = "yes" if told["expected"] == told["told"] else f"no, as {told['told']}"
            rows.append([name, told["status"], _WAS[told["expected"]], right])
        else:
            rows.append([name, why_not(kept, key), "", ""])
    if not rows:
        return "Not measured yet.\n"
    return table(("program", "exit status", "it was", "nvinx takes it for that"), rows)


def _caps(kept: Mapping[str, Line]) -> str:
    rows = []
    for key in kept:
        told = data(kept, key)
        if "cap_mib" in told and "reached_mib" in told:
            share = 100 * told["reached_mib"] / told["cap_mib"]
            name = key.rpartition("/")[2]
            rows.append([name, told["cap_mib"], told["reached_mib"], figure(share, 0, " %")])
    if not rows:
        return ""
    return "### Caps\n\n" + table(("framework", "cap, MiB", "refused at, MiB", "share"), rows)


def _peaks(kept: Mapping[str, Line]) -> str:
    rows = []
    for key in kept:
        told = data(kept, key)
        if key.startswith(_PEAKS) and told:
            for rate, seen in told["polled"].items():
                cells = figure(min(seen), 0), figure(max(seen), 0), told["reserved_mib"]
                rows.append([f"{told['how']}, {rate} Hz", *cells])
    if not rows:
        return ""
    head = ("peak, MiB", "least phase", "best phase", "torch's own, without context")
    text = "Spikes of 0.02 to 1 s, kept by torch's allocator or returned; nvinx polls at "
    text += f"{1 / EVERY_S:.0f} Hz.\n\n"
    return "### Peaks by polling\n\n" + text + table(head, rows)

"""The section on jobs that are suspended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaign.markdown import figure, table
from campaign.page.kept import data, why_not
from nvinx.overflow.bandwidth import Bandwidth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaign.records import Line

_SIZE, _ABLE = "suspend/size/", "suspend/able"


def section(kept: Mapping[str, Line]) -> str:
    """Markdown; what is foreseen for one way is the bandwidth that nvinx assumes."""
    head = "## Jobs that are suspended\n\n"
    told = [data(kept, key) for key in kept if key.startswith(_SIZE) and data(kept, key)]
    if not told:
        problem = data(kept, _ABLE).get("why_not") or why_not(kept, _ABLE)
        return f"{head}{problem[:1].upper()}{problem[1:]}.\n"
    rows = [
        [
            str(each["mib"]),
            figure(each["mib"] * 2**20 / Bandwidth().bus, 2),
            figure(each["suspend_s"], 2),
            figure(each["resume_s"], 2),
            " / ".join(map(str, each["used_mib"])),
            "yes" if each["same"] else "no",
        ]
        for each in sorted(told, key=lambda each: each["mib"])
    ]
    titles = ("MiB", "foreseen, s", "off, s", "back, s", "in use, MiB", "as it was")
    return head + table(titles, rows)

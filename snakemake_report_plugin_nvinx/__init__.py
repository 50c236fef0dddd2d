"""`snakemake --reporter nvinx`: Snakemake's own report, with what ran where as one more entry.

Snakemake's reports hold outputs of rules only, so the entry, which no rule made, comes in by a
reporter of our own, which is Snakemake's with that one difference.
"""

from __future__ import annotations

import base64
import gzip
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.logging import logger
from snakemake.report import Category
from snakemake.report import html_reporter as stock
from snakemake_interface_common import exceptions

from nvinx.errors import ToldInFull

_CATEGORY = "What ran where"
_CAPTION = "<p>Lanes, waits and reasons of the last run with <code>--executor nvinx</code>.</p>"
_MOST_BYTES = 1_500_000  # in a report of one file: browsers show no data URI beyond 2 MiB
_UNPACKING = """<!DOCTYPE html><meta charset="utf-8"><title>nvinx</title><script>
const packed = Uint8Array.from(atob("{packed}"), (letter) => letter.charCodeAt(0));
const page = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
new Response(page).text().then((text) => {{
  document.open(); document.write(text); document.close();
}});
</script>"""


@dataclass
class ReportSettings(stock.ReportSettings):
    """Those of Snakemake's own reporter, as `--report-nvinx-path` and so on."""

    path: Path | None = field(
        default=Path("report.html"),
        metadata={
            "help": "Path to the report file, .html, or .zip for large results.",
            "type": Path,
            "env_var": False,
            "required": False,
        },
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """The page as a result of the workflow. Snakemake shows the job that made a result."""

    path: Path
    name: str = "run"
    filename: str = "nvinx.html"
    id: str = "nvinx"
    mime: str = "text/html"
    caption: str = _CAPTION
    wildcards: str = ""
    params: str = ""
    labels: dict[str, str] = field(default_factory=lambda: {"file": "nvinx report"})
    aux_files: tuple[Path, ...] = ()
    job: Any = field(default_factory=lambda: SimpleNamespace(rule=SimpleNamespace(name="nvinx")))

    @property
    def size(self) -> int:
        return self.path.stat().st_size


class WorkflowError(ToldInFull, exceptions.WorkflowError):
    """Snakemake's own, without the place in our code that it would add for the user."""


class Reporter(stock.Reporter):
    """Raises WorkflowError where no run is recorded in this folder, its trace is broken, or bokeh
    is missing.
    """

    def render(self) -> None:
        text = _page()
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "nvinx.html"
            page.write_text(_packed(text) if self.mode_embedded else text, encoding="utf-8")
            if self.mode_embedded and page.stat().st_size > _MOST_BYTES:
                logger.warning(
                    "The entry of nvinx is too large for a report of one file, so browsers may "
                    "show it empty. Write a .zip instead (--report-nvinx-path report.zip)."
                )
            self.results[Category(_CATEGORY)][Category(None)].append(_Entry(page))
            super().render()


def _packed(text: str) -> str:
    """A small page that unpacks into the large one, for there is little room in a data URI."""
    raw = gzip.compress(text.encode("utf-8"))
    return _UNPACKING.format(packed=base64.b64encode(raw).decode("ascii"))


def _page() -> str:
    from nvinx.errors import NvinxError
    from nvinx.host import extras
    from nvinx.runs import read as recorded
    from nvinx.runs import report_page

    here = Path.cwd()
    try:
        extras.require(*report_page.NEEDS)
        run = recorded.last(here)
    except NvinxError as error:
        raise WorkflowError(str(error)) from error
    if run is None:
        raise WorkflowError(
            f"no run is recorded in {here}; run snakemake --executor nvinx first, or leave out "
            "--reporter nvinx and write --report"
        )
    return report_page.render(run, here.name)

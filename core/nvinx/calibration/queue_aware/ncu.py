"""L2 saturation through Nsight Compute, where it is installed and this user may profile."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

METRIC = "lts__t_sectors.avg.pct_of_peak_sustained_elapsed"
_LONGEST_S = 600
_CALL = "\nimport torch\ninference_fn(sample_input)\ntorch.cuda.synchronize()\n"


def l2_saturation_pct(loader_code: str, *, sudo: bool) -> tuple[float | None, str]:
    """Mean L2 throughput in percent of its peak over the kernels of one inference.

    None where it cannot be had, and then the reason. sudo: call ncu through `sudo -n`, which never
    asks for a password.
    """
    ncu = shutil.which("ncu")
    if ncu is None:
        return None, "ncu is not installed"
    if not loader_code.strip():
        return None, "the target has no loader_code for ncu to run"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "inference.py"
        script.write_text(loader_code + _CALL, encoding="utf-8")
        profile = [ncu, "--csv", "--metrics", METRIC, sys.executable, str(script)]
        return _ask([*(["sudo", "-n"] if sudo else []), *profile])


def _ask(command: list[str]) -> tuple[float | None, str]:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"ncu failed ({error})"
    if "ERR_NVGPUCTRPERM" in done.stdout + done.stderr:
        return None, "this user may not read the GPU's counters (ERR_NVGPUCTRPERM)"
    value = mean_metric(done.stdout)
    if done.returncode or value is None:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        return None, f"ncu gave no figure ({last})"
    return value, ""


def mean_metric(text: str) -> float | None:
    """The mean of the metric over all kernels in ncu's CSV; None when it is not there."""
    lines = text.splitlines()
    header = next((k for k, line in enumerate(lines) if line.startswith('"ID"')), None)
    if header is None:
        return None
    rows = csv.DictReader(io.StringIO("\n".join(lines[header:])))
    values = [
        float(row["Metric Value"].replace(",", ""))
        for row in rows
        if row.get("Metric Name") == METRIC and row.get("Metric Value")
    ]
    return sum(values) / len(values) if values else None

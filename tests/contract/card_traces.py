"""Traces that were recorded on real cards, for tests to replay; tests/traces/README.md has the form."""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "traces"
NONE_YET = "no recorded trace of a real card yet (make gpu-campaign)"
KINDS = ("probe", "ends", "coruns")


@dataclass(frozen=True)
class Trace:
    """The lines of one file. card: None for CPU workers."""

    path: Path
    card: str | None
    kind: str
    lines: tuple[dict, ...]


def read(folder=FOLDER):
    """All traces in a folder; raises ValueError for a file that is none."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        kind = path.name.removesuffix(".jsonl").rpartition(".")[2]
        lines = tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        cards = {line["setting"]["card"] for line in lines}
        if kind not in KINDS or len(cards) != 1:
            raise ValueError(f"{path}: is no trace of one card")
        found.append(Trace(path, cards.pop(), kind, lines))
    return found


def of_cards(kind, folder=FOLDER):
    """The traces of this kind that real cards gave."""
    return [trace for trace in read(folder) if trace.kind == kind and trace.card is not None]


def nvml_state(raw):
    """NVML's raw answers as the state file of the tests' own library (fake_nvml.c), card 0."""
    newer, older = raw["memory_v2"], raw["memory_v1"]
    sizes = older if "error" in newer else newer
    listed = [] if isinstance(raw["processes"], dict) else raw["processes"]
    known = sum(used for _, used in listed if used is not None)
    rest = max(sizes["used"] - known, 0)
    reserved = sizes.get("reserved", 0)
    lines = [f"gpu 0 GPU-0 {sizes['total']} {reserved} {rest}"]
    lines += [f"proc 0 {pid} {-1 if used is None else used} C" for pid, used in listed]
    if "error" in newer:
        lines.append("fails nvmlDeviceGetMemoryInfo_v2 0 3")
    if isinstance(raw["processes"], dict):
        functions = (f"nvmlDeviceGetComputeRunningProcesses_v{n}" for n in (2, 3))
        lines += [f"fails {function} 0 3" for function in functions]
    return "".join(f"{line}\n" for line in lines)

"""FASTA files and tab-separated tables, read and written."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def read_fasta(path: str | Path) -> dict[str, str]:
    """Sequence by identifier, the first word of each header."""
    records: dict[str, list[str]] = {}
    for line in Path(path).read_text().splitlines():
        if line.startswith(">"):
            parts = records[line[1:].split()[0]] = []
        else:
            parts.append(line.strip())
    return {name: "".join(parts) for name, parts in records.items()}


def write_fasta(path: str | Path, records: Iterable[tuple[str, str]]) -> None:
    lines = (f">{name}\n{wrap(sequence)}\n" for name, sequence in records)
    Path(path).write_text("".join(lines))


def wrap(sequence: str, width: int = 70) -> str:
    return "\n".join(sequence[i : i + width] for i in range(0, len(sequence), width))


def read_table(*paths: str | Path) -> list[dict[str, str]]:
    """The rows of all files, one after the other; each has its column names in the first line."""
    rows: list[dict[str, str]] = []
    for path in paths:
        with open(path, newline="") as file:
            rows.extend(csv.DictReader(file, delimiter="\t"))
    return rows


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text of a table as `read_table` takes it; floats with four decimals."""
    lines = ["\t".join(header), *("\t".join(map(cell, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)

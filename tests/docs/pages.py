"""The pages of the repository, and the fenced blocks on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(
        page
        for page in (ROOT / "docs").rglob("*.md")
        if "_build" not in page.parts and page != ROOT / "docs" / "intro.md"  # of the catalogue
    ),
    *sorted((ROOT / "example_workflows").glob("*/README.md")),
    ROOT / "nextflow" / "README.md",
    ROOT / "nextflow" / "plugin" / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "evidence" / "README.md",
    ROOT / "tests" / "traces" / "README.md",
]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(Snakefile|[\w./-]+\.(?:py|yaml|config|nf))`[^`]*:\n\n$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. file: the file that the sentence before it names, last before its colon."""

    language: str
    body: str
    file: str | None
    line: int


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The blocks of a page in their order, of these languages or of all."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        language, body = found.groups()
        if language in languages or not languages:
            before = text[: found.start()]
            file = _FILE.search(before[before.rfind("\n\n", 0, -2) + 1 :])
            line = before.count("\n") + 1
            yield Block(language, body, file[1] if file else None, line)


def commands(body: str) -> Iterator[str]:
    """The commands of a shell block, continued lines and here-documents as one."""
    whole, end = "", ""
    for line in body.splitlines(keepends=True):
        whole += line
        heredoc = re.search(r"<<'(\w+)'", line)
        end = heredoc[1] if heredoc else end
        if end and line.strip() != end:
            continue
        if not end and line.endswith("\\\n"):
            continue
        if whole.strip():
            yield whole
        whole, end = "", ""

"""The site that `make docs` builds, of the Markdown pages wherever in the repository they lie.

So every link works on the site as it does in the repository. A list of links on one of the pages
in `CONTENTS` is a chapter of the site's navigation.
"""

from __future__ import annotations

import re
from itertools import starmap
from typing import TYPE_CHECKING

from pygments.lexers.python import PythonLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "nvinx"
html_title = "nvinx"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/**.md",
    "nextflow/README.md",
    "nextflow/plugin/README.md",
    "benchmarks/README.md",
    "example_workflows/*/README.md",
    "evidence/README.md",
    "tests/traces/README.md",
]
# Snakemake's catalogue puts intro.md under a title of its own.
exclude_patterns = [".venv*", ".git", "**/.*", "core", "docs/_build", "docs/intro.md"]
highlight_language = "text"
myst_heading_anchors = 4
smartquotes = False  # options keep their two dashes
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
templates_path = ["templates"]
html_additional_pages = {"index": "to_docs.html"}

CONTENTS = (root_doc, "docs/decisions/README")
_CHAPTER = re.compile(r"^##? ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^\* \[([^]]*)\]\(([^):]+)\.md\)", re.MULTILINE)


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Give the lists of links on this page to the site's navigation, which is Sphinx's toctree."""
    if page in CONTENTS:
        source[0] += "".join(starmap(_toctree, _CHAPTER.findall(source[0])))


def _toctree(caption: str, text: str) -> str:
    pages = "\n".join(f"{title} <{page}>" for title, page in _ITEM.findall(text))
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n" if pages else ""


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.add_lexer("snakemake", PythonLexer)

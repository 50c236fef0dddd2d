#!/usr/bin/env python3
"""Run a script that was written for Snakemake's `script:`, from a command line.

as_rule.py SCRIPT [input VALUE|NAME=VALUE ...] [output ...] [params ...] [wildcards ...] ...
"""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

PARTS = ("input", "output", "params", "wildcards", "resources")


class Words(list):
    """Values in order; those that were given as `name=value` have that name, one or several."""

    def __init__(self, words):
        super().__init__(word.partition("=")[2] or word for word in words)
        self._named = {}
        for name, is_named, value in (word.partition("=") for word in words):
            if is_named:
                self._named.setdefault(name, []).append(value)

    def __getattr__(self, name):
        found = self.get(name)
        if found is None:
            raise AttributeError(name)
        return found

    def get(self, name):
        values = self._named.get(name, [None])
        return values[0] if len(values) == 1 else values


def parsed(words):
    """The words of each part, which begins with its name."""
    parts = {name: [] for name in PARTS}
    current = None
    for word in words:
        if word in PARTS:
            current = word
        else:
            parts[current].append(word)
    return {name: Words(words) for name, words in parts.items()}


def main(script, *words):
    job = SimpleNamespace(log=["rule.log"], **parsed(words))
    vram_mb = job.resources.get("vram_mb")
    job.resources = {} if vram_mb is None else {"vram_mb": int(vram_mb)}
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, init_globals={"snakemake": job})


main(*sys.argv[1:])

"""Runs a program of benchmarks/ as a user does."""

import subprocess
import sys
from pathlib import Path

from waiting import GIVE_UP_S

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def output(script, *options):
    """What it prints; it must end well."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=GIVE_UP_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

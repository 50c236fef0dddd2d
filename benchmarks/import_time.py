"""What importing costs: the plugin beyond Snakemake's own imports, and `import nvinx`.

    python benchmarks/import_time.py [--rounds 10] [--json]

Every Snakemake start imports every installed plugin, so this is paid by every run.
"""

import json
import statistics
import subprocess
import sys

import click

HEAVY = ("numpy", "scipy", "pynvml", "psutil", "yaml", "sqlite3", "click", "rich")
OURS = ("snakemake_executor_plugin_nvinx", "nvinx")
# Importing snakemake.cli imports every plugin it finds, so ours has to be hidden from it meanwhile.
SNAKEMAKE = """
import pkgutil
found = pkgutil.iter_modules
pkgutil.iter_modules = lambda *args: (m for m in found(*args) if not m.name.endswith("_nvinx"))
import snakemake.cli, snakemake_interface_executor_plugins.executors.real
"""
CODE = """
import sys, time
{before}
known = set(sys.modules)
assert {module!r} not in known, "imported too early"
begin = time.perf_counter()
import {module}
took = time.perf_counter() - begin
print(took * 1000, *sorted(set(sys.modules) - known))
"""


def measure(module: str, before: str, rounds: int) -> tuple[list[float], list[str], int]:
    """Milliseconds in fresh interpreters, the heavy modules that came along, and how many came."""
    took, came = [], []
    code = CODE.format(before=before, module=module)
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        first, *came = done.stdout.split()
        took.append(float(first))
    heavy = [m for m in came if m in HEAVY or m.split(".")[0] == "snakemake"]
    return took, heavy, len(came)


@click.command()
@click.option("--rounds", default=10, help="Fresh interpreters for each figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, as_json: bool) -> None:
    """Median import times of the plugin and of the library, and what they pull in."""
    results = {}
    for module, before in zip(OURS, (SNAKEMAKE, ""), strict=True):
        took, heavy, modules = measure(module, before, rounds)
        median = statistics.median(took)
        results[module] = {"median_ms": median, "all_ms": took, "heavy": heavy, "modules": modules}
        if not as_json:
            after = " after Snakemake's own imports" if before else ""
            print(f"import {module}{after}:")
            print(f"  median {median:.1f} ms ({min(took):.1f} to {max(took):.1f}), {rounds} rounds")
            print(f"  {modules} modules, heavy ones: {', '.join(heavy) or 'none'}")
    if as_json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()

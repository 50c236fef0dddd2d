"""What importing costs: the plugin beyond Snakemake's own imports, and `import nvinx`.

    python benchmarks/import_time.py [--rounds 10]

Every Snakemake start imports every installed plugin, so this is paid by every run.
"""

import statistics
import subprocess
import sys

import click

HEAVY = ("numpy", "scipy", "pynvml", "psutil", "yaml", "sqlite3", "click", "rich", "snakemake.api")
INTERFACES = "import snakemake_interface_executor_plugins.executors.real"
CODE = """
import sys, time
{before}
known = set(sys.modules)
begin = time.perf_counter()
import {module}
took = time.perf_counter() - begin
print(took * 1000, *[m for m in {heavy} if m in sys.modules and m not in known])
"""


def measure(module: str, before: str, rounds: int) -> tuple[float, list[str]]:
    """Median milliseconds in fresh interpreters, and the heavy modules that came along."""
    took, came = [], []
    code = CODE.format(before=before, module=module, heavy=HEAVY)
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        first, *came = done.stdout.split()
        took.append(float(first))
    return statistics.median(took), came


@click.command()
@click.option("--rounds", default=10, help="Fresh interpreters for each figure.")
def main(rounds: int) -> None:
    """Print the median import times."""
    for module, before in (
        ("snakemake_executor_plugin_nvinx", INTERFACES),
        ("nvinx", ""),
    ):
        took, came = measure(module, before, rounds)
        after = f" after `{before}`" if before else ""
        print(f"import {module}{after}: {took:.1f} ms, heavy modules: {', '.join(came) or 'none'}")


if __name__ == "__main__":
    main()

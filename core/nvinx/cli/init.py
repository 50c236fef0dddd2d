"""`nvinx init`: write a bench file from what the machine shows."""

from __future__ import annotations

from pathlib import Path

import click

_DEFAULT = Path("nvinx.yaml")


@click.command(name="init")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=_DEFAULT,
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--simulate-vram-gb",
    type=click.FloatRange(min=0, min_open=True),
    help="Declare one simulated card of this size, to try nvinx without a GPU.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def command(output: Path, simulate_vram_gb: float | None, force: bool) -> None:
    """Write a bench file that describes this machine."""
    from nvinx.bench import draft as bench_draft
    from nvinx.bench import parse as bench_parser
    from nvinx.gpu.nvml import NvmlProbe
    from nvinx.host.resources import detect

    inventory = NvmlProbe().read()
    text = bench_draft.render(detect(), inventory, simulate_vram_gb)
    bench_parser.parse(text, str(output))  # what is written can be read back
    _write(output, text, force=force)
    click.echo(f"Wrote {output}. See what is in force with: nvinx bench --bench {output}")
    if simulate_vram_gb is None and not inventory.gpus:
        click.echo(
            "No GPU was found, so it has none. To try nvinx on a simulated card, write it "
            f"again: nvinx init --force --simulate-vram-gb 4{_again(output)}",
            err=True,
        )


def _again(output: Path) -> str:
    return "" if output == _DEFAULT else f" -o {output}"


def _write(path: Path, text: str, *, force: bool) -> None:
    from nvinx.errors import BenchError

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        fix = "name another file with -o, or replace this one with --force"
        raise BenchError(str(path), None, "the file is there already", fix) from error
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise BenchError(str(path), None, problem, "name a writable place with -o") from error

"""`nvinx slurm-profile`: what rules ask Slurm for, as a profile for the plain Slurm executor."""

from __future__ import annotations

from pathlib import Path

import click

from nvinx.cli import options, snakemake


@click.command(name="slurm-profile", context_settings={"ignore_unknown_options": True})
@click.argument(
    "words", metavar="[SNAKEFILE] [SNAKEMAKE_ARGS]...", nargs=-1, type=click.UNPROCESSED
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("profile"),
    show_default=True,
    help="The profile's folder.",
)
@options.bench
@click.option("--force", is_flag=True, help="Replace the profile if it is there.")
def command(
    *,
    words: tuple[str, ...],
    output: Path,
    file: Path | None,
    force: bool,
) -> None:
    """Write what the rules of SNAKEFILE ask Slurm for as a profile, for `--executor slurm`.

    SNAKEMAKE_ARGS go to Snakemake: targets, --config, and so on. Nothing is run. A profile knows
    rules, not jobs: where a rule's jobs differ it has the largest request. It sets no environment,
    and is not updated when the rules or the cluster change.
    """
    from nvinx.errors import BenchError

    snakefile, snakemake_args = snakemake.split(words)
    config = output / "config.yaml"
    if config.exists() and not force:
        fix = "name another folder with -o, or replace it with --force"
        raise BenchError(str(config), None, "the file is there already", fix)
    bench = [] if file is None else ["--nvinx-slurm-bench", str(file)]
    text = snakemake.written_by(
        snakefile, "nvinx-slurm", "--nvinx-slurm-profile", [*bench, *snakemake_args]
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise BenchError(str(config), None, problem, "name a writable folder with -o") from error
    click.echo(f"Wrote {config}. Use it with: snakemake --profile {output}")

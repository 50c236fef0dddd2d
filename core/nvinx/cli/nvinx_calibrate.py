"""The command `nvinx-calibrate`, as upstream nvinx has it: theta, and gamma if asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nvinx.calibration import CalibrationResult

_FEWEST, _WARM_UP_S = 3, 2.0


@click.command(name="nvinx-calibrate", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="MODULE:LOADER",
    help="A callable without arguments that returns a ProfileTarget. Give three or more.",
)
@click.option(
    "--name", "names", multiple=True, help="A name for each --model, in their order; or none."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder for profiles, raw samples and the result.",
)
@click.option("--fit-v5", is_flag=True, help="Fit the kernel-size term gamma too.")
@click.option("--no-sudo", is_flag=True, help="Call ncu as this user, not through sudo -n.")
@click.option("--n-warmup", type=click.IntRange(min=0), default=3, show_default=True)
@click.option("--n-measure", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=3.0,
    show_default=True,
    help="Length of a window in which a pair is measured, three for each.",
)
def main(  # noqa: PLR0913  (one argument per option)
    *,
    models: Sequence[str],
    names: Sequence[str],
    output: Path,
    fit_v5: bool,
    no_sudo: bool,
    n_warmup: int,
    n_measure: int,
    seconds: float,
) -> None:
    """Calibrate theta-profiles of models on this machine's card, with torch on CUDA.

    `nvinx calibrate` needs neither torch nor kernel counts, and predicts with less error.
    """
    from nvinx.calibration import run_calibration
    from nvinx.calibration.tasks import Windows
    from nvinx.substrate import warn_if_datacenter_with_nonzero_gamma

    loaders = _loaders(models, names)
    try:
        result = run_calibration(
            loaders,
            output_dir=output,
            fit_v5_gamma=fit_v5,
            n_warmup=n_warmup,
            n_measure=n_measure,
            ncu_sudo=not no_sudo,
            windows=Windows(seconds, warm_up_s=min(_WARM_UP_S, seconds)),
        )
    except (ImportError, RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    warn_if_datacenter_with_nonzero_gamma(result.gamma_kernel_size)
    _print(result, output)


def _loaders(models: Sequence[str], names: Sequence[str]) -> dict[str, Callable[[], Any]]:
    if len(models) < _FEWEST:
        raise click.UsageError(f"give --model {_FEWEST} times or more, for as many pairs")
    if names and len(names) != len(models):
        raise click.UsageError(f"there are {len(models)} --model and {len(names)} --name")
    found = [_loader(text) for text in models]
    keys = list(names) or [text.rpartition(":")[2] for text in models]
    for key in keys:
        if keys.count(key) > 1:
            raise click.UsageError(f"two models are called {key}; name each with --name")
    return dict(zip(keys, found, strict=True))


def _loader(text: str) -> Callable[[], Any]:
    module, _, attribute = text.partition(":")
    if not module or not attribute:
        raise click.UsageError(f"--model {text}: write module:loader")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"--model {text}: {error}") from error
    if not callable(found):
        raise click.UsageError(f"--model {text}: is not callable")
    loader: Callable[[], Any] = found
    return loader


def _print(result: CalibrationResult, output: Path) -> None:
    for name, profile in result.profiles.items():
        click.echo(f"{name}: {profile.act_solo_ms:.2f} ms alone, theta {profile.theta:.3f}")
    click.echo(f"Leaving one pair out, theta errs by {result.lopo_mean_pct:.1f} % on average.")
    if result.gamma_kernel_size is not None:
        click.echo(
            f"With gamma {result.gamma_kernel_size:.3f} it errs by {result.lopo_mean_pct_v5:.1f} %."
        )
    for note in result.notes:
        click.echo(f"Note: {note}.")
    click.echo(f"The result is in {output}.")

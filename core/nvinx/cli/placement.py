"""`nvinx placement`: where this job was placed, for programs of any language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nvinx.formatting import plain

if TYPE_CHECKING:
    from nvinx.placement import CurrentPlacement

FORMS = ("accelerate", "llama.cpp", "jax", "vllm", "deepspeed")


@click.command(name="placement")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--for", "form", type=click.Choice(FORMS), help="In this program's format.")
@click.option("--model", type=click.Path(path_type=Path), help="The .gguf file, for llama.cpp.")
@click.option(
    "--keep-mb", type=click.FloatRange(min=0), default=0, help="VRAM to keep for a KV cache."
)
def command(as_json: bool, form: str | None, model: Path | None, keep_mb: float) -> None:
    """Say where nvinx placed the job that runs this: device, VRAM, and how to spill.

    \b
      llama-cli -m m.gguf $(nvinx placement --for llama.cpp --model m.gguf)
      eval "$(nvinx placement --for jax)"
      vllm serve MODEL $(nvinx placement --for vllm)
      nvinx placement --for deepspeed > ds_config.json
    """
    from nvinx import placement

    here = placement.current()
    if form is not None:
        click.echo(_form(here, form, model, round(keep_mb * 1e6)))
    elif as_json:
        import json

        click.echo(json.dumps(_plain(here), indent=2))
    else:
        click.echo(_text(here))


def _form(here: CurrentPlacement, form: str, model: Path | None, keep: int) -> str:
    import json
    import tempfile

    from nvinx.cli import frameworks
    from nvinx.overflow import gguf_model

    if form == "accelerate":
        return json.dumps(_plain(here)["max_memory"])
    if form == "llama.cpp":
        if model is None:
            raise click.UsageError("--for llama.cpp needs --model FILE.gguf, to know its layers")
        return frameworks.llama_cpp(here, *gguf_model.layers(model), keep)
    if form == "jax":
        return "\n".join(f"export {name}={value}" for name, value in frameworks.jax(here).items())
    return (
        frameworks.vllm(here)
        if form == "vllm"
        else frameworks.deepspeed(here, tempfile.gettempdir())
    )


def _plain(here: CurrentPlacement) -> dict[str, Any]:
    return {
        "job": here.job,
        "residency": None if here.residency is None else here.residency.value,
        "device": here.device,
        "devices": list(here.devices),
        "simulated": here.simulated,
        "vram_mb": here.vram_mb,
        "card_mb": here.card_mb,
        "max_memory": {str(device): size for device, size in here.max_memory.items()},
    }


def _text(here: CurrentPlacement) -> str:
    if here.residency is None:
        return f"not placed by nvinx; a program would use {here.device}"
    kind = " (simulated: compute on the CPU)" if here.simulated else ""
    on = ", ".join(here.devices)
    lines = [f"{plain(here.job or '')}: {here.residency.value} on {on}{kind}"]
    for device, size in here.max_memory.items():
        name = (
            f"GPU {device}"
            if isinstance(device, int)
            else {"cpu": "RAM"}.get(device, plain(device))
        )
        lines.append(f"  {name}: {size / 1e6:.0f} MB")
    return "\n".join(lines)

"""The Nextflow configuration for one bench, as text that both of Nextflow's parsers read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nvinx.nextflow.remedy import quoted
from nvinx.residency import Residency
from nvinx.sizes import need_from_gb

if TYPE_CHECKING:
    from nvinx.bench.resolve import Bench
    from nvinx.catalog import ModelSpec

_GUARD = ("beforeScript = { task.ext.nvinx_guard }", "afterScript  = { task.ext.nvinx_end }")
_MOST_SPARE = 4  # as many tasks of one process as nvinx.config lets wait
_WHOLE_CARDS = "nvinx_gpu_exclusive|nvinx_gpu_overflow"
_MODES = {
    Residency.GPU_SHARED: "shared",
    Residency.GPU_EXCLUSIVE: "exclusive",
    Residency.GPU_RAM_OVERFLOW: "overflow",
    Residency.CPU_ONLY: "cpu",
}


def spare_cpus(bench: Bench) -> int:
    """How many CPUs tasks may hold while they wait for a card, besides those that work."""
    return min(bench.cores, _MOST_SPARE) if bench.cards else 0


def render(bench: Bench, common_path: str, lines: str = "", *, spare: int = 0) -> str:
    """The fragment, which includes the common configuration.

    The processes named like a model of the bench file get the model's needs and the guard, as only
    `withName` beats what a pipeline says itself. lines: what one pipeline needs, beside it. spare:
    CPUs beyond the cores, for tasks that wait.
    """
    blocks = [_machine(bench), _labelled(bench)]
    blocks += [_model(spec) for spec in bench.models.values()]
    text = "\n".join(filter(None, blocks))
    source = bench.path or "this machine"
    return (
        f"// By `nvinx nextflow config`, for the bench of {source}. Give it last: -c THIS_FILE\n"
        f"includeConfig {quoted(common_path)}\n"
        f"executor.'$local'.cpus      = {bench.cores + spare}{_of_spare(bench, spare)}\n"
        f"executor.'$local'.queueSize = {bench.cores + spare}\n"
        f"executor.'$local'.memory    = '{bench.ram_mib} MB'\n"
        f"poolSize                    = {bench.cores + spare}\n"
        f"process {{\n{text}}}\n"
        f"{lines}"
        f"{_where(bench)}"  # after all selectors: the older parser would take their `ext` for it
    )


def _of_spare(bench: Bench, spare: int) -> str:
    if not spare:
        return ""
    return f"  // {bench.cores} cores, and {spare} that tasks hold while they wait for a card"


def most_at_once(bench: Bench) -> int | None:
    """How many of the smallest models share the cards; None where no model says its size."""
    sizes = [
        need_from_gb(spec.vram_gb)
        for spec in bench.models.values()
        if spec.residency is Residency.GPU_SHARED and spec.vram_gb
    ]
    if not sizes or not bench.cards:
        return None
    return max(1, sum(card.shareable_mib // min(sizes) for card in bench.cards))


def _machine(bench: Bench) -> str:
    return f"    resourceLimits = [cpus: {bench.cores}, memory: {bench.ram_mib}.MB]\n"


def _labelled(bench: Bench) -> str:
    most, cards = most_at_once(bench), len(bench.cards)
    shared = [f"maxForks = {most}"] if most is not None else []
    alone = [f"maxForks = {cards}"] if cards > 1 else []
    labels = (("nvinx_gpu_shared|process_gpu", shared), (_WHOLE_CARDS, alone))
    return "\n".join(_block(label, lines) for label, lines in labels if lines)


def _where(bench: Bench) -> str:
    return f"process.ext.nvinx_bench = {quoted(bench.path)}\n" if bench.path else ""


def _model(spec: ModelSpec) -> str:
    """A process of the model's name, whatever its case and in whatever workflow."""
    selector = f"(?i)(.*:)?{re.sub(r'[^A-Za-z0-9_]', '.', spec.name)}"
    said = [f"ext.nvinx_model = {quoted(spec.name)}", f"ext.nvinx_mode  = '{_mode(spec)}'"]
    if spec.vram_gb:
        said.append(f"ext.vram_gb     = {spec.vram_gb}")
    if spec.cpu_fallback_supported:
        said.append("ext.nvinx_cpu_fallback = true")
    return _block(selector, [*said, *_GUARD], kind="withName")


def _block(selector: str, lines: list[str], kind: str = "withLabel") -> str:
    said = "".join(f"        {line}\n" for line in lines)
    return f"    {kind}: '{selector}' {{\n{said}    }}\n"


def _mode(spec: ModelSpec) -> str:
    return "overflow" if spec.ram_overflow_supported else _MODES[spec.residency]

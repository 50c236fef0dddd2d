"""The Nextflow configuration for one bench, as text that both of Nextflow's parsers read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nvinx.residency import Residency
from nvinx.sizes import need_from_gb

if TYPE_CHECKING:
    from nvinx.bench.resolve import Bench
    from nvinx.catalog import ModelSpec

_GATE = re.compile(r"^ +beforeScript = \{.*?^ +afterScript[^\n]*\n", re.DOTALL | re.MULTILINE)
_MODES = {
    Residency.GPU_SHARED: "shared",
    Residency.GPU_EXCLUSIVE: "exclusive",
    Residency.GPU_RAM_OVERFLOW: "overflow",
    Residency.CPU_ONLY: "cpu",
}


def render(bench: Bench, common: str, common_path: str) -> str:
    """The fragment, which includes the common configuration.

    common: that file's text. The processes named like a model of the bench file get the model's
    needs and the guard, as only `withName` beats what a pipeline says itself.
    """
    gate = "".join(_GATE.findall(common))
    blocks = [_machine(bench), _labelled(bench)]
    blocks += [_model(spec, bench, gate) for spec in bench.models.values()]
    text = "\n".join(blocks)
    source = bench.path or "this machine"
    return (
        f"// By `nvinx nextflow config`, for the bench of {source}. Give it last: -c THIS_FILE\n"
        f"includeConfig {_quoted(common_path)}\n"
        f"executor.'$local'.cpus      = {bench.cores}\n"
        f"executor.'$local'.queueSize = {bench.cores}\n"
        f"executor.'$local'.memory    = '{bench.ram_mib} MB'\n"
        f"process {{\n{text}}}\n"
    )


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
    most = most_at_once(bench)
    waiting = "" if most is None else _block("nvinx_gpu_shared|process_gpu", [f"maxForks = {most}"])
    where = _where(bench)
    return _block("nvinx_.*|process_gpu", where) + waiting if where else waiting


def _where(bench: Bench) -> list[str]:
    return [f"ext.nvinx_bench = {_quoted(bench.path)}"] if bench.path else []


def _model(spec: ModelSpec, bench: Bench, gate: str) -> str:
    """A process of the model's name, whatever its case and in whatever workflow."""
    selector = f"(?i)(.*:)?{re.sub(r'[^A-Za-z0-9_]', '.', spec.name)}"
    said = [f"ext.nvinx_model = {_quoted(spec.name)}", f"ext.nvinx_mode  = '{_mode(spec)}'"]
    if spec.vram_gb:
        said.append(f"ext.vram_gb     = {spec.vram_gb}")
    if spec.cpu_fallback_supported:
        said.append("ext.nvinx_cpu_fallback = true")
    return _block(selector, said + _where(bench), gate, kind="withName")


def _block(selector: str, lines: list[str], rest: str = "", kind: str = "withLabel") -> str:
    said = "".join(f"        {line}\n" for line in lines)
    return f"    {kind}: '{selector}' {{\n{said}{rest}    }}\n"


def _mode(spec: ModelSpec) -> str:
    return "overflow" if spec.ram_overflow_supported else _MODES[spec.residency]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

"""A look at what a run of a pipeline would do, by its scripts and by what Nextflow makes of its
configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nvinx.nextflow import check, pipeline, resolved, settings, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nvinx.nextflow.check import Finding
    from nvinx.nextflow.resolved import Run


class Found(Struct, frozen=True):
    """of_profile: whether it is there by the profile alone."""

    finding: Finding
    of_profile: bool = False


def look(
    run: Run, environ: Mapping[str, str], *, plugin: bool = False, cards: int = 0
) -> list[Found]:
    """What is in the way, errors first. plugin: the run is told to use it. cards: of this machine.

    Raises NextflowError.
    """
    found = list(check.of_environment(environ))
    found += _findings(run, environ, plugin=plugin, cards=cards)
    usual: list[Finding] = []
    if run.profile and found:
        usual = _findings(replace(run, profile=""), environ, plugin=plugin, cards=cards)
    return [Found(each, bool(run.profile) and each not in usual) for each in found]


def _findings(run: Run, environ: Mapping[str, str], *, plugin: bool, cards: int) -> list[Finding]:
    theirs = resolved.config(_without_ours(run))
    ours = resolved.config(_with_ours(run))
    plugin, params = plugin or check.plugin_in(ours), ours["params"]
    all_settings = list(_settings(run, environ, ours, theirs))
    gpu = [now.name for now, _ in all_settings if check.wants_gpu(now, params)]
    silent = [now.name for now, _ in all_settings if now.name not in gpu]
    found = [*check.of_scopes(ours, theirs, gpu=bool(gpu), plugin=plugin)]
    found += check.of_containers(ours, silent)
    for now, before in all_settings:
        found += check.of_process(now, before, params, plugin=plugin, cards=cards)
    return sorted(found, key=lambda each: each.severity)


def _settings(
    run: Run, environ: Mapping[str, str], ours: dict[str, Any], theirs: dict[str, Any]
) -> Iterator[tuple[settings.Settings, settings.Settings]]:
    """Of each process, with nvinx's configuration and without."""
    named = ours.get("manifest", {}).get("mainScript") or "main.nf"
    main = pipeline.main_script(run.pipeline, environ, named)
    for member in pipeline.members(main):
        for name in member.names:
            now, before = (
                settings.of_process(member.process, name, member.where, one.get("process", {}))
                for one in (ours, theirs)
            )
            yield now, before


def _with_ours(run: Run) -> Run:
    if any(check.is_ours(_text(file)) or _includes_ours(file) for file in run.configs):
        return run
    return replace(run, configs=(*run.configs, shipped.file(shipped.CONFIG)))


def _without_ours(run: Run) -> Run:
    kept = [f for f in run.configs if not (check.is_ours(_text(f)) or _includes_ours(f))]
    return replace(run, configs=tuple(kept))


def _includes_ours(file: Any) -> bool:
    return str(shipped.file(shipped.CONFIG)) in _text(file)


def _text(file: Any) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

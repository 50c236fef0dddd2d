"""What keeps a run of a Nextflow pipeline from sharing the card. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nvinx.formatting import cards_text, few_names
from nvinx.nextflow import ext_names, remedy, signs
from nvinx.nextflow.remedy import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nvinx.nextflow.settings import Setting, Settings

LABELS = ("nvinx_gpu_shared", "nvinx_gpu_exclusive", "nvinx_gpu_overflow", "nvinx_cpu_only")
ENGINES = ("docker", "podman", "apptainer", "singularity", "charliecloud")
_ON_CARD = "nvinx_gpu_"
_READS_ACCELERATOR = "task.accelerator"
_DEVICES = "CUDA_VISIBLE_DEVICES"
_USES = "give `process { withName: 'NAME' { ext.use_gpu = true } }` in a file with -c"
_PARTS = (("beforeScript", remedy.GUARD), ("afterScript", remedy.END))


class Severity(StrEnum):
    """An error takes the card past the ledger, or breaks the run; a warning may."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Struct, frozen=True):
    """where: a process and its file, or a scope. remedies: lines for a file given with -c."""

    where: str
    problem: str
    fix: str = ""
    severity: Severity = Severity.ERROR
    remedies: tuple[Remedy, ...] = ()


def of_process(
    ours: Settings,
    theirs: Settings,
    params: Mapping[str, Any],
    *,
    plugin: bool = False,
    cards: int = 0,
) -> Iterator[Finding]:
    """ours, theirs: what holds with nvinx's configuration, and without it.

    plugin: the run uses the plugin, which adds the guard to a process's own scripts. cards: how
    many this machine has, 0 where that is not to be asked.
    """
    where = f"{ours.name} ({ours.where})"
    yield from _unknown_labels(ours, where)
    if (ours.text("executor") or "local") != "local":
        return
    yield from _unknown_names(ours, where)
    yield from _too_few_cards(ours, where, cards)
    yield from _unset_accelerator(ours, where)
    yield from _several_by_options(ours, where)
    if sign := signs.sign(ours):
        if not plugin:
            yield from _scripts(ours, theirs, f"{where} with {sign}")
    elif switch := signs.hidden(ours, params):
        yield _switched(ours, where, switch)
        yield from _scripts(ours, theirs, where)
    elif signs.NF_CORE not in ours.labels and (word := signs.spoken_of(ours)):
        yield _spoken_of(ours, where, word)


def of_scopes(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], *, gpu: bool, plugin: bool = False
) -> Iterator[Finding]:
    """What the configuration says of all processes. gpu: whether any of them wants one."""
    if gpu:
        yield from _environment(_scope(ours, "env"))
    if not plugin:
        yield from _lost_for_all(_scope(ours, "process"), _scope(theirs, "process"))
        yield from _lost_names(ours, theirs)


def of_containers(ours: Mapping[str, Any], silent: Sequence[str]) -> Iterator[Finding]:
    """Engines that give every container the card. silent: processes that show no GPU."""
    for engine in ENGINES:
        scope = _scope(ours, engine)
        options = str(scope.get("runOptions") or "")
        if (
            silent
            and str(scope.get("enabled")).lower() == "true"
            and re.search(signs.WORDS, options)
        ):
            problem = (
                f"{options!r} gives every container the card, including those of "
                f"{few_names(silent)}"
            )
            fix = f"if one of these uses it, {_USES}"
            yield Finding(f"the {engine} scope", problem, fix, Severity.WARNING)


def wants_gpu(ours: Settings, params: Mapping[str, Any]) -> bool:
    """Whether tasks of this process use a card, as far as can be seen."""
    return bool(signs.sign(ours) or signs.hidden(ours, params))


def of_environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What Nextflow would be started with."""
    if _DEVICES in environ:
        problem = "from 26.10 on Nextflow assigns these devices itself, bypassing nvinx"
        fix = f"start Nextflow with {_DEVICES} unset"
        yield Finding(_DEVICES, problem, fix, Severity.WARNING)


def is_ours(text: str) -> bool:
    """Whether a configuration's text has the guard."""
    return "nvinx_guard" in text


def plugin_in(scope: Mapping[str, Any]) -> bool:
    """Whether the configuration asks for the plugin."""
    return "nf-nvinx" in str(scope.get("plugins", ""))


def _unknown_labels(ours: Settings, where: str) -> Iterator[Finding]:
    for label in ours.labels:
        if signs.OURS.fullmatch(label) and label not in LABELS:
            yield Finding(where, f"nvinx knows no label {label}", f"use {', '.join(LABELS)}")


def _unknown_names(ours: Settings, where: str) -> Iterator[Finding]:
    for name in ours.ext:
        if ext_names.is_unknown(name):
            problem, fix = ext_names.complaint(name)
            yield Finding(where, f"ext.{name}: {problem}", fix)


def _too_few_cards(ours: Settings, where: str, cards: int) -> Iterator[Finding]:
    wanted, fallback = signs.cards(ours) or 0, ours.ext.get("nvinx_cpu_fallback")
    if wanted > cards > 0 and not (fallback and fallback.is_set):
        problem = f"asks for {wanted} cards at once, and this bench has only {cards_text(cards)}"
        as_free = f"accelerator request: {cards}, limit: {wanted} for as many of them as are free"
        yield Finding(where, problem, f"write accelerator {cards}, or {as_free}")


def _unset_accelerator(ours: Settings, where: str) -> Iterator[Finding]:
    """A script that chooses its device by an accelerator, which no label of ours sets."""
    label = next((label for label in ours.labels if label.startswith(_ON_CARD)), None)
    if label and not ours.text("accelerator") and _READS_ACCELERATOR in ours.body:
        problem = f"its script asks {_READS_ACCELERATOR}, which label {label} does not set"
        yield Finding(where, problem, "write accelerator 1 beside the label", Severity.WARNING)


def _several_by_options(ours: Settings, where: str) -> Iterator[Finding]:
    """Options that nvinx takes for a wish for a GPU, but not for how many."""
    found = signs.options_for_several(ours)
    if found and not ours.text("accelerator"):
        options, count = found
        problem = f"{options} asks for {count} cards, and nvinx gives the task one"
        line = Remedy(f"accelerator = {count}", ours.name)
        fix = f"write accelerator {count} as well"
        yield Finding(where, problem, fix, Severity.WARNING, (line,))


def _scripts(ours: Settings, theirs: Settings, where: str) -> Iterator[Finding]:
    """A script of its own beside the guard: one of the two is lost."""
    for directive, guard in _PARTS:
        own = theirs.directives.get(directive)
        if own is None or not own.is_set or guard in own.text or _is_general(own):
            continue
        now = ours.text(directive)
        if guard in now and own.text in now:
            continue
        lines = Remedy(remedy.both(directive, own, guard), ours.name)
        lost = f"loses its own {directive}" if guard in now else _unguarded(directive)
        is_light = directive == "afterScript" and guard not in now
        severity = Severity.WARNING if is_light else Severity.ERROR
        yield Finding(where, lost, "", severity, (lines,))


def _unguarded(directive: str) -> str:
    if directive == "beforeScript":
        return "has a beforeScript of its own, so it takes no lease"
    return "has an afterScript of its own, so nvinx cannot see whether it ran out of memory"


def _is_general(own: Setting) -> bool:
    return own.origin == "the process scope"


def _switched(ours: Settings, where: str, switch: str) -> Finding:
    problem = f"uses a GPU through {switch}, which no directive shows, so it takes no lease"
    line = f"ext.use_gpu = {{ {switch} }}"
    return Finding(where, problem, "", Severity.ERROR, (Remedy(line, ours.name),))


def _spoken_of(ours: Settings, where: str, word: str) -> Finding:
    problem = f"has the word {word!r} in its script, and no directive shows a GPU"
    fix = f"if it does, {_USES.replace('NAME', ours.name)}; else `ext.use_gpu = false`"
    return Finding(where, problem, fix, Severity.WARNING)


def _environment(env: Mapping[str, Any]) -> Iterator[Finding]:
    """An empty or missing value replaces it, too."""
    for name, value in env.items():
        ours = f"${{{name}-}}"
        if (name == _DEVICES or name.startswith("NVINX_")) and value != ours:
            said = "nothing" if value is None else repr(value)
            problem = f"sets {name} to {said} for all tasks, overriding what nvinx set"
            line = f"env.{name} = {remedy.quoted(ours)}"
            yield Finding("the env scope", problem, "", Severity.ERROR, (Remedy(line, None),))


def _lost_for_all(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    from nvinx.nextflow.settings import Setting

    for directive, guard in _PARTS:
        own, now = str(theirs.get(directive) or ""), str(ours.get(directive) or "")
        if own and guard not in own and own not in now:
            said = remedy.both(directive, Setting(own, ""), guard)
            problem = f"its {directive} for all processes is replaced by nvinx's"
            yield Finding("the process scope", problem, "", Severity.ERROR, (Remedy(said),))


def _lost_names(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    for engine in ENGINES:
        own = _names(theirs, engine)
        if lost := own - _names(ours, engine):
            problem = f"nvinx's envWhitelist replaces the pipeline's ({', '.join(sorted(lost))})"
            every = ",".join(sorted(own | _names(ours, engine)))
            fix = f"give both in a file that is given last: {engine}.envWhitelist = '{every}'"
            yield Finding(f"the {engine} scope", problem, fix, Severity.WARNING)


def _names(config: Mapping[str, Any], engine: str) -> set[str]:
    said = _scope(config, engine).get("envWhitelist") or ""
    names: Iterable[str] = said if isinstance(said, list) else str(said).split(",")
    return {name.strip() for name in names if name.strip()}


def _scope(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}

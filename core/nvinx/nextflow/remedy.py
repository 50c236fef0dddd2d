"""Lines of configuration that put the guard beside what a process does itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nvinx.nextflow.settings import Setting

GUARD = "task.ext.nvinx_guard"
END = "task.ext.nvinx_end"


class Remedy(Struct, frozen=True):
    """line: a setting of a process; of all where `process` is empty, of none where it is None."""

    line: str
    process: str | None = ""


def both(directive: str, own: Setting, ours: str) -> str:
    """The directive with what the pipeline does there, and then what we do."""
    return f"{directive} = {{ {_as_groovy(own)} + '\\n' + {ours} }}"


def block(remedies: Iterable[Remedy]) -> str:
    """All of them as one text for Nextflow's configuration; empty where there are none."""
    lines: dict[str | None, list[str]] = {}
    for remedy in remedies:
        said = lines.setdefault(remedy.process, [])
        said += [] if remedy.line in said else [remedy.line]
    outside = "".join(f"{line}\n" for line in lines.pop(None, []))
    inside = [f"    {line}\n" for line in lines.pop("", [])]
    inside += [_selector(process or "", said) for process, said in lines.items()]
    return outside + (f"process {{\n{''.join(inside)}}}\n" if inside else "")


def quoted(text: str) -> str:
    """As a text of Groovy's in which nothing is computed."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _selector(process: str, lines: Iterable[str]) -> str:
    inner = "".join(f"        {line}\n" for line in lines)
    return f"    withName: '{process}' {{\n{inner}    }}\n"


def _as_groovy(own: Setting) -> str:
    text = own.text.strip()
    if text.startswith("{"):
        return f"{text}.call()"
    return quoted(own.text) if own.is_fixed else f'"""{own.text}"""'

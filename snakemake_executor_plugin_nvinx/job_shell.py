"""The shell that a job runs in, replaced by a small script that says where the job was placed.

Snakemake lets a rule name its shell (`shell_exec`). We name a link to one static script which
exports the placement, takes the lease's lock on a descriptor that all children inherit, and then
becomes the real shell. Nothing executable is written per job: this process has threads, and a file
that another thread's child holds open for writing cannot be executed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nvinx.errors import StateDirError
from nvinx.host import statedir
from nvinx.host.files import forget_start, is_written_to, tail, write
from nvinx.jobs.outcome import TAIL_BYTES
from snakemake_executor_plugin_nvinx import shell_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nvinx.leases.ports import Liveness

# What the job writes is also kept in files, for nvinx to read their ends. What keeps it is no sign
# of the job's life, so it starts before the lock is taken, without the marker, and with no word of
# the job in its command line. It outlives TERM, so that the job's last words get through, and ends
# when the job's last process has closed what it listens to. It has the files open from the first
# moment, so a job that ends before `tee` has begun is waited for as well.
_SCRIPT = """#!{bash}
. "${{0%/*}}/${{0##*/}}.env"
_nvinx_keep() {{
  trap '' INT TERM HUP
  unset NVINX_JOB
  cd "$_nvinx_tail" 2>/dev/null && exec tee -a "$1" 2>/dev/null || exec cat
}}
if [ -n "$_nvinx_tail" ] && command -v tee >/dev/null; then
  {{ exec 244>>"$_nvinx_tail/stdout" 245>>"$_nvinx_tail/stderr"; }} 2>/dev/null
  exec > >(_nvinx_keep stdout) 2> >(_nvinx_keep stderr >&2)
  exec 244>&- 245>&-
fi
if [ -f "$_nvinx_lock" ] && command -v flock >/dev/null; then
  exec 243<"$_nvinx_lock"
  flock -s 243
fi
exec -a "$_nvinx_name" "$_nvinx_shell" "$@"
"""


_STREAMS = ("stderr", "stdout")
_LAST_WORDS_S = 5.0  # of a failed job, for what keeps them to get through with them
_LOOK_AGAIN_S = 0.005
_BLOCK = 512  # bytes; see stat(2)
_TRIM_FROM = 1 << 24  # bytes


class ShellExec(str):
    """A path that survives Snakemake's three ways of using it.

    As an executable it is itself; formatted unquoted into a Python preamble it is an expression
    that keeps the shell in force; pickled for a script it is a plain str.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "shell.get_executable()"

    def __reduce__(self) -> tuple[Any, ...]:
        return (str, (str.__str__(self),))


@dataclass(frozen=True, slots=True)
class Shells:
    """Makes and removes the folder that holds one job's link and variables."""

    folder: Path

    @classmethod
    def under(cls, state_dir: Path, engine: str) -> Shells:
        """Raises StateDirError when the script cannot be written or bash is missing."""
        bash = shutil.which("bash")
        if bash is None:
            raise StateDirError(str(state_dir), "bash is not on the PATH", "install bash")
        try:
            shells = cls(shell_folder.make(state_dir) / engine)
            statedir.subfolder(shells.folder, shared=False)
            shells.script.write_text(_SCRIPT.format(bash=bash), encoding="utf-8")
            shells.script.chmod(0o755)
        except OSError as error:
            raise _unwritable(state_dir / "shells", error) from error
        return shells

    @property
    def script(self) -> Path:
        return self.folder / "nvinx-shell"

    def make(self, token: str, real: str, variables: Mapping[str, str], lock: Path | None) -> str:
        """The path to use as the job's shell; its basename is the real shell's.

        lock: of the lease, None on the CPU; only a job with a lease has the ends of its output
        kept.
        Raises StateDirError when its folder cannot be written.
        """
        real_path = shutil.which(real) or real
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        lines.append(f"_nvinx_lock={shlex.quote(str(lock or ''))}")
        lines.append(f"_nvinx_tail={shlex.quote(str(self.folder / token) if lock else '')}")
        lines.append(f"_nvinx_shell={shlex.quote(real_path)} _nvinx_name={shlex.quote(real)}")
        home = self.folder / token
        link = home / os.path.basename(real_path)
        try:
            home.mkdir(exist_ok=True)
            # Members of a group share a file, and one may be reading it.
            write("\n".join(lines) + "\n", link.with_name(f"{link.name}.env"))
            with contextlib.suppress(FileExistsError):
                link.symlink_to(self.script)
        except OSError as error:
            raise _unwritable(home, error) from error
        return str(link)

    def words(self, token: str) -> list[str]:
        """The ends of what a job wrote that has ended, to its stderr and to its stdout."""
        kept = [self.folder / token / stream for stream in _STREAMS]
        deadline = time.monotonic() + _LAST_WORDS_S
        while any(map(is_written_to, kept)) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
        return [tail(file, TAIL_BYTES) for file in kept]

    def trim(self) -> None:
        """Keep no more of what running jobs write than its end, once that is worth it."""
        for token in _folders(self.folder):
            for stream in _STREAMS:
                file = self.folder / token / stream
                with contextlib.suppress(OSError):
                    if file.stat().st_blocks * _BLOCK > _TRIM_FROM:
                        forget_start(file, TAIL_BYTES)

    def drop(self, token: str) -> None:
        """Remove what `make` made; a thousand jobs feel the difference to `shutil.rmtree`."""
        home = self.folder / token
        with contextlib.suppress(OSError):
            for entry in os.scandir(home):
                os.unlink(entry.path)
            home.rmdir()

    def close(self) -> None:
        """Remove everything but what living jobs of this engine may still need."""
        if not _folders(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)


def sweep(state_dir: Path, liveness: Liveness) -> None:
    """Remove what killed engines left behind, unless a job of theirs still lives."""
    for shells in shell_folder.candidates(state_dir):
        tokens = {engine: _folders(shells / engine) for engine in _folders(shells)}
        alive = liveness.alive([*tokens, *(token for jobs in tokens.values() for token in jobs)])
        for engine, jobs in tokens.items():
            if not alive & {engine, *jobs}:
                shutil.rmtree(shells / engine, ignore_errors=True)


def _folders(folder: Path) -> list[str]:
    """The folders in it; none when another run has removed it meanwhile."""
    try:
        return [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _unwritable(folder: Path, error: OSError) -> StateDirError:
    problem = f"cannot be written ({error.strerror})"
    return StateDirError(str(folder), problem, "check its permissions, and free some disk space")

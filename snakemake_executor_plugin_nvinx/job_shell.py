"""The shell that a job runs in, replaced by a small script that says where the job was placed.

Snakemake lets a rule name its shell (`shell_exec`). We name a link to one static script which
exports the placement, opens the lease's lock on a descriptor that all children inherit, and then
becomes the real shell. Nothing executable is written per job: this process has threads, and a file
that another thread's child holds open for writing cannot be executed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nvinx.errors import StateDirError
from nvinx.host import statedir
from nvinx.host.files import write
from snakemake_executor_plugin_nvinx import shell_folder
from snakemake_executor_plugin_nvinx.kept_output import KeptOutput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nvinx.leases.ports import Liveness

# Nothing is waited for but the real shell, and nothing that is started is a child of it: a program
# that waits for all of its children would meet one that it does not know. `flock` locks what it
# shares with the shell, a moment after the job has begun; until then the marker and the lock of
# whoever starts the job are its signs of life.
_SCRIPT = """#!{bash}
. "${{0%/*}}/${{0##*/}}.env"
if [ -w "$_nvinx_stdout" ] && [ -w "$_nvinx_stderr" ]; then
  exec >>"$_nvinx_stdout" 2>>"$_nvinx_stderr"
fi
if [ -f "$_nvinx_lock" ] && command -v flock >/dev/null; then
  exec 243<"$_nvinx_lock"
  (unset NVINX_JOB; exec 1>/dev/null 2>&1; flock -s 243 &)
fi
exec -a "$_nvinx_name" "$_nvinx_shell" "$@"
"""


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
    """Makes and removes the folder that holds one job's link and variables.

    output: what jobs with a lease write, passed on and kept.
    """

    folder: Path
    output: KeptOutput = field(default_factory=KeptOutput)

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

        lock: of the lease, None on the CPU; only of a job with a lease the output is kept.
        Raises StateDirError when its folder cannot be written.
        """
        real_path = shutil.which(real) or real
        try:
            stdout, stderr = self.output.pipes(token) if lock else ("", "")
        except OSError as error:
            problem = f"what a job writes cannot be kept ({error.strerror})"
            fix = "let fewer jobs run at once, or raise `ulimit -u` and `ulimit -n`"
            raise StateDirError(str(self.folder), problem, fix) from error
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        lines.append(f"_nvinx_lock={shlex.quote(str(lock or ''))}")
        lines.append(f"_nvinx_stdout={stdout} _nvinx_stderr={stderr}")
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

    def drop(self, token: str) -> None:
        """Remove what `make` made; a thousand jobs feel the difference to `shutil.rmtree`."""
        self.output.drop(token)
        home = self.folder / token
        with contextlib.suppress(OSError):
            for entry in os.scandir(home):
                os.unlink(entry.path)
            home.rmdir()

    def close(self) -> None:
        """Remove everything but what living jobs of this engine may still need."""
        self.output.close()
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

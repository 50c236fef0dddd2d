"""The folder that holds all of a cluster: what its daemons read, and where they write."""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import socket
from typing import TYPE_CHECKING

from programs import TOOLS, ClusterError, find
from slurm_conf import Machine, Node, card_files, gres_conf, slurm_conf
from writers import claim, is_claimed

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SOCKET = 107
# Below the ports that the kernel gives to programs which ask for any, so that srun takes none.
PORTS = range(12_000, 30_000)


def make_folder(
    folder: Path, nodes: tuple[Node, ...], kept: bool, more: tuple[str, ...] = ()
) -> None:
    """Make it anew, with `more` lines in slurm.conf. Raises ClusterError if it is another's, or too deep for sockets."""
    _make_empty(folder, nodes)
    claim(folder, kept)
    machine = Machine(folder, _address(), user(), _ports(1 + len(nodes)))
    (folder / "slurm.conf").write_text(slurm_conf(machine, nodes, more))
    (folder / "gres.conf").write_text(gres_conf(machine, nodes))
    (folder / "state").mkdir()
    for node in nodes:
        (folder / f"spool.{node.name}").mkdir()
        for card in card_files(machine, node):
            card.symlink_to(os.devnull)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    _write_tools(folder)


def user() -> str:
    """Whose all daemons and jobs are."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _make_empty(folder: Path, nodes: tuple[Node, ...]) -> None:
    step = "99999.4294967291"  # a batch step's socket is the longest
    sockets = [folder / f"spool.{node.name}" / f"{node.name}_{step}" for node in nodes]
    if any(len(str(path)) > LONGEST_SOCKET for path in sockets):
        raise ClusterError(f"the path of {folder} is too long for Slurm's sockets")
    if is_claimed(folder):
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ClusterError(f"{folder} is there already, and no cluster's") from error


def _write_tools(folder: Path) -> None:
    """Slurm's tools, which here know their cluster also without SLURM_CONF."""
    (folder / "bin").mkdir()
    for tool in TOOLS:
        script = folder / "bin" / tool
        script.write_text(f'#!/bin/sh\nSLURM_CONF="{folder}/slurm.conf" exec {find(tool)} "$@"\n')
        script.chmod(0o755)


def _address() -> str:
    """Where Slurm listens: the address of this machine's own name, loopback on most."""
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        fix = f"Fix: a line `127.0.1.1 {name}` in /etc/hosts"
        raise ClusterError(f"this machine's name, {name}, has no address. {fix}") from error


def _ports(count: int) -> tuple[int, ...]:
    """Free ports, at random, so that two clusters that start together hardly choose the same."""
    free = (port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))
    return tuple(next(free) for _ in range(count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_address(), port))
        except OSError:
            return False
    return True

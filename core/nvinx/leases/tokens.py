"""The names of engines and leases, which say where their processes can be seen."""

from __future__ import annotations

import os
import re
import uuid

from nvinx.host import proc

# PID, PID namespace where it is not the machine's own, and what makes it unique; then the job.
_TOKEN = r"(?:.*\+)?(?:task-)?[0-9]+(?:-(?P<namespace>[0-9a-f]+))?-[0-9a-f]{8}(?P<job>\.[0-9]+)?"


def new(within: str = "") -> str:
    """A name that no other program of the machine has.

    within: the token of the lease that it shares out.
    """
    namespace = proc.namespace()
    where = "" if namespace == proc.INITIAL_NAMESPACE else f"-{namespace:x}"
    name = f"{os.getpid()}{where}-{uuid.uuid4().hex[:8]}"
    return f"{within}+{name}" if within else name


def is_seen(token: str) -> bool:
    """Whether processes of the token would be seen from here, if there are any."""
    return proc.namespace() == proc.INITIAL_NAMESPACE or is_named_here(token)


def is_engine(token: str) -> bool:
    """Whether an engine is named so, and no lease of one."""
    found = re.fullmatch(_TOKEN, token)
    return found is not None and not found["job"] and "task-" not in token


def is_lease(token: str) -> bool:
    """Whether nvinx gives leases such names, so that no other program's words are taken for one."""
    found = re.fullmatch(_TOKEN, token)
    return found is not None and (bool(found["job"]) or "task-" in token)


def pid(token: str) -> int | None:
    """Of the engine that is named so, or that a lease was given to."""
    found = re.match(r"(?:.*\+)?(?:task-)?([0-9]+)-", token)
    return None if found is None else int(found[1])


def asked_by(lease_id: str) -> str:
    """The engine that a lease was given to; a Nextflow task's has the PID in its own name."""
    return lease_id.rpartition(".")[0] or lease_id


def is_named_here(token: str) -> bool:
    """Whether the PID in the token is what its process is called here."""
    return _namespace(token) in (None, proc.namespace())


def _namespace(token: str) -> int | None:
    """Of its processes; None where it does not say."""
    found = re.fullmatch(_TOKEN, token)
    if found is None:
        return None
    written = found["namespace"]
    return proc.INITIAL_NAMESPACE if written is None else int(written, 16)

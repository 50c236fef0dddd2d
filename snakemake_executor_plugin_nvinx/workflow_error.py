"""The end of a run that Snakemake tells in one message."""

from __future__ import annotations

from snakemake_interface_common import exceptions

from nvinx.errors import ToldInFull


class WorkflowError(ToldInFull, exceptions.WorkflowError):
    """Snakemake's own, without the place in our code that it would add for the user."""

"""What the campaign's programs need that may not be installed; they then say so and end."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, NoReturn

ABSENT = 69  # EX_UNAVAILABLE: the last line of stdout says what is lacking


def lack(what: str) -> NoReturn:
    """End the program, since this is not here."""
    print(what)
    sys.exit(ABSENT)


def demand(*names: str) -> None:
    """Go on only where these modules are installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            lack(name)


def jax_on_card() -> Any:
    """The module jax, taking memory as it is asked for; without a card it would take all RAM."""
    demand("jax")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax = importlib.import_module("jax")
    if jax.default_backend() != "gpu":
        lack("jax with CUDA")
    return jax

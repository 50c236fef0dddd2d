"""The `nvinx` command, also as `python -m nvinx`."""

from __future__ import annotations

import atexit
import gc

_SELDOM = 100_000  # objects more than at the last collection


def main() -> None:
    """A command is over before collecting garbage would be worth its time, the last one too.

    This must be said before anything is loaded.
    """
    gc.set_threshold(_SELDOM)
    atexit.register(gc.freeze)
    from nvinx.cli import main as command

    command()


if __name__ == "__main__":
    main()

"""The process that runs one program over and over while it is timed.

Started as `python -m nvinx.calibration.worker SPEC`, SPEC being JSON. It obeys the words that it
reads from one descriptor and answers each on another, so that the program may print what it likes.
When its parent dies it ends, with all that it started.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_FINEST_S = 0.002  # marks closer than this are thinned out
_WORTH = 400  # characters of an error


class Loop:
    """Runs `step` while it is told to, and marks when each run ended."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._quit = False
        self._busy = False
        self._marks: list[tuple[float, int]] = []
        self.problem: str | None = None

    def go(self) -> None:
        with self._lock:
            self._marks = [(time.monotonic(), 0)]
        self._go.set()

    def pause(self) -> None:
        self._go.clear()

    @property
    def busy(self) -> bool:
        """Whether an iteration runs, or is about to."""
        return self._busy or self._go.is_set()

    def quit(self) -> None:
        self._quit = True
        self._go.set()

    def marks(self) -> list[tuple[float, int]]:
        with self._lock:
            return list(self._marks)

    def run(self) -> None:
        while True:
            self._go.wait()
            if self._quit:
                return
            self._busy = True
            try:
                while self._go.is_set() and not self._quit:
                    self._step()
                    self._mark()
            except Exception as error:
                self.problem = _words(error)
                self._go.clear()
            self._busy = False

    def _mark(self) -> None:
        now = time.monotonic()
        with self._lock:
            done = self._marks[-1][1] + 1 if self._marks else 1
            crowded = len(self._marks) > 2 and now - self._marks[-2][0] < _FINEST_S  # noqa: PLR2004
            if crowded:
                self._marks.pop()
            self._marks.append((now, done))


def step_of(spec: dict[str, Any]) -> Callable[[], object]:
    """What to repeat: one call of the model, the GPU's work done, or one run of the command."""
    if spec["command"] is not None:
        return lambda: _run(spec["command"])
    module, _, attribute = spec["loader"].partition(":")
    sys.path.insert(0, os.getcwd())
    target: Any = importlib.import_module(module)
    for name in attribute.split("."):
        target = getattr(target, name)
    loaded = target()
    return lambda: _call(loaded)


def _run(command: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", command], stdin=subprocess.DEVNULL, check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise RuntimeError(f"it ended with exit status {done.returncode}")


def _call(target: Any) -> None:
    target.inference_fn(target.sample_input)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _words(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return text[:_WORTH]


def _answer(word: str, loop: Loop) -> dict[str, Any]:
    if word == "go":
        loop.go()
    elif word == "pause":
        loop.pause()
    elif word == "last":
        marks = loop.marks()
        return {"last": marks[-1] if marks else None, "busy": loop.busy, "problem": loop.problem}
    spent = os.times()
    cpu_s = spent.user + spent.system + spent.children_user + spent.children_system
    marks = loop.marks() if word == "marks" else []
    return {"marks": marks, "problem": loop.problem, "cpu_s": cpu_s}


def _obey(words: Any, answers: Any, loop: Loop) -> None:
    for line in words:
        word = line.strip()
        if word == "quit":
            loop.quit()
            return
        print(json.dumps(_answer(word, loop)), file=answers, flush=True)
    os.killpg(0, signal.SIGKILL)  # the parent is gone


def main() -> None:
    spec = json.loads(sys.argv[1])
    words = os.fdopen(spec["reads"], "r", encoding="utf-8")
    answers = os.fdopen(spec["writes"], "w", encoding="utf-8")
    if spec["core"] is not None:
        os.sched_setaffinity(0, {spec["core"]})
    try:
        step = step_of(spec["program"])
        step()  # the first run compiles, allocates, reads
    except Exception as error:
        print(json.dumps({"problem": _words(error)}), file=answers, flush=True)
        return
    loop = Loop(step)
    print(json.dumps({"pid": os.getpid()}), file=answers, flush=True)
    threading.Thread(target=_obey, args=(words, answers, loop), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()

"""Makes engines by forking itself, which is quick: each line on stdin is one, its pid is the answer.

run NAME MB SECONDS MANNER      `nvinx run` with that program
lease NAME MB SECONDS MANNER    `with nvinx.lease(...)`, which starts the program
stall NAME MB SECONDS MANNER    an engine that stays inside a ledger transaction
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nvinx
import nvinx.leases.lease
from nvinx.cli import main as nvinx_main
from nvinx.leases.ledger import SqliteLedger

GPU = str(Path(__file__).with_name("gpu.py"))
CARD_MB = 4000


def program(name, mb, seconds, manner):
    return [sys.executable, "-S", GPU, os.getcwd(), name, mb, seconds, manner]


def run(name, mb, *rest):
    size = [] if int(mb) == CARD_MB else ["--vram", f"{mb}MB"]
    words = ["run", "--quiet", "--name", name, *size, "--", *program(name, mb, *rest)]
    nvinx_main(words, standalone_mode=False)


def lease(name, mb, *rest):
    asked = {"gpu": 1} if int(mb) == CARD_MB else {"vram_mb": int(mb)}
    with nvinx.lease(name=name, **asked):
        subprocess.run(program(name, mb, *rest), check=False)


def stall(_name, _mb, seconds, _manner):
    ledger = SqliteLedger(Path(os.environ["NVINX_STATE_DIR"]) / "ledger.db")
    with ledger.transaction() as entries:
        entries.drop("nobody")
        time.sleep(float(seconds))


def be(what, words):
    os.setsid()
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(silent, descriptor)
    with contextlib.suppress(BaseException):
        {"run": run, "lease": lease, "stall": stall}[what](*words)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody collects the dead
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            be(line.split()[0], line.split()[1:])
        print(pid, flush=True)

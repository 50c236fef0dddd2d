"""`nvinx top` in a terminal of 80 columns: what it shows, and how it ends."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest
from builders import simulated_card
from waiting import GIVE_UP_S

from nvinx.leases import client

pyte = pytest.importorskip("pyte", reason="pyte is not installed")
COLUMNS, LINES = 80, 24
CARD = simulated_card(name="simulated GPU 0", total_mib=3814)
BENCH = "hardware: {vram_gb: 4.0, cpu_cores: 2, ram_gb: 8, simulated: true}\n"
TOP = [sys.executable, "-c", "from nvinx.cli import main; main()", "top"]


@pytest.fixture
def environ(tmp_path):
    (tmp_path / "nvinx.yaml").write_text(BENCH)
    return {
        **os.environ,
        "NVINX_STATE_DIR": str(tmp_path / "state"),
        "TERM": "xterm",
        "COLUMNS": str(COLUMNS),
        "LINES": str(LINES),
    }


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, command, **kwargs):
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        # Tests that run in the background inherit that Ctrl-C is ignored, and would pass it on.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.program = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            **kwargs,
        )
        signal.signal(signal.SIGINT, before)
        os.close(theirs)

    def shows(self, *texts, seconds=GIVE_UP_S):
        """Whether these come to stand there, in this order; a screen may come in pieces."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._stream.feed(os.read(self._ours, 1 << 16))
            except (BlockingIOError, OSError):
                time.sleep(0.05)
            places = [self.text().find(text) for text in texts]
            if min(places) >= 0 and places == sorted(places):
                return True
        return False

    def hides(self, text, seconds=GIVE_UP_S):
        end = time.monotonic() + seconds
        while text in self.text() and time.monotonic() < end:
            self.shows("nothing in particular", seconds=0.1)
        return text not in self.text()

    def types(self, keys):
        os.write(self._ours, keys.encode())

    def echoes(self):
        """Whether the terminal shows what is typed, as it does outside programs like this."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def ends(self, seconds=GIVE_UP_S):
        """Its exit status; what it writes meanwhile is read, or it could not end."""
        end = time.monotonic() + seconds
        while self.program.poll() is None and time.monotonic() < end:
            self.shows("nothing in particular", seconds=0.1)
        return self.program.poll()

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def close(self):
        self.program.kill()
        self.program.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path, environ):
    made = Terminal([*TOP, "--every", "0.2"], cwd=tmp_path, env=environ)
    yield made
    made.close()


def test_it_shows_a_lease_come_and_go(terminal, tmp_path):
    assert terminal.shows("Nobody waits."), terminal.text()
    with client.whole_card(CARD, "one_job", tmp_path / "state", lambda _: None):
        assert terminal.shows("one_job"), terminal.text()
        assert terminal.shows("4.00 GB of 4.00 GB leased"), terminal.text()
        assert terminal.shows("exclusive"), terminal.text()
    assert terminal.shows("0.00 GB of 4.00 GB leased"), terminal.text()
    assert "GPU 0  simulated GPU 0 (simulated)" in terminal.text()
    assert " CPU " in terminal.text()
    assert " GB left" in terminal.text()


def test_ctrl_c_ends_it_quietly(terminal):
    assert terminal.shows("Nobody waits.")
    terminal.program.send_signal(signal.SIGINT)
    assert terminal.ends() == 0
    assert "Traceback" not in terminal.text()


def test_once_prints_it_for_a_script(tmp_path, environ):
    done = subprocess.run(
        [*TOP, "--once"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert "Nobody waits." in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= COLUMNS


def test_a_machine_without_a_card_says_why(tmp_path, environ):
    (tmp_path / "nvinx.yaml").write_text("hardware: {vram_gb: 0}\n")
    done = subprocess.run(
        [*TOP, "--once"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert "No GPU: " in done.stdout


def test_q_ends_it_and_leaves_the_terminal_as_it_was(terminal):
    assert terminal.shows("Nobody waits.")
    before = terminal.echoes()
    terminal.types("q")
    assert terminal.ends() == 0
    assert not before
    assert terminal.echoes()


def test_a_question_mark_shows_the_keys_and_hides_them_again(terminal):
    assert terminal.shows("? keys"), terminal.text()
    terminal.types("?")
    assert terminal.shows("move through the queue"), terminal.text()
    terminal.types("?")
    assert terminal.shows("? keys"), terminal.text()


def test_s_sorts_and_the_arrows_move(terminal, tmp_path):
    waiting = []
    with client.whole_card(CARD, "holder", tmp_path / "state", lambda _: None):
        for name in ("beta", "alpha"):
            waiting.append(
                subprocess.Popen(
                    [*TOP[:-1], "run", "--name", name, "sleep", "0"],
                    cwd=tmp_path,
                    env={**os.environ, "NVINX_STATE_DIR": str(tmp_path / "state")},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            assert f"{name} waits" in waiting[-1].stderr.readline()
        assert terminal.shows("2 waiting"), terminal.text()
        assert terminal.shows("beta", "alpha"), terminal.text()
        terminal.types("s")
        assert terminal.shows("by wait"), terminal.text()
        terminal.types("s")
        assert terminal.shows("by name"), terminal.text()
        assert terminal.shows("alpha", "beta"), terminal.text()
        terminal.types("\x1b[B")
        assert terminal.hides("alpha"), terminal.text()
        terminal.types("\x1b[A")
        assert terminal.shows("alpha"), terminal.text()
    for program in waiting:
        program.communicate(timeout=GIVE_UP_S)
        assert program.returncode == 0

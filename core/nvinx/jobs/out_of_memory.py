"""Whether a program ran out of memory, of which, and by what words. Pure.

The last error before the end counts. An allocation that failed and was recovered from does not:
the program said so and went on. Errors that only follow from a failed allocation do not hide it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvinx.jobs.oom_patterns import KILLED, PATTERNS, USER, Memory, Pattern
from nvinx.jobs.oom_sentences import SENTENCES, is_condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KILLED = (137, -9)
_NEAR = 15  # lines in which an error that names no other cause follows from the one before
_LONGEST = 2000  # characters of a line that are read

_GPU = re.compile(r"(?i)cuda|\bgpu|nvidia|\bhip\b|rocm|nvenc|opencl|\bvram\b")
_HARMLESS = re.compile(r"(?i)not a failure|\b(?:0|no) out of memory")
_GOES_ON = re.compile(
    r"(?i)\bretry|\bre-?trying|try(?:ing)? again|falling back|fall(?:s)? back|fallback|"
    r"\bwill try|(?:reduc\w+|smaller|half|halv\w+) (?:the )?(?:batch|chunk|pool|tile)|"
    r"\brecover|\bcaught\b(?! signal)|\bresum(?:e|ed|ing)\b|\battempting (?:again|with)\b|"
    r"\b(?:host|cpu|managed|unified)\b.{0,20}\binstead|\busing (?:the )?cpu|"
    r"(?:switch|offload)\w* to (?:the )?(?:cpu|host|ram)"
)
_ADVICE = re.compile(
    r"(?i)\bplease\b|\bconsider\b|(?<!will )\btry (?!again)|\byou (?:can|could|may|should)\b|"
    r"\bor (?:retry|reduce)\b|\b(?:suggest|recommend)|^\W*(?:reduce|lower|retry|use)\b"
)
_GIVES_UP = re.compile(
    r"(?i)could not (?:\w+ ){0,3}retry|\bretr(?:y|ies) (?:failed|limit|exhausted|exceeded)|"
    r"\bgiv(?:es?|ing|en) up|\b(?:max|maximum|no more|all) (?:retries|attempts)"
)
_LEAVES_OUT = re.compile(
    r"(?i)\bskip|could not predict|failed \(cuda out of memory\) on|\bnet error"
)
_CHAINED = re.compile(
    r"^(?:The above exception was the direct cause|During handling of the above exception)"
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)")
_FRAME = re.compile(r"^\s|^\[bt\]|^frame #|^#\d+ |^\[\d+\] |^=+$|^-+$|^\*+|^\^+$")
_EXCEPTION = re.compile(r"^(?:[a-zA-Z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_ERROR = re.compile(
    r"(?i)(?:^|[\s\]\[(:])(?:fatal|error|panic(?:ked)?|abort(?:ed)?)\b\s*[:!\]]|"
    r"execution halted|segmentation fault|command not found|permission denied|no space left|"
    r"illegal memory access|^exception in thread|^FAILED\b|assertion .*failed"
)
_OTHER_CAUSE = re.compile(
    r"(?i)\bunknown error|unspecified launch failure|illegal memory access|"
    r"invalid (?:device|argument|resource)|no CUDA-capable|driver version|initialization error|"
    r"\bbusy or unavailable|not compiled with|\becc error"
)
# What a failed allocation brings about: the end of processes, files that were never written, and
# the words of whoever started the program.
_AFTERMATH = re.compile(
    r"(?i)\babort(?:ed|ing)?\b|core dumped|segmentation fault|signal|terminate called|mpi_abort|"
    r"mpirun|srun:|prefilter died|FileNotFoundError|no such file or directory|CalledProcessError|"
    r"ChildFailedError|ProcessExitedException|BrokenProcessPool|RayTaskError|RemoteError|"
    r"engine core|enginecore|DataLoader worker|MissingOutputException|RuleException|WorkflowError|"
    r"exiting because|error in rule|output files are missing|cannot open|IndexError: list index|"
    r"UnboundLocalError|NameError: name|'NoneType' object|"
    r"unable to load model|error loading model|DNN library initialization failed|"
    r"non-zero exit status|SystemExit|NCCL"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What ran out, who said so in which line (counted from 0), and whether that is certain.

    left_out: the program went on without what it had no memory for.
    """

    memory: Memory
    by: str
    line: str
    number: int
    sure: bool = True
    left_out: bool = False

    @property
    def is_vram(self) -> bool:
        return self.memory is not Memory.HOST

    @property
    def is_bare_kill(self) -> bool:
        """Whether all that is known is the signal: the kernel sends it for lack of RAM, and people
        and schedulers send it, too.
        """
        return self.by == KILLED


def evidence(texts: Iterable[str], status: int = 1, own: Sequence[str] = ()) -> Evidence | None:
    """How a failed program ran out of memory, by what it wrote; None where nothing says so.

    texts: the ends of its stderr and of its logs. status: its exit status, negative or above 128
    for a signal. own: regular expressions by the user, for this program's VRAM.
    """
    patterns = (*(_by_user(text) for text in own), *PATTERNS, *SENTENCES)
    found = [each for text in texts if (each := _in_text(text, patterns)) is not None]
    if found:
        return max(found, key=lambda each: (each.is_vram, each.sure))
    if status in _KILLED:
        return Evidence(Memory.HOST, KILLED, f"killed (exit status {status})", 0, sure=False)
    return None


def _by_user(text: str) -> Pattern:
    return Pattern(USER, Memory.DEVICE, text, "the bench file")


def _in_text(text: str, patterns: Sequence[Pattern]) -> Evidence | None:
    """The last error of one text, where it is one of memory."""
    reading = _Reading(patterns, speaks_of_gpu=bool(_GPU.search(text)))
    for number, line in enumerate(text.splitlines()):
        reading.read(number, line[:_LONGEST].strip("\x00"))
    return reading.verdict()


def _goes_on(line: str) -> bool:
    """Whether a program says here that it tries again, or otherwise."""
    is_told_off = _GIVES_UP.search(line) or _ADVICE.search(line)
    return bool(_GOES_ON.search(line)) and not is_told_off


class _Reading:
    """One pass over a text, from its beginning to its end."""

    def __init__(self, patterns: Sequence[Pattern], *, speaks_of_gpu: bool) -> None:
        self._patterns = patterns
        self._speaks_of_gpu = speaks_of_gpu
        self._found: Evidence | None = None
        self._since = 0  # lines after it, but for those of stacks
        self._explained = -_NEAR - 1  # the last line that names another cause of a card's failure
        self._recovered = self._went_on = self._chained = self._apart = False

    def read(self, number: int, line: str) -> None:
        if not line.strip():
            return
        if _OTHER_CAUSE.search(line):
            self._explained = number
        found = self._match(number, line)
        if found is not None:
            self._note(found)
        elif self._found is not None:
            self._follow(self._found, line)

    def verdict(self) -> Evidence | None:
        return None if self._recovered and self._went_on else self._found

    def _match(self, number: int, line: str) -> Evidence | None:
        if _HARMLESS.search(line):
            return None
        for each in self._patterns:
            where = each.compiled.search(line)
            if where and (self._speaks_of_gpu or not each.needs_gpu):
                if is_condition(line, *where.span()):
                    return None
                left_out = bool(_LEAVES_OUT.search(line))
                return Evidence(each.memory, each.by, line.strip(), number, each.sure, left_out)
        return None

    def _note(self, found: Evidence) -> None:
        """A word of memory; a vague one soon after a better one, or another cause, adds nothing."""
        before = self._found
        if before is not None and before.sure > found.sure and self._is_near():
            return
        if not found.sure and found.number - self._explained <= _NEAR:
            return
        self._found, self._since = found, 0
        self._recovered = _goes_on(found.line) and not found.left_out
        self._went_on = self._chained = self._apart = False

    def _is_near(self) -> bool:
        return self._since <= _NEAR

    def _follow(self, found: Evidence, line: str) -> None:
        """What the program wrote after it had said so."""
        if _CHAINED.search(line):
            self._chained = True
        elif _TRACEBACK.search(line):
            self._apart = not self._chained
        elif _FRAME.search(line):
            return
        elif _goes_on(line) and self._is_near() and not found.left_out:
            self._recovered = True
        elif _EXCEPTION.search(line) or _ERROR.search(line):
            self._take_error(line)
        elif not _AFTERMATH.search(line):
            self._went_on = True
        self._since += 1

    def _take_error(self, line: str) -> None:
        """Another error: what followed from the first, or one with a cause of its own."""
        follows = self._chained or bool(_AFTERMATH.search(line))
        was_passed = self._recovered or (self._found is not None and self._found.left_out)
        if not follows and (self._apart or was_passed or not self._is_near()):
            self._found = None
        self._chained = self._apart = False

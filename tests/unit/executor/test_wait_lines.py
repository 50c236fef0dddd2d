"""A run in which nothing starts says why, and does not chatter."""

from builders import card

from nvinx.reasons import Reason, Why
from snakemake_executor_plugin_nvinx.wait_lines import FIRST_AFTER_S, WaitLines

HELD = card(total_mib=16_000, foreign_mib=9000)
STRANGER = Reason("big", Why.CARD_USED_BY_OTHERS, 8000, 7000)
BESIDE = Reason("big", Why.CARD_HELD_EXCLUSIVELY, behind=("call",))


def told(*steps):
    """Lines said, by second, of (second, reasons) steps."""
    lines = WaitLines()
    news = [(at, lines.news(reasons, [HELD], at)) for at, reasons in steps]
    return [(at, line) for at, line in news if line is not None]


def test_a_short_wait_is_worth_no_word():
    assert told((0, {"a": STRANGER}), (FIRST_AFTER_S - 1, {"a": STRANGER}), (99, {})) == []


def test_a_long_one_is_told_once_with_who_holds_the_card():
    ((at, line),) = told(*((s, {"a": STRANGER}) for s in range(0, 3600)))
    assert at == FIRST_AFTER_S
    assert line == (
        "nvinx: big waits: programs outside nvinx use 9.44 GB of 16.78 GB of GPU 0 (nvinx status)"
    )


def test_it_is_told_again_when_the_reason_changes_at_growing_intervals():
    reasons = [STRANGER, BESIDE]
    said = told(*((s, {"a": reasons[s % 2]}) for s in range(0, 200)))
    assert [at for at, _ in said] == [10, 21, 42, 83, 164]


def test_many_jobs_get_one_line_together():
    waiting = {str(n): STRANGER for n in range(100)}
    ((_, line),) = told((0, waiting), (20, waiting), (21, waiting))
    assert "big waits (as do 99 more)" in line


def test_who_waits_anew_is_told_anew():
    said = told(
        *((s, {"a": STRANGER}) for s in (0, 10)),
        (11, {}),
        (12, {"b": STRANGER}),
        (22, {"b": STRANGER}),
    )
    assert [at for at, _ in said] == [10, 22]

"""The option that lets jobs ask for others' cards takes a difference of priorities, or off."""

from argparse import ArgumentTypeError

import pytest

from snakemake_executor_plugin_nvinx.settings import margin


@pytest.mark.parametrize(
    ("text", "number"), [("10", 10), (1, 1), ("off", None), (False, None), (None, None)]
)
def test_a_margin_is_a_number_or_off(text, number):
    assert margin(text) == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "high", ""])
def test_anything_else_is_refused_with_the_fix(text):
    with pytest.raises(ArgumentTypeError, match="Fix: write it like 10, or off"):
        margin(text)

"""`nvinx` itself: its help, what it says to a misspelt verb, and what shells complete."""

import os
import shutil
import subprocess
import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from nvinx.cli import main
from nvinx.cli.run_words import option
from nvinx.cli.verbs import SHOWN, TOPICS, VERBS


def test_help_lists_every_verb_by_topic_in_lines_that_are_whole():
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert text.index("Start here:") < text.index("  doctor") < text.index("Run:")
    for verb, line in SHOWN.items():
        assert any(shown.split() == [verb, *line.split()] for shown in text.splitlines()), verb
    assert "..." not in text.partition("Start here")[2]
    assert [topic for topic in TOPICS if f"\n{topic}:\n" not in text] == []


@pytest.mark.parametrize("verb", ["lease", "nextflow"])
def test_help_of_a_group_has_lines_that_are_whole(verb):
    text = CliRunner().invoke(main, [verb, "--help"], terminal_width=80).output
    assert "..." not in text.partition("Commands:")[2]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_module_and_is_shown_unless_it_is_hidden(verb):
    command = import_module(f"nvinx.cli.{verb.replace('-', '_')}").command
    assert command.name == verb
    assert command.hidden is (verb not in SHOWN)


def test_help_loads_no_verb():
    block = "import sys; from nvinx.cli import main; main(['--help'], standalone_mode=False); "
    block += "print([m for m in sys.modules if m in ('nvinx.cli.plan', 'rich', 'psutil')])"
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("asked", "meant"), [("rnu", "run"), ("reprot", "report"), ("statsu", "status")]
)
def test_a_misspelt_verb_is_answered_with_the_right_one(asked, meant):
    done = CliRunner().invoke(main, [asked])
    assert done.exit_code == 2
    assert f"There is no nvinx {asked}. Did you mean nvinx {meant}?" in done.output


def test_a_verb_like_none_is_answered_with_the_list():
    assert "nvinx --help lists all commands." in CliRunner().invoke(main, ["zzzz"]).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_verbs(shell):
    made = CliRunner().invoke(main, ["completion", shell])
    assert made.exit_code == 0
    assert "_NVINX_COMPLETE" in made.output
    words = {"COMP_WORDS": "nvinx st", "COMP_CWORD": "1" if shell != "fish" else "st"}
    done = subprocess.run(
        [sys.executable, "-c", "from nvinx.cli import main; main(prog_name='nvinx')"],
        env={**os.environ, **words, "_NVINX_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "status" in done.stdout
    assert "top" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_are_of_that_shell(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    made = CliRunner().invoke(main, ["completion", shell]).output
    done = subprocess.run([shell, "-n"], input=made, capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("lower vram_mb, or add cpu_fallback=1", "lower --vram, or add --cpu-fallback"),
        ("write it like vram='900MB' or vram='2GiB'", "write it like --vram 900MB or --vram 2GiB"),
        ("vram_mb=900", "--vram 900MB"),
        ("or ram_overflow=1 with mem_mb", "or --ram-overflow with --mem-mb"),
        ("add mem_mb=...", "add --mem-mb N"),
        ("gpu_share='1/3'", "--gpu-share 1/3"),
        ("residency: no such residency", "residency: no such residency"),
        ("max_slowdown='x'", "--max-slowdown x"),
        ("write gpu=2, or gpu='1-3' for", "write --gpus 2, or --gpus 1-3 for"),
        ("write gpu=1, or gpu='1-3' for", "write --gpus 1, or --gpus 1-3 for"),
        ("gpu='1/3' for a third", "--gpu-share 1/3 for a third"),
        ("or gpu=1 for a whole one", "or no size at all for a whole one"),
    ],
)
def test_what_names_a_hint_names_the_option_of_nvinx_run(hint, said):
    assert option(hint) == said

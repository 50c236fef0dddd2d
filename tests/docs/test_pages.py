"""What the pages tell people to type is there: commands, options, files, Python and YAML."""

import re
import shlex
from dataclasses import fields

import click
import yaml
from pages import ROOT, blocks, each_page

from nvinx.bench import parse as bench_parser
from nvinx.cli import main
from snakemake_executor_plugin_nvinx.settings import ExecutorSettings
from snakemake_executor_plugin_nvinx_slurm.settings import OwnSettings

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")
TICKED = re.compile(r"`(nvinx [a-z][^`\n]*)`")


def lines(page):
    """The shell lines of a page, continued ones as one, comments and prompts off."""
    for block in blocks(page, "sh", "bash"):
        for line in block.body.replace("\\\n", " ").splitlines():
            yield line.partition("  #")[0].strip()


def commands(page):
    """The words of every `nvinx ...` on the page, in blocks and in sentences."""
    found = [line for line in lines(page) if re.search(r"\bnvinx [a-z]", line)]
    found += TICKED.findall(page.read_text(encoding="utf-8"))
    for line in found:
        for piece in re.findall(r"(?:^|[\s\"(])(nvinx [^|;)]*)", line):
            yield piece.strip().strip('"')


def demand_known(words):
    """The verb and its options must be there; what comes after `--` is somebody else's."""
    command, context = main, click.Context(main)
    words = words[1:]
    while words and isinstance(command, click.Group):
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, name
    options = {option for each in command.params for option in each.opts + each.secondary_opts}
    for word in words:
        if word == "--":
            return
        if word.startswith("--"):
            assert word.partition("=")[0] in options | {"--help"}, word


@each_page
def test_every_command_of_ours_is_there(page):
    for text in commands(page):
        if "..." not in text and "[" not in text:
            demand_known(shlex.split(text, comments=True))


@each_page
def test_every_option_of_the_executor_is_there(page):
    known = {f"--nvinx-{each.name.replace('_', '-')}" for each in fields(ExecutorSettings)}
    known |= {f"--nvinx-slurm-{each.name.replace('_', '-')}" for each in fields(OwnSettings)}
    known.add("--nvinx-slurm-array-jobs")  # the Slurm plugin's
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"--nvinx-[a-z-]*[a-z]", text)) - {"--nvinx-slurm"} <= known


@each_page
def test_every_link_leads_somewhere(page):
    for target, _anchor in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@each_page
def test_python_can_be_read(page):
    for block in blocks(page, "python"):
        compile(block.body, str(page), "exec")


@each_page
def test_bench_files_are_bench_files(page):
    for block in blocks(page, "yaml"):
        if "hardware:" in block.body:
            bench_parser.parse(block.body, str(page))
        else:
            yaml.safe_load(block.body)


@each_page
def test_make_targets_are_there(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines(page):
        for target in re.findall(r"^make ([a-z-]+)", line):
            assert target in targets


def test_the_readme_is_read_in_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900

"""Snakemake's own report holds the page of the last run."""

import secrets
import subprocess
import sys
import zipfile

import pytest
from recorded import SHARED, Recorder

SNAKEFILE = """
rule a:
    output: report("a.txt", category="texts")
    shell: "echo hi > {output}"
"""


def snakemake(folder, *words):
    command = [sys.executable, "-m", "snakemake", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.fixture
def ran(workflow):
    run = Recorder(workflow)
    run.job("embed[1]", (0, 0, 4), SHARED)
    run.at(4).close()
    return workflow


def test_the_entry_opens_beside_the_results_of_the_workflow(ran, opened):
    done = snakemake(ran, "--reporter", "nvinx")
    assert done.returncode == 0, done.stderr
    opened.goto((ran / "report.html").as_uri())

    opened.get_by_text("texts", exact=True).wait_for()
    opened.get_by_text("What ran where").click()
    opened.locator("a[iconname=eye]").click()
    page = opened.frame_locator("iframe")
    page.get_by_text("1 job in 4.0 s").wait_for()
    page.get_by_text("GPU 0", exact=False).first.wait_for()
    assert opened.complaints == []
    outside = ("file:", "data:", "blob:")
    assert [url for url in opened.requests if not url.startswith(outside)] == []


def test_a_zip_holds_the_page_as_it_is(ran):
    done = snakemake(ran, "--reporter", "nvinx", "--report-nvinx-path", "some.zip")

    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(ran / "some.zip") as held:
        assert b"1 job in 4.0 s" in held.read("some/data/raw/nvinx/nvinx.html")


def test_a_run_that_is_too_large_for_one_file_is_told(workflow):
    run = Recorder(workflow)
    for n in range(8000):
        run.job(secrets.token_hex(60), (n, n, n + 0.5), SHARED)
    run.at(1000).close()
    done = snakemake(workflow, "--reporter", "nvinx")

    assert done.returncode == 0, done.stderr
    assert "--report-nvinx-path report.zip" in done.stderr


def test_without_a_run_it_says_what_to_do(workflow):
    done = snakemake(workflow, "--reporter", "nvinx")

    assert done.returncode == 1
    assert "run snakemake --executor nvinx first" in done.stderr
    assert not (workflow / "report.html").exists()


def test_a_trace_that_is_none_is_told(ran):
    next(ran.glob(".nvinx/trace*")).write_text("{}")
    done = snakemake(ran, "--reporter", "nvinx")

    assert done.returncode == 1
    assert ".nvinx/trace" in done.stderr


def test_without_bokeh_the_report_fails_with_the_fix(ran):
    block = "import sys; sys.modules['bokeh'] = None; from snakemake.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", block, "--reporter", "nvinx"],
        cwd=ran,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "WorkflowError:\nthe page of a run needs bokeh, which is not installed" in done.stderr
    assert "File " not in done.stderr
    assert 'pip install "snakemake-executor-plugin-nvinx[report]"' in done.stderr

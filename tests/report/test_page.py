"""`nvinx report` writes one page that works in a browser, without a network."""

import shutil

import pytest
from click.testing import CliRunner
from recorded import ALONE, SHARED, Recorder

from nvinx.cli import main
from nvinx.experience import Outcome
from nvinx.reasons import Why

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
TEXTS = """() => { const found = [];
  const walk = (node) => { for (const child of node.querySelectorAll("*")) {
    if (child.classList.contains("slick-cell")) found.push(child.textContent);
    if (child.shadowRoot) walk(child.shadowRoot); } };
  walk(document); return found; }"""
HEADER = """(title) => { let found = null;
  const walk = (node) => { for (const child of node.querySelectorAll("*")) {
    if (child.classList.contains("slick-header-column") && child.textContent.trim() === title) found = child;
    if (child.shadowRoot) walk(child.shadowRoot); } };
  walk(document); found.click(); }"""


def report(folder, *words):
    page = folder / "report.html"
    return page, CliRunner().invoke(main, ["report", str(folder), "-o", str(page), *words])


@pytest.fixture
def recorded(tmp_path):
    run = Recorder(tmp_path)
    run.job("embed[<b>1</b>]", (0, 0, 4), SHARED)
    run.job("embed[2]", (0, 1, 5), SHARED, outcome=Outcome.FAILED)
    run.job("whole", (0, 5, 9), ALONE, why=Why.WANTS_CARD_ALONE)
    run.job("cpu", (0, 0, 2))
    run.at(2).sample(cpu=0.5, ram_left_mib=1, cards=[{"id": "gpu-0", "used_mib": 1000}])
    run.at(9).close()
    return tmp_path


@pytest.fixture
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as tool:
        found = tool.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """A page, with what its console complained of and what it asked the network for."""
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.complaints, page.requests = [], []
    page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda asked: page.requests.append(asked.url))
    return page


def test_the_page_has_everything_in_it(recorded):
    page, result = report(recorded)

    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "4 jobs in 9.0 s" in text
    assert "one GPU job at a time: about" in text
    assert "<b>1</b>" not in text
    assert "cdn." not in text.partition("<body>")[0].replace("cdn.bokeh.org/bokeh/release", "")


@needs_browser
def test_it_opens_without_a_complaint_or_a_network(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")

    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len(opened.screenshot()) > 20_000


@needs_browser
def test_the_table_sorts(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function(f"() => ({TEXTS})().length > 0")
    opened.evaluate(HEADER, "waited s")
    opened.evaluate(HEADER, "waited s")
    opened.wait_for_function(f"() => ({TEXTS})()[0] === 'whole'")


@needs_browser
def test_a_job_tells_of_itself_under_the_pointer(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
    spot = opened.evaluate(
        """() => { const view = Object.values(Bokeh.index).map((v) => [...(v.child_views ?? []), v])
             .flat().find((v) => v.frame);
           const box = view.el.getBoundingClientRect(), frame = view.frame;
           const x = frame.x_scale.compute(7), y = frame.y_scale.compute("GPU 0");
           return [box.left + frame.bbox.left + x - frame.bbox.left,
                   box.top + frame.bbox.top + y - frame.bbox.top]; }"""
    )
    opened.mouse.move(*spot)
    opened.wait_for_function(
        """() => { let said = "";
          const walk = (node) => { for (const child of node.querySelectorAll("*")) {
            if (child.shadowRoot) { said += child.shadowRoot.textContent; walk(child.shadowRoot); } } };
          walk(document); return said.includes("wants the card alone, long still there"); }"""
    )


@needs_browser
def test_ten_thousand_jobs_are_shown(tmp_path, opened):
    run = Recorder(tmp_path)
    for n in range(10_000):
        run.job(f"small[{n}]", (n / 10, n / 10, n / 10 + 1), SHARED)
    run.at(1001).close()
    page, result = report(tmp_path)

    assert result.exit_code == 0, result.output
    assert page.stat().st_size < 20e6
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
    assert opened.complaints == []


def test_a_folder_without_a_run_says_so(tmp_path):
    _, result = report(tmp_path)
    assert result.exit_code == 1
    assert "no run is recorded" in result.output


def test_a_page_that_cannot_be_written_says_so(recorded):
    result = CliRunner().invoke(
        main, ["report", str(recorded), "-o", str(recorded / "no" / "page.html")]
    )
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_a_run_that_was_killed_is_shown_as_far_as_it_came(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 0, 1), SHARED)
    run.job("b", (0, 1), SHARED)
    page, result = report(tmp_path)

    assert result.exit_code == 0, result.output
    assert "was killed, or is still going on" in page.read_text()

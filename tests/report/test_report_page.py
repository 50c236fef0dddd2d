"""`nvinx report` writes one page that works in a browser, without a network."""

from click.testing import CliRunner
from recorded import SHARED, Recorder

from nvinx.cli import main

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


def test_the_page_has_everything_in_it(recorded):
    page, result = report(recorded)

    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "4 jobs in 9.0 s" in text
    assert "one GPU job at a time: about" in text
    assert "<b>1</b>" not in text
    assert "cdn." not in text.partition("<body>")[0].replace("cdn.bokeh.org/bokeh/release", "")


def test_it_opens_without_a_complaint_or_a_network(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")

    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len(opened.screenshot()) > 20_000


def test_the_table_sorts(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function(f"() => ({TEXTS})().length > 0")
    opened.evaluate(HEADER, "waited (s)")
    opened.evaluate(HEADER, "waited (s)")
    opened.wait_for_function(f"() => ({TEXTS})()[0] === 'whole'")


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
    assert result.exit_code == 2
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

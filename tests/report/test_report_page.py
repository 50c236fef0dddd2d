"""`nvinx report` writes one page that works in a browser, without a network."""

from builders import card
from click.testing import CliRunner
from msgspec.structs import replace
from recorded import BENCH, SHARED, Recorder

from nvinx.cli import main
from nvinx.reasons import Why
from nvinx.sizes import need_from_mb


def report(folder, *words):
    page = folder / "report.html"
    return page, CliRunner().invoke(main, ["report", str(folder), "-o", str(page), *words])


def test_the_page_has_everything_in_it(recorded):
    page, result = report(recorded)

    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert "4 jobs in 9.0 s" in text
    assert "<b>1</b>" not in text
    assert "cdn." not in text.partition("<body>")[0].replace("cdn.bokeh.org/bokeh/release", "")


def test_it_opens_without_a_complaint_or_a_network(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")

    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len(opened.screenshot()) > 20_000


def test_the_table_sorts_by_pointer_and_by_keyboard(recorded, opened):
    page, _ = report(recorded)
    opened.goto(page.as_uri())
    head = opened.get_by_role("button", name="waited (s)")
    waited = opened.locator(".jobs tbody tr td:nth-child(3)")
    head.click()
    assert waited.all_text_contents() == ["0.0", "0.0", "1.0", "5.0"]
    head.press("Enter")
    assert waited.all_text_contents() == ["5.0", "1.0", "0.0", "0.0"]
    assert opened.locator("th[aria-sort=descending]").text_content() == "waited (s)"


def test_long_reasons_wrap_and_nothing_is_wider_than_a_phone(tmp_path, opened):
    run = Recorder(tmp_path)
    for n in range(30):
        name = f"a_rule_with_quite_a_long_name[{n},sample_of_the_second_batch]"
        run.job(name, (0, n, n + 2), SHARED, why=Why.WANTS_CARD_ALONE)
    run.at(40).close()
    page, _ = report(tmp_path)
    opened.set_viewport_size({"width": 390, "height": 800})
    opened.goto(page.as_uri())
    opened.wait_for_function("() => Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    heads = opened.locator(".jobs th").evaluate_all("all => all.map((th) => th.offsetHeight)")
    assert max(heads) < 90, "a heading is broken into letters"  # it may take three lines
    heights = [box.bounding_box()["height"] for box in opened.locator("tbody tr").all()]
    assert min(heights) > 40  # more than one line


def test_names_on_bars_are_as_long_as_the_bars_and_grow_with_a_zoom(tmp_path, opened):
    run = Recorder(tmp_path)
    run.job("short[of_a_long_name]", (0, 0, 1), SHARED)
    run.job("long", (0, 1, 60), SHARED)
    run.at(60).close()
    page, _ = report(tmp_path)
    opened.goto(page.as_uri())
    texts = """() => { const found = []; for (const view of Object.values(Bokeh.index).flatMap(
      (v) => [v, ...(v.child_views ?? [])])) for (const each of view.model.renderers ?? [])
      if (each.data_source?.data.text) found.push(...each.data_source.data.text);
      return found; }"""
    opened.wait_for_function(f"() => ({texts})().includes('long')")
    assert opened.evaluate(texts) == ["", "long"]
    opened.evaluate(
        "() => { for (const view of Object.values(Bokeh.index).flatMap((v) => [v, "
        "...(v.child_views ?? [])])) if (view.model.x_range) view.model.x_range.end = 2; }"
    )
    opened.wait_for_function(f"() => ({texts})()[0] === 'short[of_a_long_name]'")


def test_a_simulated_card_is_said_above_everything(recorded, tmp_path):
    page, _ = report(recorded)
    assert 'role="note">The card is simulated:' in page.read_text()
    real = tmp_path / "real"
    real.mkdir()
    run = Recorder(real, replace(BENCH, cards=(card(),)))
    run.job("a", (0, 0, 4), SHARED)
    run.at(4).close()
    page, _ = report(real)
    assert "simulated:" not in page.read_text()


def test_it_begins_with_what_was_saved_and_why(recorded):
    page, _ = report(recorded)
    text = page.read_text()
    assert "1 failed" in text
    assert "Replayed without the time between jobs: " in text
    assert "2 shared a card, 1 used a whole card, 1 ran on the CPU; GPU 0 had work" in text
    assert text.index("What to change") < text.index("What ran where")


def test_sizes_stay_as_they_were_stated(tmp_path):
    run = Recorder(tmp_path)
    run.job("a", (0, 0, 4), SHARED, vram_mib=need_from_mb(6000))
    run.job("b", (0, 0, 4), SHARED, vram_mib=need_from_mb(900))
    run.at(4).close()
    page, _ = report(tmp_path)
    text = page.read_text()
    assert ">6000</td>" in text
    assert ">900</td>" in text
    assert "declared (MB)" in text


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
          walk(document); return said.includes("needs the whole card, long still on it"); }"""
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
    assert "was killed, or is still running" in page.read_text()

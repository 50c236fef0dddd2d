"""A recorded run, and a real browser to look at its page."""

import shutil

import pytest
from recorded import ALONE, SHARED, Recorder

from nvinx.jobs.outcome import Outcome
from nvinx.reasons import Why

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


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
    if BROWSER is None:
        pytest.skip("no Chromium is installed here")
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

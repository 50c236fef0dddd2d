"""`make docs`: every page is on the site, each link leads somewhere, and nothing asks a network."""

import re
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, name
from waiting import GIVE_UP_S

FROM_OUTSIDE = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="https?:')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "--keep-going", "-c", "docs", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_every_page_is_on_the_site(site):
    assert [page for page in PAGES if not (site / name(page)).with_suffix(".html").exists()] == []


def test_the_site_needs_no_network(site):
    found = {page.name: FROM_OUTSIDE.findall(page.read_text()) for page in site.rglob("*.html")}
    assert {page: links for page, links in found.items() if links} == {}


def test_the_first_page_leads_to_the_pages(site):
    assert "url=docs/index.html" in (site / "index.html").read_text()
    assert 'href="tutorial.html"' in (site / "docs/index.html").read_text()

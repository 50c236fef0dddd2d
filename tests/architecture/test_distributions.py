"""The distributions, the conda recipe and the citation say the same as pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NAMES_OF_CONDA = {"prometheus-client": "prometheus_client", "snakemake": "snakemake-minimal"}


def project(folder=ROOT):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("name", ["slurm", "report"])
def test_the_names_for_installers_are_in_step(name):
    ours, theirs = project(), project(ROOT / "packages" / name)
    assert theirs["version"] == ours["version"]
    assert theirs["dependencies"] == [f"{ours['name']}[{name}]=={ours['version']}"]
    assert theirs["requires-python"] == ours["requires-python"]
    module = theirs["name"].replace("-", "_")
    assert (ROOT / module / "__init__.py").exists()


def test_the_conda_recipe_is_in_step():
    recipe, ours = yaml.safe_load((ROOT / "conda" / "meta.yaml").read_text()), project()
    assert recipe["package"] == {"name": ours["name"], "version": ours["version"]}
    stated = dict(re.match(r"([\w.-]+)(.*)", each).groups() for each in ours["dependencies"])
    wanted = {f"{NAMES_OF_CONDA.get(name, name)} {bound}" for name, bound in stated.items()}
    assert {*recipe["requirements"]["run"]} == wanted | {f"python {ours['requires-python']}"}
    scripts = {f"{name} = {where}" for name, where in ours["scripts"].items()}
    assert {*recipe["build"]["entry_points"]} == scripts


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == project()["version"]
    assert cited["license"] == project()["license"]


@pytest.mark.parametrize("page", ["docs/intro.md", "docs/further.md"])
def test_the_page_of_the_package_index_has_no_link_into_the_repository(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https?:)", text) == []

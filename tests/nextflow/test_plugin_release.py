"""What is uploaded to Nextflow's registry of plugins."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The folder that is uploaded, and the version."""
    if shutil.which("mvn") is None or shutil.which("jar") is None:
        reason = "the plugin is built by Maven and a JDK: apt-get install maven"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    made = tmp_path_factory.mktemp("release")
    script = ROOT / "nextflow/plugin/build.sh"
    subprocess.run(["bash", script, version, made / "plugin", made / "out"], check=True)
    return made / "out", version


def test_the_archive_holds_the_plugin_and_its_manifest(release):
    folder, version = release
    with zipfile.ZipFile(folder / f"nf-nvinx-{version}.zip") as archive:
        names = archive.namelist()
        manifest = archive.read("classes/META-INF/MANIFEST.MF").decode()
        extensions = archive.read("classes/META-INF/extensions.idx").decode().split()
    assert f"Plugin-Version: {version}" in manifest
    assert "Plugin-Requires: >=24.10.0" in manifest
    for name in extensions:
        assert f"classes/{name.replace('.', '/')}.class" in names


def test_the_entry_of_an_index_fits_the_archive(release):
    folder, version = release
    entry = json.loads((folder / f"nf-nvinx-{version}-meta.json").read_text())
    raw = (folder / f"nf-nvinx-{version}.zip").read_bytes()
    assert entry["sha512sum"] == hashlib.sha512(raw).hexdigest()
    assert (entry["version"], entry["requires"]) == (version, ">=24.10.0")
    assert entry["url"].endswith(f"nf-nvinx-{version}.zip")
    spec = json.loads((folder / f"nf-nvinx-{version}-spec.json").read_text())
    assert spec["definitions"] == []


def test_its_description_has_the_sections_that_the_registry_demands():
    text = (ROOT / "nextflow/plugin/README.md").read_text()
    for section in ("Summary", "Get Started", "Examples", "License"):
        assert f"\n## {section}\n" in text
    assert "```" in text.partition("## Examples")[2]

#!/usr/bin/env bash
# What the campaign needs besides a driver, in one of two ways; both need uv (pip install uv).
#
#   setup.sh VENV                  an environment with torch and all the rest
#   setup.sh --pack FILE PYTHON    for a machine without network that has torch and transformers for
#                                  this version of Python: a .tar.gz with the rest, 30 MB or so
#
# There: mkdir site && tar -xzf FILE -C site && export PYTHONPATH=$PWD/site
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
platform=x86_64-manylinux_2_28
# What such machines have anyway, and what weighs most.
theirs='numpy|scipy|matplotlib|pillow|fonttools|contourpy|kiwisolver'

if [ "${1:?a folder for the environment, or --pack FILE PYTHON}" != --pack ]; then
  uv venv --quiet --clear "$1"
  uv pip install --quiet --python "$1/bin/python" --editable "$here[calibrate,examples,hf,report,suspend]" \
    ${EVIDENCE_EXTRAS:-}
  exit
fi

file=$(realpath "$2") python=$3
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
uv pip compile --quiet --no-annotate --no-header --extra calibrate --extra examples --extra report --extra suspend --python-version "$python" \
  --python-platform "$platform" "$here/pyproject.toml" | grep -vE "^($theirs)==" >"$made/wanted"
uv pip install --quiet --target "$made/site" --no-deps --python-version "$python" \
  --python-platform "$platform" --requirement "$made/wanted" "$here"
tar -czf "$file" -C "$made/site" --exclude='__pycache__' .

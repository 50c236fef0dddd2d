"""Programs written for nvinx 0.3 find what they import where they look for it."""

import importlib
import subprocess
import sys

import pytest

from nvinx import calibration

PATHS = {
    "fit": ("CalibrationResult", "apply_thetas", "fit_thetas", "fit_v5", "lopo_cross_validate"),
    "hardware": ("sweep_hardware",),
    "profile": ("ProfileTarget", "profile_model"),
    "result": ("CalibrationResult",),
    "runner": ("run_calibration",),
    "validate": ("validate_pair",),
}


@pytest.mark.parametrize("module", PATHS)
def test_a_path_of_0_3_gives_the_very_objects_of_nvinx_calibration(module):
    found = importlib.import_module(f"nvinx.calibration.{module}")
    assert sorted(found.__all__) == sorted(PATHS[module])
    assert all(getattr(found, name) is getattr(calibration, name) for name in PATHS[module])


def test_the_paths_of_0_3_import_no_arithmetic():
    modules = ", ".join(f"nvinx.calibration.{module}" for module in PATHS)
    heavy = ("numpy", "scipy", "torch")
    code = f"import {modules}, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

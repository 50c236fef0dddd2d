"""Caps PyTorch in jobs of nvinx: Python runs this at its start, as PYTHONPATH names this folder.

It may run in any Python, so it needs nothing but the standard library, and it never fails: a job
without a cap is better than none.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys

_KEY = "per_process_memory_fraction"
_KNOWS_KEY = (2, 10)  # older ones refuse to start on a key that they do not know


class CapTorch(importlib.abc.MetaPathFinder):
    """Waits for `import torch`, and lets it know its share."""

    def __init__(self, fraction):
        self.fraction = fraction

    def find_spec(self, name, *_):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is not None and spec.origin is not None:
            with contextlib.suppress(Exception):
                self.cap(spec)
        return spec

    def cap(self, spec):
        if _version(os.path.dirname(spec.origin)) >= _KNOWS_KEY:
            _by_environment(self.fraction)
        else:
            _after_import(spec.loader, self.fraction)


def _version(folder):
    with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
        found = re.search(r"__version__\s*=\s*['\"](\d+)\.(\d+)", file.read())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _by_environment(fraction):
    name = "PYTORCH_ALLOC_CONF" if "PYTORCH_ALLOC_CONF" in os.environ else "PYTORCH_CUDA_ALLOC_CONF"
    set_already = os.environ.get(name, "")
    if _KEY not in set_already:
        wanted = f"{_KEY}:{fraction}"
        os.environ[name] = f"{set_already},{wanted}" if set_already else wanted


def _after_import(loader, fraction):
    """Queue the call that takes effect when CUDA starts; it starts nothing itself."""
    exec_module = loader.exec_module

    def and_cap(module):
        exec_module(module)
        with contextlib.suppress(Exception):
            cuda = module.cuda
            cuda._lazy_call(lambda: cuda.set_per_process_memory_fraction(float(fraction)))

    loader.exec_module = and_cap


def _run_the_one_it_hides():
    """A sitecustomize that stands further down the path is run as if we were not there."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("NVINX_VRAM_FRACTION"):
    sys.meta_path.insert(0, CapTorch(os.environ["NVINX_VRAM_FRACTION"]))
_run_the_one_it_hides()

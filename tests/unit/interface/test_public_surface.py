"""`import beholder` costs nothing, offers what it says, and every example in its docstrings runs."""

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import beholder as bh

FOLDER = Path(bh.__file__).parent / "interface"
HEAVY = ("numpy", "pandas", "pyarrow", "torch", "ray", "sklearn", "open_clip", "PIL", "hydra", "sqlalchemy")
PUBLIC = [name for name in bh.__all__ if name != "__version__"]


def run(code: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return ran.stdout.split()


def test_importing_it_imports_nothing_heavy():
    assert set(HEAVY).isdisjoint(run("import sys, beholder\nprint(*sys.modules)"))


def test_importing_it_takes_less_than_a_third_of_a_second():
    code = "import time\nbegan = time.process_time()\nimport beholder\nprint(time.process_time() - began)"
    assert min(float(run(code)[0]) for _ in range(3)) < 0.3


def test_a_taste_is_fitted_without_ray_and_without_torch_being_asked_for_ray():
    code = """
import sys
import numpy as np
import beholder as bh
rows = [dict(user_id="a", image_id=i, score=float(i)) for i in range(20)]
bh.fit(rows, embeddings=np.random.default_rng(0).normal(size=(20, 3))).predict("a")
print(*sys.modules)
"""
    assert {"ray", "sklearn"}.isdisjoint(run(code))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there_documented_and_typed(name):
    value = getattr(bh, name)
    assert name in dir(bh)
    if name == "quality":  # a package that can be called
        value = value.function
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        assert "return" in value.__annotations__
        assert ">>>" in str(value.__doc__), f"bh.{name} has no example"


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert bh.__version__ == version("beholder")


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'beholder' has no attribute 'fitt'; did you mean fit"):
        bh.fitt  # noqa: B018


def test_errors_are_those_of_python_as_well():
    assert issubclass(bh.InputError, ValueError)
    assert issubclass(bh.InputError, bh.BeholderError)


@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("[a-z]*.py")))
def test_the_examples_in_docstrings_run(module):
    results = doctest.testmod(importlib.import_module(f"beholder.interface.{module}"))
    assert results.failed == 0

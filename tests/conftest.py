"""What holds for all tests that are spread over several processes: a Ray and cores of their own."""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Have each process compute on one core, and keep its Rays to itself: a command without an address joins one that it finds."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is a process for each core; threads would wait for each other's
        folder = tempfile.mkdtemp(prefix="rays-")  # not pytest's folder: the path of a socket in it has to be short
        os.environ["RAY_TMPDIR"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))

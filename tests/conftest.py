"""What holds for all tests that are spread over several processes: each has Rays of its own."""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Have each process keep its Rays to itself: a command that is given no address joins one that it finds."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("RAY_worker_niceness", "0")  # by default they let all others go first
        folder = tempfile.mkdtemp(prefix="rays-")  # not pytest's folder: the path of a socket in it has to be short
        os.environ["RAY_TMPDIR"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))

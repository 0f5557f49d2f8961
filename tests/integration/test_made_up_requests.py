"""Requests made up from the API's own description, sensible and not: nothing breaks it, and every answer is one that it describes.

BEHOLDER_FUZZ_SECONDS: how long, 20 by default.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("BEHOLDER_FUZZ_SECONDS", "20"))
SMALL = [
    "components.candidates.count=60",
    "components.ranking.exact=3",
    "image_library.refinement.steps=0",
    "keys.per_minute=1000000",
]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service in one process."""
    workspace = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "beholder", "serve", "local=true", f"workspace={workspace}", f"port={port}", *SMALL]
    with (workspace / "said.txt").open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=workspace)
    try:
        until = time.monotonic() + 180
        while not _answers(f"http://127.0.0.1:{port}/readyz"):
            assert process.poll() is None, (workspace / "said.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
        assert _answers(f"http://127.0.0.1:{port}/readyz")  # after all that
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.timeout(SECONDS + 400)
def test_nothing_made_up_breaks_it(address: str, tmp_path: Path):
    words = ["--max-time", str(SECONDS), "--checks", ",".join(CHECKS), "--seed", "7", "--no-shrink", "--warnings", "off"]
    words += ["--suppress-health-check", "all", "--request-timeout", "60", "--no-color"]
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/openapi.json", *words]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=SECONDS + 300)
    print(ran.stdout[-1500:])
    assert ran.returncode == 0, ran.stdout[-12000:] + ran.stderr[-2000:]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False

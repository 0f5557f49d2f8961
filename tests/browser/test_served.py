"""The page on the service itself: a visit with a restart in its middle, to a recommendation that follows from the choices."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect
from support.page_visitor import Visitor


class Service:
    """`beholder serve local=true` in a process of its own."""

    def __init__(self, workspace, log):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [sys.executable, "-m", "beholder", "serve", "local=true", f"port={self.port}", f"workspace={workspace}"]
        self.url, self.log = f"http://127.0.0.1:{self.port}/", log
        self.process: subprocess.Popen | None = None

    def start(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for _ in range(900):
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urlopen(f"{self.url}readyz") as answer:
                    return answer.read()
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"not ready after 90 s: {self.log.read_text()}")

    def stop(self):
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def get(self, path):
        with urlopen(self.url + path) as answer:
            return json.load(answer)


@pytest.fixture
def service(tmp_path: Path):
    service = Service(tmp_path / "workspace", tmp_path / "log")
    service.start()
    yield service
    service.stop()


def test_visit_of_the_service_with_a_restart(come: Callable[..., Visitor], service):
    visitor = come(service.url)
    page = visitor.page
    page.locator("#who").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_role("button", name="Keep").click()
    person = page.evaluate("() => localStorage.getItem('beholder.person')")
    visitor.choose_portrait(6)
    visitor.press("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp")
    visitor.until_sent()
    visitor.until_next_is_there()
    service.stop()
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_contain_text("1 choice is kept here")
    service.start()
    page.get_by_role("button", name="Try now").click()
    visitor.until_sent()
    expect(visitor.notice).to_be_hidden()
    assert service.get(f"v1/users/{person}")["rounds"] == 3
    visitor.press(*["ArrowLeft"] * 5)
    expect(visitor.progress).to_have_text("8 choices")
    page.locator("#see").click()
    expect(page.locator("#runners img[src]").first).to_be_visible()
    expect(page.locator("#edited[src]")).to_be_visible()
    assert service.get(f"v1/users/{person}")["rounds"] == 8
    page.locator("#who").click()
    page.get_by_role("button", name="Forget me").click()
    page.locator("#forget-now").click()
    expect(page.locator("#receipt-list")).to_contain_text("8 choices that you made")
    expect(page.locator("#receipt-list")).not_to_contain_text(person)
    assert service.get(f"v1/users/{person}")["rounds"] == 0

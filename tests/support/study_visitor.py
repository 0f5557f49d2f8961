"""Somebody who takes part in a study in a browser, by touch or by keys; and what axe has against what they see."""

import importlib.resources
from typing import Any

from playwright.sync_api import Page, expect

AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
ECHO = 220  # milliseconds: a second press sooner than this is taken for the first one's echo


def axe_findings(page: Page) -> list[str]:
    """What axe has against a page: rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())  # as a debugger does it, in which the page's policy has no say
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


class Participant:
    def __init__(self, page: Page, url: str) -> None:
        self.page, self.errors = page, list[str]()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.hear(message.type, message.text))
        page.goto(url)

    def hear(self, kind: str, text: str) -> None:
        """A server that is away is part of the play; Chromium tells of it as an error of the network."""
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.errors.append(text)

    @property
    def step(self) -> str:
        """The sheet that is open."""
        return str(self.page.evaluate("document.querySelector('main > section:not([hidden])')?.id ?? ''"))

    def until(self, *steps: str) -> str:
        """Wait until one of these sheets is open; returns which."""
        for _ in range(2000):
            if (step := self.step) in steps:
                return step
            self.page.wait_for_timeout(30)
        raise AssertionError(f"{steps} never came, but {self.step}: {self.page.inner_text('main')[:300]}")

    def agree(self) -> None:
        self.until("consent")
        self.page.locator("#agree").click()

    @property
    def can_answer(self) -> bool:
        """Whether a trial is on show that takes an answer."""
        takes = "#trial:not([hidden]) :is(.button, .work):enabled"
        return bool(self.page.evaluate(f"document.querySelector('{takes}') !== null"))

    def wait_for_trial(self) -> str:
        """Wait until a trial takes an answer, or the trials are over; returns the sheet that is open."""
        for _ in range(2000):
            step = self.step
            if step not in ("trial", "") or self.can_answer:
                break
            self.page.wait_for_timeout(20)
        if step == "trial":
            self.page.wait_for_timeout(ECHO)
        return step

    @property
    def asked(self) -> str:
        return self.page.inner_text("#question")

    @property
    def is_pair(self) -> bool:
        return self.page.locator("#pair").is_visible()

    def wanted(self) -> str | None:
        """What an attention check asks for: a point of the scale, A or B."""
        return self.asked.rstrip(".").split()[-1] if "reading" in self.asked else None

    def press(self, rating: str = "3", pair: str = "ArrowLeft") -> None:
        """Answer by a key, an attention check as it asks."""
        wanted = self.wanted()
        key = {"A": "ArrowLeft", "B": "ArrowRight", None: pair if not self.page.locator("#scale").is_visible() else rating}
        self.page.keyboard.press(key.get(wanted, wanted or ""))

    def tap(self, number: int = 2) -> None:
        """Answer by touch."""
        wanted = self.wanted()
        if self.is_pair:
            self.page.locator({"A": "#left", "B": "#right"}.get(wanted or "", "#left")).tap()
        else:
            self.page.locator("#scale button").filter(has_text=wanted or str(number)).first.tap()

    @property
    def link(self) -> str:
        return str(self.page.url)

    def unsent(self) -> list[dict[str, Any]]:
        kept = "JSON.parse(localStorage.getItem('beholder.study.faces') ?? '{}').outbox ?? []"
        return list(self.page.evaluate(kept))

    def until_sent(self) -> None:
        for _ in range(1000):
            if not self.unsent():
                return
            self.page.wait_for_timeout(30)
        raise AssertionError("never sent")

    def forget_me(self) -> None:
        self.page.locator("#withdraw").click()
        self.page.locator("#withdraw-now").click()
        expect(self.page.locator("#message-title")).to_have_text("Your answers are deleted.")

"""A visitor: what somebody does on the page, and what went wrong in their browser."""

from typing import Any

from playwright.sync_api import FloatRect, Locator, Page, expect

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
ECHO = 260  # milliseconds: a second click sooner than this is taken for the first one's echo


def box(element: Locator) -> FloatRect:
    """Where an element that is on show lies, in pixels of the page."""
    found = element.bounding_box()
    assert found is not None
    return found


class Visitor:
    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.hear(message.type, message.text))
        page.goto(url)

    def hear(self, kind: str, text: str) -> None:
        """A server that is away or refuses is part of the play; Chromium tells of it as an error of the network."""
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.errors.append(text)

    def choose_portrait(self, place: int = 6) -> None:
        self.page.locator("#portraits button").nth(place).click()
        self.wait_for_question()

    def wait_for_question(self) -> None:
        expect(self.page.locator("#left")).to_be_enabled()
        self.page.wait_for_timeout(ECHO)

    def choose(self, side: str) -> None:
        """Click A (left), B (right) or Neither once a question hangs."""
        self.wait_for_question()
        self.page.locator(f"#{side}").click()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.wait_for_question()
            self.page.keyboard.press(key)

    @property
    def shown(self) -> str:
        """The two pictures on show, in words."""
        return self.page.evaluate("['left', 'right'].map((side) => document.querySelector(`#${side} img`).alt).join(' | ')")

    @property
    def focused(self) -> str:
        return self.page.evaluate("document.activeElement.id")

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notice-text")

    @property
    def progress(self) -> Locator:
        return self.page.locator("#progress")

    def try_now(self) -> None:
        """Press `Try now`, which a page that came back by itself a moment ago has no more."""
        self.page.evaluate("document.getElementById('notice-again').click()")

    def unsent(self) -> list[dict[str, object]]:
        return self.page.evaluate("JSON.parse(localStorage.getItem('beholder.outbox') ?? '[]')")

    def until(self, condition: str) -> None:
        """Wait for a condition in JavaScript; Playwright's own wait needs a policy that allows eval."""
        for _ in range(800):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came: {condition}")

    def until_sent(self) -> None:
        self.until("localStorage.getItem('beholder.outbox') === '[]'")

    def until_next_is_there(self) -> None:
        self.until("JSON.parse(localStorage.getItem('beholder.open')).questions.length >= 2")

    def until_some_are_spare(self) -> None:
        """Wait until there are pairs for a while without the server, which begins with the first choice."""
        self.until("JSON.parse(localStorage.getItem('beholder.open')).spare.length >= 3")

    def tab_to(self, selector: str, most: int = 60) -> None:
        """Press Tab until the focus is there."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab never came to {selector}")

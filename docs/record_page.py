"""Record docs/page.webp, an animated picture of the page: a portrait chosen, five questions answered, an edit recommended.

    beholder serve local=true workspace=/tmp/recorded
    python docs/record_page.py http://127.0.0.1:8000/

Every frame is the page as Chromium shows it; the pointer is drawn on top, since screenshots have none.
"""

import io
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, sync_playwright

PICTURE = Path(__file__).with_name("page.webp")
VIEW = {"width": 1152, "height": 700}  # pixels of the page
WIDTH = 864  # pixels of the picture
LIMIT = 1_500_000  # bytes
# What the visitor likes, by words of the pictures' descriptions.
LIKED = {"more of a smile": 2, "less of a smile": -2, "earrings": 2, "no earrings": -4, "a hat": 1.5, "older": -1, "beard": -1}
_STEP_MS, _STEPS = 60, 7  # of a move of the pointer


@dataclass
class Recording:
    """Frames with the milliseconds that each is shown, and where the pointer is."""

    page: Page
    at: tuple[float, float] = (VIEW["width"] * 0.6, VIEW["height"] * 0.92)
    frames: list[tuple[Image.Image, int]] = field(default_factory=list)

    def look(self, milliseconds: int) -> None:
        """Show the page as it is for so long."""
        self.frames.append((self._with_pointer(self._view(), self.at), milliseconds))

    def move_to(self, element: Locator, *, x: float = 0.5, y: float = 0.5) -> None:
        """Move the pointer to a place of an element, in shares of its size, over the page as it is."""
        box = element.bounding_box()
        assert box is not None
        view, start = self._view(), self.at
        self.at = (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        for step in range(1, _STEPS + 1):
            share = step / _STEPS
            share = share * share * (3 - 2 * share)
            place = (start[0] + (self.at[0] - start[0]) * share, start[1] + (self.at[1] - start[1]) * share)
            self.frames.append((self._with_pointer(view, place), _STEP_MS))
        self.page.mouse.move(*self.at)
        self.page.wait_for_timeout(250)

    def click(self) -> None:
        """Click where the pointer is."""
        self.frames.append((self._with_pointer(self._view(), self.at, pressed=True), 160))
        self.page.mouse.click(*self.at)

    def save(self, path: Path) -> None:
        """Write the animation; alike frames one after the other become one."""
        merged: list[tuple[Image.Image, int]] = []
        for image, shown in self.frames:
            if merged and merged[-1][0].tobytes() == image.tobytes():
                merged[-1] = (image, merged[-1][1] + shown)
            else:
                merged.append((image, shown))
        pictures, durations = [each for each, _ in merged], [shown for _, shown in merged]
        for quality in (82, 74, 66, 58, 50):
            pictures[0].save(
                path,
                save_all=True,
                append_images=pictures[1:],
                duration=durations,
                loop=0,
                quality=quality,
                method=4,
                minimize_size=True,
            )
            if path.stat().st_size < LIMIT:
                break
        print(f"{path}: {len(pictures)} frames, {sum(durations) / 1000:.1f} s, {path.stat().st_size:,} bytes")

    def _view(self) -> Image.Image:
        whole = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        return whole.resize((WIDTH, round(whole.height * WIDTH / whole.width)), Image.Resampling.LANCZOS)

    @staticmethod
    def _with_pointer(view: Image.Image, place: tuple[float, float], *, pressed: bool = False) -> Image.Image:
        scale, drawn = WIDTH / VIEW["width"], view.copy()
        x, y = place[0] * scale, place[1] * scale
        pen = ImageDraw.Draw(drawn)
        if pressed:
            pen.ellipse((x - 14, y - 14, x + 14, y + 14), outline=(194, 39, 45), width=3)
        shape = [(0, 0), (0, 17), (4, 13.5), (7, 20), (9.6, 18.8), (6.8, 12.6), (12, 12.2)]
        pen.polygon([(x + dx, y + dy) for dx, dy in shape], fill=(28, 29, 31), outline=(255, 255, 255))
        return drawn


def choose(recording: Recording) -> None:
    """Answer the question on show, by what the visitor likes."""
    page = recording.page
    words = [page.locator(f"#{side} img").get_attribute("alt") or "" for side in ("left", "right")]
    left, right = (sum(points for what, points in LIKED.items() if what in side) for side in words)
    recording.look(450)
    recording.move_to(page.locator("#left" if left >= right else "#right"), y=0.6)
    recording.look(200)
    recording.click()
    page.wait_for_timeout(150)
    recording.look(120)


def wait_for_question(page: Page) -> None:
    """Wait until both pictures can be chosen."""
    page.locator("#left:not([disabled]) img[src]").wait_for()
    page.locator("#right:not([disabled]) img[src]").wait_for()
    page.wait_for_timeout(500)


def main(address: str) -> None:
    """Visit the page and write the picture."""
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW)
        page.goto(address)
        page.locator("#portraits img").nth(11).wait_for()
        page.wait_for_timeout(1500)
        recording = Recording(page)
        recording.look(1000)
        recording.move_to(page.locator("#portraits button").nth(1))
        recording.click()
        for _ in range(5):
            wait_for_question(page)
            choose(recording)
        see = page.locator("#see")
        see.wait_for()
        wait_for_question(page)
        recording.look(500)
        recording.move_to(see)
        recording.click()
        page.locator("#edited[src]").wait_for()
        page.wait_for_timeout(2500)
        recording.at = (VIEW["width"] * 0.5, VIEW["height"] * 0.95)
        recording.look(2200)
        slider = page.locator("#sliders input[type=range]").first
        if slider.count():
            slider.scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            for share in (0.75, 0.95):
                recording.move_to(slider, x=share)
                recording.click()
                page.wait_for_timeout(1200)
                recording.look(500)
            recording.look(1600)
        recording.save(PICTURE)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/")

"""`beholder ask`: A/B rounds in the terminal, two edits of an image at a time, and then the edit that you will like most."""

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from beholder import images, terminal
from beholder.commands import _look_photos, recommend
from beholder.commands._person_image import PersonImageSettings, image_id_of
from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.recommending import acquisition
from beholder.recommending.components import InProcessService
from beholder.recommending.store.question import Question
from beholder.runs import Run

_ANSWERS = {
    **dict.fromkeys(("a", "l", "left"), "left"),
    **dict.fromkeys(("b", "r", "right"), "right"),
    **dict.fromkeys(("n", "neither"), "neither"),
}
_GAP = 8  # pixels between two pictures
_WIDEST = 2400  # pixels of both together


@dataclass(frozen=True)
class AskSettings(PersonImageSettings):
    common: ClassVar[tuple[str, ...]] = (
        "user",
        "image",
        "seed",
        "editor",
        "rounds",
        "attribute",
        "allow",
        "forbid",
        "strategy",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder ask user=anna seed=7",
        "beholder ask user=anna image=me.jpg rounds=10 attribute=trustworthy",
        "beholder ask user=anna editor=looks image=holiday forbid=[vignette]",
        "beholder ask user=anna editor=diffusion image=house.jpg diffusion.model=./instruct-pix2pix",
    )
    rounds: int = setting(5, "questions before the recommendation")
    strategy: str | None = setting(
        None, f"acquisition function of the questions: {', '.join(acquisition.STRATEGIES)}; null: service.strategy"
    )
    random_seed: int | None = setting(None, "of the questions; null: different ones each time")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}")
        if self.strategy is not None and self.strategy not in acquisition.STRATEGIES:
            raise ConfigError(f"strategy={self.strategy} is none{nearest(self.strategy, list(acquisition.STRATEGIES))}")


def main(settings: AskSettings, run: Run) -> None:
    service = settings.build()
    looks = settings.editor == "looks"
    photos = _look_photos.named_photos(settings, service) if looks else {}
    image_ids = list(photos) or [image_id_of(settings, service)]
    better = "is better" if settings.attribute is None else f"is more {settings.attribute}"
    print(f"Which one {better}? a left, b right, n neither, u take the last answer back, q enough.")
    answered = AskSession(service, settings, image_ids, run).play()
    print()
    if answered < settings.rounds:
        print(f"{answered} of {settings.rounds} questions answered; they are kept, and the same command goes on from them.")
    if answered and looks:
        _look_photos.show(service, photos, settings.user, run)
    elif answered:
        steering, attribute = settings.steering, settings.attribute or ""
        recommend.show(service, image_ids[0], settings.user, run, out=None, steering=steering, attribute=attribute)


class AskSession:
    """A person's questions about some images in turn, asked and answered through the recommendation service."""

    def __init__(self, service: InProcessService, settings: AskSettings, image_ids: str | Sequence[str], run: Run) -> None:
        self.service, self.settings, self.run = service, settings, run
        self.image_ids = [image_ids] if isinstance(image_ids, str) else list(image_ids)
        self.answered: list[Question] = []
        self.rng = np.random.default_rng(settings.random_seed)

    def play(self, read: Callable[[str], str | None] | None = None) -> int:
        """Ask until there are answers enough or the person has; returns how many. read: prompt -> a line, None at the end."""
        read = read or _line
        recommendations = self.service.recommendations
        pending: list[Question] = []  # asked, and shown again after a later answer was taken back
        while len(self.answered) < self.settings.rounds:
            question = pending.pop() if pending else self.next()
            left, right = self.service.pictures(question.image_id, [question.left, question.right])
            self.show(left, right)
            began = time.monotonic()
            choice = self.read_answer(read)
            if choice == "quit":
                break
            if choice == "undo":
                pending += [question, self.answered.pop()]
                recommendations.retract(pending[-1].question_id)
                print("Taken back.")
                continue
            recommendations.answer(uuid.uuid4().hex, question.question_id, choice, round(time.monotonic() - began, 3))
            self.answered.append(question)
        return len(self.answered)

    def next(self) -> Question:
        """Return what to ask now, kept in the store."""
        seed = int(self.rng.integers(2**31))
        settings = self.settings
        asked = self.service.recommendations.question(
            settings.user,
            self.image_ids[len(self.answered) % len(self.image_ids)],
            settings.strategy,
            attribute=settings.attribute or "",
            steering=settings.steering,
            seed=seed,
        )
        return asked.question

    def show(self, left: np.ndarray, right: np.ndarray) -> None:
        """Show both pictures side by side: in the terminal where it can, and as a file."""
        gap = np.full((len(left), _GAP, 3), 255, np.uint8)
        both = np.concatenate([left, gap, right], axis=1)
        place = self.run.place / f"question-{len(self.answered) + 1}.png"
        both = images.shrink(both, _WIDEST)
        place.write_bytes(images.encode(both))
        inline = terminal.inline(both, os.environ) if sys.stdout.isatty() else None
        print(inline if inline is not None else f"\n{place.uri}")

    def read_answer(self, read: Callable[[str], str | None]) -> str:
        """Return left, right, neither, undo or quit; asked again until it is one of them."""
        while True:
            line = read(f"{len(self.answered) + 1}/{self.settings.rounds} a, b, neither? ")
            word = "q" if line is None else line.strip().lower()
            if word in _ANSWERS:
                return _ANSWERS[word]
            if word in ("q", "quit"):
                return "quit"
            if word in ("u", "undo"):
                if self.answered:
                    return "undo"
                print("There is nothing to take back yet.")
            else:
                print(f"{word!r} is none of a, b, n, u, q.")


def _line(prompt: str) -> str | None:
    """Return a line from the terminal or a pipe; None at its end."""
    with contextlib.suppress(EOFError):
        return input(prompt)
    return None

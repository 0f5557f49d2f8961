"""`beholder ask`: A/B rounds in the terminal, two edits of an image at a time, and then the edit that you will like most."""

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from beholder import images, terminal
from beholder.commands import recommend
from beholder.commands._recommending import CHOICES, LocalComponents, PhotoSettings, check_face
from beholder.config import required, setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, nearest
from beholder.recommending import acquisition
from beholder.recommending.components import Components
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.runs import Run

_WORDS = {"l": "left", "left": "left", "r": "right", "right": "right", "n": "neither", "neither": "neither"}
_GAP = 8  # pixels between two pictures


@dataclass(frozen=True)
class AskSettings:
    user: str = required("who answers")
    image: str | None = setting(None, "a photo of a face, a file or URI")
    seed: int | None = setting(None, "instead of a photo: a picture that the generator makes")
    rounds: int = setting(5, "questions before the recommendation")
    strategy: str = setting("eubo", f"what chooses the next question: {', '.join(acquisition.STRATEGIES)}")
    parts: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    photo: PhotoSettings = setting(PhotoSettings(), "how a photo becomes a face to be edited")
    choices: str | None = setting(None, CHOICES)
    random_seed: int | None = setting(None, "of the questions; null: different ones each time")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        check_face(self.image, self.seed)
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}")
        if self.strategy not in acquisition.STRATEGIES:
            raise ConfigError(f"strategy={self.strategy} is none{nearest(self.strategy, list(acquisition.STRATEGIES))}")


def main(settings: AskSettings, run: Run) -> None:
    desk = LocalComponents(settings.parts, settings.encoder, settings.workspace, settings.choices)
    image_id = desk.face(settings.image, settings.seed, settings.photo, user_id=settings.user)
    print("Which one is better? l left, r right, n neither, u take the last answer back, q enough.")
    done = AskSession(desk, settings, image_id, run).play()
    print()
    if done < settings.rounds:
        print(f"{done} of {settings.rounds} questions answered; they are kept, and the same command goes on from them.")
    if done:
        recommend.show(desk, image_id, settings.user, run, out=None)


class AskSession:
    """A person's questions about one image, one after another."""

    def __init__(self, desk: LocalComponents, settings: AskSettings, image_id: str, run: Run):
        self.desk, self.settings, self.image_id, self.run = desk, settings, image_id, run
        self.view, self.ranker = desk.look(image_id), desk.ranker(image_id)
        self.asked: list[Question] = []
        self.dice = np.random.default_rng(settings.random_seed)

    def play(self, read: Callable[[str], str | None] | None = None) -> int:
        """Ask until there are answers enough or the person has; how many there are. read: prompt -> a line, None at the end."""
        read = read or _line
        while len(self.asked) < self.settings.rounds:
            question = self.next()
            left, right = self.desk.studio.draw(self.view, [question.left, question.right])
            self.show(left, right)
            began = time.monotonic()
            choice = self.hear(read)
            if choice == "quit":
                break
            if choice == "undo":
                self.undo()
                continue
            answer = Answer(uuid.uuid4().hex, question.question_id, choice, datetime.now(UTC), round(time.monotonic() - began, 3))
            self.desk.store.ask(question)
            self.desk.store.answer(answer)
            self.ranker.tell(self.desk.studio.event(Choice(question, answer, 0), self.view))
            self.asked.append(question)
        return len(self.asked)

    def next(self) -> Question:
        """What to ask now."""
        options = self.view.options
        seed = int(self.dice.integers(2**31))
        pair = acquisition.ask(self.settings.strategy, self.ranker, self.settings.user, options, options.base, seed=seed)
        edits = [self.desk.studio.candidates.edit(row) for row in (pair.left, pair.right)]
        return Question(
            question_id=uuid.uuid4().hex,
            user_id=self.settings.user,
            image_id=self.image_id,
            left=edits[0],
            right=edits[1],
            strategy=self.settings.strategy,
            asked_at=datetime.now(UTC),
            probability=pair.probability,
            model=f"bayes {self.settings.parts.taste or ''}".strip(),
        )

    def show(self, left: np.ndarray, right: np.ndarray) -> None:
        """Both pictures side by side: in the terminal where it can, and as a file."""
        gap = np.full((len(left), _GAP, 3), 255, np.uint8)
        both = np.concatenate([left, gap, right], axis=1)
        place = self.run.place / f"question-{len(self.asked) + 1}.png"
        place.write_bytes(images.encode(both))
        inline = terminal.inline(both, os.environ) if sys.stdout.isatty() else None
        print(inline if inline is not None else f"\n{place.uri}")

    def hear(self, read: Callable[[str], str | None]) -> str:
        """left, right, neither, undo or quit; asked again until it is one of them."""
        while True:
            line = read(f"{len(self.asked) + 1}/{self.settings.rounds} left, right, neither? ")
            word = "q" if line is None else line.strip().lower()
            if word in _WORDS:
                return _WORDS[word]
            if word in ("q", "quit"):
                return "quit"
            if word in ("u", "undo"):
                if self.asked:
                    return "undo"
                print("There is nothing to take back yet.")
            else:
                print(f"{word!r} is none of l, r, n, u, q.")

    def undo(self) -> None:
        """Take the last answer back, and unlearn it."""
        question = self.asked.pop()
        self.desk.store.undo(question.question_id)
        self.ranker = self.desk.ranker(self.image_id)
        print("Taken back.")


def _line(prompt: str) -> str | None:
    """A line from the terminal or a pipe; None at its end."""
    with contextlib.suppress(EOFError):
        return input(prompt)
    return None

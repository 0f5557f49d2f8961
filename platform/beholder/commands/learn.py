"""`beholder learn`: photos as they were and as somebody made them -> what this person likes, as choices beside those of `ask`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import pandas as pd

from beholder import identifiers, image_lists, images
from beholder.commands import _look_photos
from beholder.config import required, setting
from beholder.editing.directions.edit_text import write
from beholder.editing.editor import Edit
from beholder.editing.looks.look_directions import ASKED
from beholder.editing.looks.look_fit import FittedLook, fit_look
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, ImageError
from beholder.images import ImageLimits
from beholder.progress import Progress
from beholder.recommending.components import Components, InProcessService, ServiceConfig, build_service
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.store.question import Answer, Question
from beholder.runs import Run

STRATEGY = "learned"
_SCALES = (0.0, 0.4, 1.7)  # of a look, which the person did not make: the photo as it is, less of it, more of it
_OTHERS = 4  # looks drawn by chance among the candidates, which the person did not make either


@dataclass(frozen=True)
class LearnSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder learn user=anna before=originals after=edited",
        "beholder learn user=anna before=2026/raw after=2026/done workspace=team",
    )
    user: str = required("the person who edited the photos")
    before: str = required("the photos as they were: a folder, a glob, s3:// prefix")
    after: str = required("the same photos as the person made them, under the same names")
    components: Components = setting(Components(), "what a recommendation is made of")
    ranker: RankerConfig = setting(RankerConfig(), "the model of who would choose which look")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    choices: str | None = setting(None, "the store of choices; null: choices.db of the workspace")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", identifiers.person_name(self.user, what="user", error=ConfigError))


def main(settings: LearnSettings, run: Run) -> None:
    pairs = matched(settings.before, settings.after, settings.limits.roots)
    service = build_service(
        ServiceConfig(
            editor="looks",
            components=settings.components,
            encoder=EncoderConfig(name="looks"),
            ranker=settings.ranker,
            choices=settings.choices,
            workspace=settings.workspace,
        )
    )
    rows, ids = [], []
    with Progress("learn", total=len(pairs), unit="pairs") as progress:
        for name, before, after in pairs:
            try:
                image_id, fitted = learn(service, settings.user, before, after, settings.limits)
            except ImageError as error:
                print(identifiers.shown(f"{name} is left out: {error}"))
                continue
            finally:
                progress.advance(1)
            ids.append(image_id)
            rows.append({"name": name, "look": write(fitted.look), "difference": fitted.before, "unexplained": fitted.after})
    if not rows:
        raise ImageError(f"none of the {len(pairs)} pairs of {settings.before} and {settings.after} could be used")
    table = pd.DataFrame(rows)
    run.results(table)
    explained = 1 - table["unexplained"].sum() / max(table["difference"].sum(), 1e-9)
    run.metrics({"pairs": len(rows), "difference": table["difference"].mean(), "unexplained": table["unexplained"].mean()})
    print(f"{len(rows)} pairs learned: looks explain {explained:.0%} of what was done to the photos (CIEDE2000)")
    _look_photos.show(service, ids[: _look_photos.MOST], settings.user, run)


def matched(before: str, after: str, roots: Sequence[str] | None = None) -> list[tuple[str, str, str]]:
    """Return pairs of the same name, whatever their endings: the name, and both URIs. Raises ConfigError where there are none."""
    named = [
        {PurePosixPath(uri).stem: uri for part in image_lists.iterate(source, roots=roots) for uri in part["uri"].to_pylist()}
        for source in (before, after)
    ]
    pairs = [(name, uri, named[1][name]) for name, uri in sorted(named[0].items()) if name in named[1]]
    if not pairs:
        raise ConfigError(f"no photo of {before} has the name of one of {after}: expected both under the same name, endings aside")
    return pairs


def learn(
    service: InProcessService, user_id: str, before: str, after: str, limits: ImageLimits | None = None
) -> tuple[str, FittedLook]:
    """Fit a look to a pair of photos and keep what it says as choices; the same pair again counts once.

    Return the photo's id and the look. Raises ImageError for what is no picture, and for pictures of other proportions.
    """
    data = images.read(before, limits=limits)
    fitted = fit_look(images.decode(data), images.decode(images.read(after, limits=limits)))
    image_id = service.library.add_photo(data, user_id).image_id
    candidates = service.recommendations.features.candidates
    service.recommendations.store.add(implied(user_id, image_id, fitted.look, candidates.edits()))
    return image_id, fitted


def implied(user_id: str, image_id: str, look: Edit, others: Sequence[Edit]) -> list[tuple[Question, Answer | None]]:
    """Return the choices that a look implies which somebody made: it was liked better than none, less, more, and any other look.

    A photo that was left as it is was liked better than other looks alone.
    """
    rng = np.random.default_rng(int(hashlib.sha256(f"{user_id} {image_id}".encode()).hexdigest()[:12], 16))
    scaled = [_scaled(look, scale) for scale in _SCALES]
    drawn = [dict(others[int(row)]) for row in rng.choice(len(others), min(_OTHERS, len(others)), replace=False)]
    rejected = [each for each in [*scaled, *drawn] if each != dict(look)]
    now = datetime.now(UTC)
    result: list[tuple[Question, Answer | None]] = []
    for number, other in enumerate(rejected):
        key = hashlib.sha256(f"{user_id} {image_id} {number} {write(look)} {write(other)}".encode()).hexdigest()[:32]
        left = bool(rng.random() < 0.5)
        sides = (look, other) if left else (other, look)
        question = Question(key, user_id, image_id, sides[0], sides[1], STRATEGY, now)
        result.append((question, Answer(f"{key}-answer", key, "left" if left else "right", now)))
    return result


def _scaled(look: Edit, scale: float) -> dict[str, float]:
    """Return a look with other strengths, within their ranges."""
    result = {}
    for name, alpha in look.items():
        low, high = ASKED[name].range
        value = round(min(max(scale * alpha, low), high), 3)
        if value:
            result[name] = value
    return result

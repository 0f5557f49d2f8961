"""`beholder learn`: photos as they were and as somebody made them -> what this person likes, as choices beside those of `ask`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

import pandas as pd

from beholder import identifiers, image_lists, images
from beholder.commands import _look_photos
from beholder.config import required, setting
from beholder.editing.directions.edit_text import write
from beholder.editing.looks.look_fit import FittedLook, fit_look
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, ImageError
from beholder.images import ImageLimits
from beholder.progress import Progress
from beholder.recommending.components import Components, InProcessService, ServiceConfig, build_service
from beholder.recommending.own_photos.look_service import implied
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.runs import Run


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
    encoder: EncoderConfig = setting(EncoderConfig(), "what looks are told apart by: looks, or a CLIP with encoder.looks=true")
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
            encoder=settings.encoder,
            ranker=settings.ranker,
            choices=settings.choices,
            workspace=settings.workspace,
        )
    )
    rows: list[dict[str, Any]] = []
    photos: dict[str, str] = {}
    with Progress("learn", total=len(pairs), unit="pairs") as progress:
        for name, before, after in pairs:
            try:
                image_id, fitted = learn(service, settings.user, before, after, settings.limits)
            except ImageError as error:
                print(identifiers.shown(f"{name} is left out: {error}"))
                continue
            finally:
                progress.advance(1)
            photos[image_id] = name
            rows.append({"name": name, "look": write(fitted.look), "difference": fitted.before, "unexplained": fitted.after})
    if not rows:
        raise ImageError(f"none of the {len(pairs)} pairs of {settings.before} and {settings.after} could be used")
    table = pd.DataFrame(rows)
    run.results(table)
    explained = 1 - table["unexplained"].sum() / max(table["difference"].sum(), 1e-9)
    run.metrics({"pairs": len(rows), "difference": table["difference"].mean(), "unexplained": table["unexplained"].mean()})
    print(f"{len(rows)} pairs learned: looks explain {explained:.0%} of what was done to the photos (CIEDE2000)")
    _look_photos.show(service, dict(list(photos.items())[: _look_photos.MOST]), settings.user, run)


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

"""`beholder recommend`: the edit of an image that a person will like most, how sure that is, and what speaks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd

from beholder import identifiers, plots
from beholder.commands import _look_photos, _photo_input
from beholder.commands._person_image import PersonImageSettings, image_id_of
from beholder.config import setting
from beholder.editing.directions.edit_text import write
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.recommending.components import InProcessService
from beholder.recommending.ranking import ScoredEdit
from beholder.recommending.service import Recommendation
from beholder.recommending.steering import Steering
from beholder.reports.recommendation_report import recommendation_report
from beholder.runs import Run

_SHOWN = 6  # edits in all


@dataclass(frozen=True)
class RecommendSettings(PersonImageSettings):
    common: ClassVar[tuple[str, ...]] = (
        "user",
        "image",
        "seed",
        "like",
        "diversity",
        "out",
        "attribute",
        "allow",
        "forbid",
        "editor",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder recommend user=anna seed=7",
        "beholder recommend user=anna image=me.jpg out=for-anna.jpg allow=[hair]",
        'beholder recommend user=anna seed=7 like="smile=1.4" diversity=5',
    )
    like: str | None = setting(None, 'an edit of which versions are wanted, "smile=1.4,hat=2": like this, but ...')
    diversity: int = setting(3, "directions that the edits span at least, where there are so many")
    out: str | None = setting(None, "where the recommended picture goes: a .png, .jpg or .webp file; null: into the run folder")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out is not None:
            _photo_input.check_out(self.out, tuple(_photo_input.FORMATS))


def main(settings: RecommendSettings, run: Run) -> None:
    service = settings.build()
    if settings.editor == "looks":
        _look_photos.show(service, _look_photos.named_photos(settings, service), settings.user, run)
        return
    like = {} if settings.like is None else service.library.read_edit(settings.like)
    steering = replace(settings.steering, like=like, diversity=settings.diversity)
    image_id, attribute = image_id_of(settings, service), settings.attribute or ""
    show(service, image_id, settings.user, run, out=settings.out, steering=steering, attribute=attribute)


def show(
    service: InProcessService, image_id: str, user_id: str, run: Run, *, out: str | None, steering: Steering, attribute: str = ""
) -> Recommendation:
    """Recommend, and leave the picture, the strip and the words in the run folder."""
    recommendation = service.recommend(user_id, image_id, count=_SHOWN, attribute=attribute, steering=steering)
    if not recommendation.known:
        words = f"Nothing is known yet of what {user_id} likes: answer some questions with `beholder ask user={user_id}` first."
        run.summary(f"# Recommendation\n\n{words}\n")
        print(words)
        return recommendation
    choices = f"{recommendation.rounds} choice{'s' * (recommendation.rounds != 1)}"
    best, others = recommendation.ranked[0], recommendation.ranked[1:]
    shown = [best, *others]
    pictures = service.pictures(image_id, [{}, *(each.edit for each in shown)])
    place = out or f"{run.place.uri}/recommended.png"
    _photo_input.save(place, pictures[1])
    captions = [("as it is", "")] + [(name(each.edit), f"preferred with {each.probability:.0%}") for each in shown]
    figure = plots.row(list(pictures), captions, title=f"For {user_id}, after {choices}")
    plots.save(run.place, "strip", figure)
    run.results(pd.DataFrame([_line(each) for each in recommendation.ranked]))
    candidates = service.recommendations.features.candidates
    named = [(name(each.edit), each) for each in recommendation.ranked]
    page = recommendation_report(
        user_id, recommendation.rounds, named, recommendation.reasons, list(pictures), candidates=len(candidates)
    )
    page.write(run)
    run.metrics(
        {"choices": recommendation.rounds, "candidates": len(candidates), "edit": write(best.edit)}
        | {key: value for key, value in _line(best).items() if key != "edit"}
    )
    lines = [
        f"For {user_id}, after {choices}: {name(best.edit)}",
        f"  liked better than the image as it is: {best.confidence}, with probability {best.probability:.2f} "
        f"(utility {best.utility:+.2f} +- {best.uncertainty:.2f})",
        *(f"  {reason}" for reason in recommendation.reasons),
        *(["  next best: " + "; ".join(f"{name(each.edit)} ({each.probability:.2f})" for each in others[:3])] * bool(others)),
        f"  {place}; beside the image as it is and the runners-up: {run.place.uri}/report.html",
    ]
    run.summary("# Recommendation\n\n```\n" + "\n".join(lines) + "\n```\n\n![strip](figures/strip.png)\n")
    print(identifiers.shown("\n".join(lines)))
    return recommendation


def name(edit: Mapping[str, float]) -> str:
    """Return an edit as people read it."""
    return Vocabulary.of(edit).caption(edit)


def _line(scored: ScoredEdit) -> dict[str, float | str]:
    return {
        "edit": write(scored.edit),
        "utility": scored.utility,
        "uncertainty": scored.uncertainty,
        "probability": scored.probability,
    }

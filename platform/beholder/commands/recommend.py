"""`beholder recommend`: the edit of an image that a person will like most, how sure that is, and what speaks for it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from beholder import plots
from beholder.commands import _photo
from beholder.commands._recommending import CHOICES, LocalComponents, PhotoSettings, check_face
from beholder.config import required, setting
from beholder.editing.directions.edit_text import write
from beholder.encoder import EncoderConfig
from beholder.recommending.components import Components
from beholder.recommending.explanations import reasons
from beholder.recommending.ranking import Recommended, recommend
from beholder.runs import Run


@dataclass(frozen=True)
class RecommendSettings:
    user: str = required("whose taste")
    image: str | None = setting(None, "a photo of a face, a file or URI")
    seed: int | None = setting(None, "instead of a photo: a picture that the generator makes")
    out: str | None = setting(None, "where the recommended picture goes: a .png, .jpg or .webp file; null: into the run folder")
    parts: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    photo: PhotoSettings = setting(PhotoSettings(), "how a photo becomes a face to be edited")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        check_face(self.image, self.seed)
        if self.out is not None:
            _photo.check_out(self.out, tuple(_photo.FORMATS))


def main(settings: RecommendSettings, run: Run) -> None:
    desk = LocalComponents(settings.parts, settings.encoder, settings.workspace, settings.choices)
    image_id = desk.face(settings.image, settings.seed, settings.photo, user_id=settings.user)
    show(desk, image_id, settings.user, run, out=settings.out)


def show(desk: LocalComponents, image_id: str, user_id: str, run: Run, *, out: str | None) -> Recommended:
    """Recommend, and leave the picture, the strip and the words."""
    view = desk.look(image_id)
    found = recommend(desk.studio, desk.ranker(image_id), user_id, view, desk.parts.recommend)
    best, others = found[0], found[1:]
    mine = desk.store.choices(user_id)
    said = reasons(best.edit, mine, {name: each.labels for name, each in desk.editor.directions.items()})
    place = out or f"{run.place.uri}/recommended.png"
    _photo.save(place, best.picture)
    shown = [best, *others[:4]]
    captions = [("as it is", "")] + [(name(each.edit), f"{each.probability:.0%} over it as it is") for each in shown]
    figure = plots.row(
        [view.picture, *(each.picture for each in shown)], captions, title=f"For {user_id}, after {len(mine)} choices"
    )
    plots.save(run.place, "strip", figure)
    run.results(pd.DataFrame([_line(each) for each in found]))
    run.metrics(
        {"choices": len(mine), "candidates": len(view.options), "edit": write(best.edit)}
        | {key: value for key, value in _line(best).items() if key != "edit"}
    )
    lines = [
        f"For {user_id}, after {len(mine)} choices: {name(best.edit)}",
        f"  liked better than the image as it is with probability {best.probability:.2f} "
        f"(utility {best.utility:+.2f} +- {best.doubt:.2f})",
        *(f"  {reason}" for reason in said),
        *(["  next best: " + "; ".join(f"{name(each.edit)} ({each.probability:.2f})" for each in others[:3])] * bool(others)),
        f"  {place}; beside the image as it is and the runners-up: {run.place.uri}/figures/strip.png",
    ]
    run.summary("# Recommendation\n\n```\n" + "\n".join(lines) + "\n```\n\n![strip](figures/strip.png)\n")
    print("\n".join(lines))
    return best


def name(edit: Mapping[str, float]) -> str:
    """An edit as people read it."""
    return ", ".join(f"{direction.replace('_', ' ')} {alpha:+g}" for direction, alpha in edit.items()) or "as it is"


def _line(found: Recommended) -> dict[str, float | str]:
    return {
        "edit": write(found.edit),
        "utility": found.utility,
        "doubt": found.doubt,
        "probability": found.probability,
    }

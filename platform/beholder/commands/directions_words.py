"""`beholder directions words`: what people are told of each direction, and on how many pictures an encoder says the same.

Each direction that is measured is kept in the workspace, so that a run that was cut off goes on where it was.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from beholder.config import setting
from beholder.editing.directions.caption_agreement import TEMPLATES, CaptionAgreement, caption_agreement
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EditError, nearest
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

_FIRST = 1000  # seed of the first picture


@dataclass(frozen=True)
class DirectionsWordsSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder directions words",
        "beholder directions words names=[smile,hat] seeds=50",
    )
    generator: str = setting("portraits", "whose directions")
    names: list[str] = setting([], "which of them; []: all that have labels")
    seeds: int = setting(200, "pictures")
    alphas: list[float] = setting([0.5, 1.0, 2.0, 3.0], "alphas, each both ways")
    least: float = setting(0.95, "share of the pictures from which words are true")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is asked")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.seeds < 1 or not self.alphas or min(self.alphas) <= 0 or not 0 < self.least <= 1:
            raise ConfigError("seeds must be at least 1, alphas numbers above 0, least above 0 and at most 1")


def main(settings: DirectionsWordsSettings, run: Run) -> None:
    editor = StyleGAN.load(settings.generator, Workspace(settings.workspace))
    encoder = Encoder.load(settings.encoder)
    for name in settings.names:
        if name not in editor.directions:
            raise EditError(f"names: {name!r} is not a direction{nearest(name, list(editor.directions))}")
    names = settings.names or [name for name, each in editor.directions.items() if all(each.labels)]
    places = {name: place_of(settings, editor, name) for name in names}
    missing = [name for name, place in places.items() if not place.is_file()]
    total = settings.seeds * (1 + 2 * len(settings.alphas) * len(missing))
    with Progress("words", total=total if missing else 1, unit="pictures") as progress:
        caption_agreement(
            editor,
            encoder,
            missing,
            seeds=range(_FIRST, _FIRST + settings.seeds),
            alphas=sorted(settings.alphas),
            progress=progress.advance,
            after=lambda name, rows: places[name].write_bytes(json.dumps([vars(row) for row in rows]).encode()),
        )
    found = [CaptionAgreement(**row) for name in names for row in json.loads(places[name].read_bytes())]
    run.results(pd.DataFrame([{**vars(each), "said": each.said} for each in found]))
    short = [each for each in found if each.said < settings.least]
    run.metrics({"pictures": settings.seeds, "said": len(found), "short": len(short), "least": min(each.said for each in found)})
    columns = ["direction", "alpha", "words", "outright", "in degrees", "said"]
    table = "\n".join(markdown_table(columns, (_row(each, settings.least) for each in found), align="lrlrrl"))
    verdict = (
        f"{len(found) - len(short)} of {len(found)} captions hold for at least {settings.least:.0%} of {settings.seeds} pictures, "
        f"as {settings.encoder.encoder_id()} sees them."
    )
    print(f"{table}\n\n{verdict}")
    run.summary(f"# Words of directions\n\n{verdict}\n\n{table}\n")


def place_of(settings: DirectionsWordsSettings, editor: StyleGAN, name: str) -> Place:
    """Return where the figures of a direction are kept: another file where the direction, its words or the settings change."""
    direction, words = editor.directions[name], Vocabulary.of([name])[name]
    key = hashlib.sha256(direction.vector.numpy().tobytes())
    for part in (direction.scale, direction.labels, direction.fingerprint, words, settings.encoder.encoder_id(), settings.seeds):
        key.update(repr(part).encode())
    key.update(repr([*sorted(settings.alphas), *TEMPLATES]).encode())
    return Workspace(settings.workspace).place / "words" / settings.generator / f"{name}-{key.hexdigest()[:16]}.json"


def _row(each: CaptionAgreement, least: float) -> list[str]:
    kind = "outright" if each.outright_said else "in degrees"
    said = kind if each.said >= least else f"{kind}, of {each.said:.1%} only"
    return [each.direction, f"{each.alpha:+g}", each.words, f"{each.outright:.1%}", f"{each.degrees:.1%}", said]

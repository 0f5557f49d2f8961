"""What `ask` and `recommend` do with people's own photos: they are taken in, and the best look is shown and written as files."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from beholder import identifiers, image_lists, images
from beholder.commands._person_image import PersonImageSettings
from beholder.editing.directions.edit_text import write
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.editor import Edit
from beholder.editing.looks import look_files
from beholder.editing.looks.contact_sheet import BeforeAfter, contact_sheet
from beholder.errors import ImageError
from beholder.recommending.components import InProcessService
from beholder.recommending.own_photos.look_search import best_look
from beholder.recommending.ranking import ScoredEdit
from beholder.runs import Run

MOST = 30  # photos that a look is judged on
_SHOWN = 24
_SIDE = 640  # pixels of the longer side of a picture on the contact sheet
_SHEET = "each photo as it is and under its own look, with the chance that it is liked better so"


def named_photos(settings: PersonImageSettings, service: InProcessService) -> dict[str, str]:
    """Return the photos, copied into the workspace, id -> name; of many, 30 spread evenly. What can't be read is told and left out.

    Raises ImageError where none can be read.
    """
    if settings.image is None:
        return {f"seed-{settings.seed}": f"seed {settings.seed}"}
    parts = image_lists.iterate(settings.image, roots=settings.limits.roots)
    uris = [str(uri) for part in parts for uri in part["uri"].to_pylist()]
    some = [uris[round(at)] for at in np.linspace(0, len(uris) - 1, min(MOST, len(uris)))]
    names: dict[str, str] = {}
    for uri in some:
        try:
            photo = service.library.add_photo(images.read(uri, limits=settings.limits), settings.user)
            names.setdefault(photo.image_id, PurePosixPath(uri).name)
        except ImageError as error:
            print(identifiers.shown(f"{uri} is left out: {error}"))
    if not names:
        raise ImageError(f"{settings.image}: none of its files is a photo that can be read")
    return names


def show(service: InProcessService, photo_names: Mapping[str, str], user_id: str, run: Run) -> Edit:
    """Print a person's best look for all photos, id -> name, and for each, and leave a contact sheet and the look's files in the
    run folder."""
    recommendations = service.recommendations
    person = recommendations.posteriors.get(user_id)
    photos = [recommendations.image(image_id) for image_id in photo_names]
    ranker, features = person.ranker, recommendations.features
    whole = best_look(ranker, user_id, photos, features)
    each = {photo.image_id: best_look(ranker, user_id, [photo], features) for photo in photos[:_SHOWN]}
    pairs = []
    for image_id, best in each.items():
        before, after = service.pictures(image_id, [{}, best.edit])
        before, after = images.shrink(before, _SIDE), images.shrink(after, _SIDE)
        pairs.append(BeforeAfter(before, after, photo_names[image_id], _told(best)))
    title = f"For {user_id}, after {person.rounds} choices"
    (run.place / "looks.jpg").write_bytes(images.encode(contact_sheet(pairs, title=f"{title}: {_SHEET}"), format="JPEG"))
    look_files.write_files(run.place, whole.edit, title=title)
    rows: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "name": photo_names[image_id],
            "look": write(best.edit),
            "utility": best.utility,
            "probability": best.probability,
        }
        for image_id, best in each.items()
    ]
    run.results(pd.DataFrame(rows))
    run.metrics({"choices": person.rounds, "photos": len(photos), "look": write(whole.edit), "probability": whole.probability})
    counted, as_it_is = (
        ("one photo", "the photo as it is") if len(photos) == 1 else (f"{len(photos)} photos", "the photos as they are")
    )
    lines = [
        f"{title}, on {counted}: {words(whole.edit)}",
        f"  liked better than {as_it_is} with probability {whole.probability:.2f}",
        *(f"  {photo_names[image_id]}: {_told(best)}" for image_id, best in list(each.items())[:8]),
        f"  before and after: {run.place.uri}/looks.jpg; as files: look.json (a preset), look.cube, look.xmp beside it",
    ]
    run.summary("# Looks\n\n```\n" + "\n".join(lines) + "\n```\n\n![before and after](looks.jpg)\n")
    print(identifiers.shown("\n".join(lines)))
    return whole.edit


def words(look: Edit) -> str:
    """Return a look as people read it: warmer colours, slightly more open shadows."""
    return Vocabulary.of(look).caption(look) if any(look.values()) else "as they are"


def _told(best: ScoredEdit) -> str:
    return f"{best.probability:.0%}: {words(best.edit)}" if best.edit else "as it is"

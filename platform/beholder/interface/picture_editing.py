"""Editing: a generated picture or a photo of a face, moved along named directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from beholder.cache import BoundedCache
from beholder.editing.directions.vocabulary import Vocabulary, check_range
from beholder.editing.editor_config import SHIPPED, Refinement
from beholder.errors import EditError, ImageError, InputError
from beholder.interface.image_input import file_bytes, is_picture
from beholder.interface.picture import Picture
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from beholder.editing.faces.photo import Photo
    from beholder.editing.latent import Latent
    from beholder.editing.stylegan import StyleGAN

_EDITORS: "BoundedCache[tuple[str, str], StyleGAN]" = BoundedCache(2)


@dataclass(frozen=True, eq=False)
class PictureSource:
    """What a picture was drawn from: its latent, and the photo that it is put back into, if any."""

    editor: "StyleGAN"
    latent: "Latent"
    photo: "Photo | None" = None


def edit(
    image: Any,
    changes: Mapping[str, float] | None = None,
    *,
    generator: str = SHIPPED,
    workspace: str = "workspace",
    aligned: bool = False,
    face: str = "largest",
    force: bool = False,
    **directions: float,
) -> Picture:
    """Edit a picture along named directions: `bh.edit(3, smile=1.4, glasses=2)`.

    image: a seed (a whole number: a picture that the generator makes), a photo of a face (path, URL, PIL image, array, tensor),
    or a Picture that `bh.edit` returned, whose edit goes on: a direction that is named again takes its new strength. directions:
    strengths in standard deviations, 0 changes nothing; `bh.directions()` lists them and their ranges. changes: the same as a
    dict.

    generator: "portraits", which ships with the project and draws avatars, or one of the workspace. aligned: the picture is cut out
    around a face already. face: which of several: largest, left, right, or a number. force: take a photo that the generator can't
    redraw. Finding faces needs the extra `beholder[faces]`.

    Returns a Picture, which a notebook shows; `.save("x.png")` writes it. Raises EditError for an unknown direction, naming the
    nearest, a strength outside its range, and a photo without a face; InputError for what is no picture.

    >>> picture = edit(3, smile=1.4, glasses=2)
    >>> picture.caption
    'glasses, more of a smile'
    """
    if isinstance(image, Picture) and isinstance(image.source, PictureSource):
        source, before = image.source, image.edit
    else:
        editor = load_editor(generator, workspace)
        source, before = _source(editor, image, aligned=aligned, face=face, force=force), {}
    wanted = {**before, **_numbers({**(changes or {}), **directions})}
    check_range(wanted, source.editor.directions)
    pixels = source.editor.edit(source.latent, [wanted])[0]
    if source.photo is not None:
        pixels = source.photo.with_face(pixels, transparent=False)
    caption = Vocabulary.of(source.editor.directions).caption(wanted)
    return Picture(np.ascontiguousarray(pixels), caption, {name: alpha for name, alpha in wanted.items() if alpha}, source)


def directions(generator: str = SHIPPED, *, workspace: str = "workspace") -> pd.DataFrame:
    """List the directions of a generator: a row each, by name, with the range of its strength and what its ends mean.

    >>> directions().loc["smile", "more"]
    'more of a smile'
    """
    editor = load_editor(generator, workspace)
    vocabulary = Vocabulary.of(editor.directions)
    rows = {
        name: {
            "lowest": slider.range[0],
            "highest": slider.range[1],
            "less": vocabulary[name].ends[0],
            "more": vocabulary[name].ends[1],
            "group": vocabulary.group(name),
        }
        for name, slider in editor.directions.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("direction")


def load_editor(generator: str = SHIPPED, workspace: str = "workspace") -> "StyleGAN":
    """Return the editor of a generator; the last two stay in memory. Raises WeightsError where there is none."""
    from beholder.editing.stylegan import StyleGAN

    place = "" if generator == SHIPPED else workspace

    def load() -> "StyleGAN":
        return StyleGAN.load(generator, Workspace(place) if place else None, refinement=Refinement(stay=1.0))

    return _EDITORS.get_or_make((generator, place), load)


def _source(editor: "StyleGAN", image: Any, *, aligned: bool, face: str, force: bool) -> PictureSource:
    if isinstance(image, (int, np.integer)) and not isinstance(image, bool):
        return PictureSource(editor, editor.generate([int(image)]))
    if isinstance(image, str) and image.removeprefix("seed-").isdecimal():
        return PictureSource(editor, editor.generate([int(image.removeprefix("seed-"))]))
    if not is_picture(image):
        raise InputError(f"image: expected a seed (a whole number) or a picture, got {type(image).__name__}")
    from beholder.editing.faces.landmarks import load_detector
    from beholder.editing.faces.photo import Photo

    name = str(image) if isinstance(image, str) or hasattr(image, "__fspath__") else "image"
    try:
        photo = Photo.read(file_bytes(image), aligned=aligned, which=face, detector=lambda: load_detector("mtcnn"))
    except (ImageError, EditError) as error:
        raise type(error)(f"{name}: {error}".replace("aligned=true", "aligned=True")) from None
    inversion = editor.inversion(photo.aligned(editor.resolution)[None])
    if not force:
        try:
            editor.check_kind(inversion)
        except EditError as error:
            raise EditError(f"{error}; force=True takes what came all the same") from None
    return PictureSource(editor, inversion.latent, photo)


def _numbers(edit: Mapping[str, Any]) -> dict[str, float]:
    """Return strengths as floats. Raises EditError for what is no finite number."""
    result = {}
    for name, value in edit.items():
        try:
            result[name] = float(value)
        except (TypeError, ValueError):
            raise EditError(f"{name}={value!r}: expected a number, in standard deviations") from None
        if not np.isfinite(result[name]):
            raise EditError(f"{name}={value!r}: expected a finite number")
    return result

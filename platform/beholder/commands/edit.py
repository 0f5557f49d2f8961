"""`beholder edit`: a photo, a seed or a saved latent -> the picture moved along directions, a face put back into its photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from beholder.commands import _photo_input
from beholder.config import required, setting
from beholder.editing.inversion import Refinement
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.errors import ConfigError, EditError
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from beholder.editing.faces.photo import Photo
    from beholder.editing.latent import Latent


@dataclass(frozen=True)
class EditSettings:
    run_folder: ClassVar[str] = "existing"
    common: ClassVar[tuple[str, ...]] = (
        "image",
        "seed",
        "latent",
        "edits",
        "out",
        "generator",
        "aligned",
        "face",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        'beholder edit seed=7 edits="smile=1.4,glasses=2" out=smiling.png',
        'beholder edit image=me.jpg edits="older=1" out=older.jpg',
        'beholder edit latent=me.safetensors image=me.jpg edits="smile=2" out=smiling.jpg',
    )
    image: str | None = setting(None, "a photo of a face, a file or URI")
    seed: int | None = setting(None, "instead of a photo: a picture that the generator makes, 0..4294967295")
    latent: str | None = setting(
        None, "a file of `beholder invert`, with image= its photo if the face is to be put back; or w, w+ or z of another program"
    )
    latent_row: str | None = setting(None, "of a file with several latents: a number from 0, or a name in it")
    edits: str = setting("", 'directions and alphas: "smile=1.4,glasses=2"')
    out: str = required("where the picture goes: a .png, .jpg or .webp file")
    generator: str = setting("portraits", "a generator of the workspace, or portraits, which ships with the project")
    aligned: bool = setting(False, "the photo is cut out around a face already, as FFHQ's are: take it as it is")
    face: str = setting("largest", "which face of a photo: largest, left, right, or a number counted from 0 at the left")
    detector: str = setting("mtcnn", _photo_input.DETECTOR)
    mask: str | None = setting(None, "a picture laid over the square that is edited: what is white in it stays as it is")
    force: bool = setting(False, "take directions that were made for another generator, and photos that the generator can't redraw")
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely a photo is inverted")
    editor: StyleGANConfig = setting(StyleGANConfig(), "how pictures are drawn")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if (self.image is None and self.latent is None) == (self.seed is None):
            raise ConfigError('edit needs either image=FILE (or latent=FILE) or seed=NUMBER, as in edit seed=7 edits="smile=1.4"')
        if self.latent_row is not None and self.latent is None:
            raise ConfigError("latent_row goes with latent=FILE")
        _photo_input.check_out(self.out, tuple(_photo_input.FORMATS))


def main(settings: EditSettings, run: Run) -> None:
    from beholder import images
    from beholder.editing.directions.edit_text import parse, write
    from beholder.editing.directions.vocabulary import check_range

    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace, force=settings.force, config=settings.editor)
    edit = parse(settings.edits, editor.directions)
    check_range(edit, editor.directions)
    source, photo, figures = start(settings, editor)
    before, after = editor.edit(source, [{}, edit])
    if settings.mask is not None:
        after = editor.edit_around(source, edit, images.decode(images.read(settings.mask)).mean(axis=2) / 255)
    picture = after if photo is None else photo.with_face(after, transparent=_photo_input.keeps_transparency(settings.out))
    _photo_input.save(settings.out, picture)
    shown = [before, after] if photo is None else [photo.aligned(editor.resolution), before, after]
    (run.place / "steps.png").write_bytes(images.encode(_row(shown)))
    moved = float(abs(after.astype(float) - before).mean()) / 255
    run.metrics({**figures, "moved": moved})
    names = "before and after" if photo is None else "aligned, inverted and edited"
    run.summary(f"# {write(edit) or 'no edit'}\n\n{settings.out}; {names} side by side in steps.png.\n")
    print(f"{write(edit) or 'nothing edited'} -> {settings.out}, {picture.shape[1]} x {picture.shape[0]}")


def start(settings: EditSettings, editor: StyleGAN) -> tuple["Latent", "Photo | None", dict[str, Any]]:
    """The latent to be edited, the photo it comes from, and the figures of its inversion."""
    if settings.seed is not None:
        return editor.generate([settings.seed]), None, {}
    if settings.latent is not None:
        return kept(settings, editor)
    photo, _ = _photo_input.take(str(settings.image), aligned=settings.aligned, face=settings.face, detector=settings.detector)
    _photo_input.warn(settings.generator)
    found = _photo_input.search(editor, photo.aligned(editor.resolution), settings.refinement, force=settings.force)
    return found.latent, photo, _photo_input.losses(found)


def kept(settings: EditSettings, editor: StyleGAN) -> tuple["Latent", "Photo | None", dict[str, Any]]:
    """A latent that was inverted before, and its photo where that is given, too."""
    from beholder import images
    from beholder.editing import generator_store, latent_file
    from beholder.editing.faces.photo import Photo
    from beholder.editing.saved_inversion import SavedInversion

    place = Place.at(str(settings.latent))
    if place.name.endswith(".safetensors"):
        found = SavedInversion.read(place)
    else:
        if settings.image is not None:
            raise EditError(f"{place.uri} does not tell where the face is in {settings.image}; give no image, or invert it here")
        print(f"{place.uri} does not say which generator it belongs to: it is taken for one of {settings.generator}")
        return latent_file.read(place, editor.generator, which=settings.latent_row), None, {}
    own, name = editor.generator, settings.generator
    earlier = generator_store.finished_from(name, Workspace(settings.workspace))
    found = found.of_generator(own.config, generator_store.fingerprint(own), name, earlier)
    latent = found.latent.to(editor.device)
    if settings.image is None:
        return latent, None, {}
    data = images.read(settings.image)
    if images.digest(data) != found.sha256:
        raise EditError(f"{settings.image} is not the photo that {settings.latent} was made of; give that one, or no image")
    pixels, transparency = images.decode_layers(data)
    return latent, Photo(pixels, found.square, transparency=transparency), {}


def _row(pictures: list[Any]) -> Any:
    import numpy as np

    return np.concatenate(pictures, axis=1)

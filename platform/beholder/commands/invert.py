"""`beholder invert`: a photo -> its latent as safetensors, and a picture of how close it came."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from beholder.commands import _photo_input
from beholder.config import required, setting
from beholder.editing.inversion import Refinement
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.runs import Run
from beholder.storage import Place
from beholder.workspace import Workspace


@dataclass(frozen=True)
class InvertSettings:
    run_folder: ClassVar[str] = "existing"
    common: ClassVar[tuple[str, ...]] = (
        "image",
        "out",
        "generator",
        "aligned",
        "face",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder invert image=me.jpg out=me.safetensors",
        "beholder invert image=group.jpg face=left out=left.safetensors refinement.steps=200",
    )
    image: str = required("a photo of a face, a file or URI")
    out: str = required("where the latent goes: a .safetensors file; a .png of the same name shows photo, start and result")
    generator: str = setting("portraits", "a generator of the workspace, or portraits, which ships with the project")
    aligned: bool = setting(False, "the photo is cut out around a face already, as FFHQ's are: take it as it is")
    face: str = setting("largest", "which face of a photo: largest, left, right, or a number counted from 0 at the left")
    detector: str = setting("mtcnn", _photo_input.DETECTOR)
    force: bool = setting(False, _photo_input.FORCE)
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely a photo is inverted")
    editor: StyleGANConfig = setting(StyleGANConfig(), "how pictures are drawn")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        _photo_input.check_out(self.out, (".safetensors",))


def main(settings: InvertSettings, run: Run) -> None:
    import numpy as np

    from beholder.editing.generator_store import fingerprint
    from beholder.editing.latent import Latent
    from beholder.editing.saved_inversion import SavedInversion

    editor = StyleGAN.load(settings.generator, Workspace(settings.workspace), force=True, config=settings.editor)
    photo, digest = _photo_input.take(settings.image, aligned=settings.aligned, face=settings.face, detector=settings.detector)
    _photo_input.warn(settings.generator)
    target = photo.aligned(editor.resolution)
    begun = editor.inversion(target[None], refinement=Refinement(steps=0), detail=False)
    found = _photo_input.search(editor, target, settings.refinement, force=settings.force)
    drawn = editor.edit(Latent.join([Latent(begun.ws), found.latent]), [{}, {}])
    off = [float(np.abs(each.astype(float) - target).mean()) / 255 for each in drawn]
    latent = SavedInversion(found.latent, fingerprint(editor.generator), settings.generator, digest, photo.square, photo.grey)
    latent.write(Place.at(settings.out))
    shown = str(PurePosixPath(settings.out).with_suffix(".png")) if "://" not in settings.out else f"{settings.out[:-12]}.png"
    _photo_input.save(shown, np.concatenate([target, *drawn], axis=1))
    run.metrics({**_photo_input.losses(found), "error.before": off[0], "error.after": off[1]})
    summary = f"The drawing is {off[1]:.1%} of the range of a pixel off the photo (before the steps {off[0]:.1%})."
    run.summary(f"# {settings.image}, inverted\n\n{summary}\n")
    print(f"{summary}\n{settings.out}; photo, start and result side by side: {shown}")

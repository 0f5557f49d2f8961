"""`beholder diffuse`: any photo moved along instructions and slider adapters by a diffusion pipeline that you have."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from beholder.commands import _photo_input
from beholder.config import required, setting
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.errors import ConfigError
from beholder.images import ImageLimits
from beholder.runs import Run

if TYPE_CHECKING:
    from beholder.editing.diffusion.diffusion_editor import DiffusionEditor


@dataclass(frozen=True)
class DiffuseSettings:
    examples: ClassVar[tuple[str, ...]] = (
        'beholder diffuse image=house.jpg edits="winter=1" out=winter.jpg diffusion.model=./instruct-pix2pix',
        "beholder diffuse image=house.jpg edits=help out=x.png diffusion.model=./instruct-pix2pix",
    )
    image: str = required("any photo, a file or URI")
    edits: str = required('directions and alphas: "winter=1,night=0.5"; "help" lists the directions')
    out: str = required("where the picture goes: a .png, .jpg or .webp file")
    diffusion: DiffusionConfig = setting(DiffusionConfig(), "the pipeline, and how it is run")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        _photo_input.check_out(self.out, tuple(_photo_input.FORMATS))
        if self.out == self.image:
            raise ConfigError(f"out={self.out} is the photo itself, which is never written to: give another file")


def main(settings: DiffuseSettings, run: Run) -> None:
    from beholder.editing.diffusion.diffusion_editor import DiffusionEditor

    draw(settings, DiffusionEditor.load(settings.diffusion), run)


def draw(settings: DiffuseSettings, editor: "DiffusionEditor", run: Run) -> None:
    """Draw the photo with an editor, and leave the picture, and both beside each other in the run folder."""
    from beholder import images
    from beholder.editing.directions.edit_text import parse, write
    from beholder.editing.looks.contact_sheet import BeforeAfter, contact_sheet
    from beholder.editing.looks.look_editor import LookLatents
    from beholder.progress import Progress
    from beholder.storage import Place

    if settings.edits == "help":
        for each in editor.directions.values():
            print(f"{each.name} {each.range[0]:g}..{each.range[1]:g}: {each.instruction or each.adapter}")
        return
    edit = parse(settings.edits, editor.directions)
    for name, alpha in edit.items():
        low, high = editor.directions[name].range
        if not low <= alpha <= high:
            raise ConfigError(f"edits: {name}={alpha:g}: expected an alpha between {low:g} and {high:g}")
    pixels, metadata = images.decode_photo(images.read(settings.image, limits=settings.limits), limits=settings.limits)
    drawings = (1 + settings.diffusion.keep) * bool(any(edit.values()))
    with Progress("diffuse", total=drawings * settings.diffusion.steps, unit="steps") as progress:
        picture = editor.draw(LookLatents((pixels,)), [edit], progress=lambda step, steps: progress.advance())[0]
    known = images.PhotoMetadata(_photo_input.format_of(settings.out), metadata.exif, metadata.icc_profile)
    Place.at(settings.out).write_bytes(images.encode_photo(picture, known))
    (run.place / "before-and-after.jpg").write_bytes(images.encode(contact_sheet([BeforeAfter(pixels, picture)]), format="JPEG"))
    run.metrics({"edit": write(edit), "seed": settings.diffusion.seed, "steps": settings.diffusion.steps})
    run.summary(f"# {write(edit) or 'no edit'}\n\n{settings.out}; before and after side by side in before-and-after.jpg.\n")
    print(f"{write(edit) or 'nothing edited'} -> {settings.out}, {picture.shape[1]} x {picture.shape[0]}")

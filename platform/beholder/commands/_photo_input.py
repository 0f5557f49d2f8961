"""What `edit` and `invert` share: reading a photo, finding its face, inverting it under a bar, and where pictures are written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from beholder import images
from beholder.errors import ConfigError, EditError, ImageError
from beholder.progress import Progress
from beholder.runs import log
from beholder.storage import Place

if TYPE_CHECKING:
    import numpy as np

    from beholder.editing.faces.photo import Photo
    from beholder.editing.inversion import Inversion, InversionStep, Refinement
    from beholder.editing.stylegan import StyleGAN

DETECTOR = "how faces are found: mtcnn (the extra faces), or dlib (the extra dlib, whose landmarks exclude commercial use)"
FORCE = "take a photo all the same that the generator can't redraw"
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_out(out: str, suffixes: tuple[str, ...]) -> None:
    """Refuse a file of another kind, and one in a folder that is not there, before any work is done."""
    if Path(out).suffix.lower() not in suffixes:
        raise ConfigError(f"out={out} must end in {', '.join(suffixes)}")
    if "://" not in out and not Path(out).parent.is_dir():
        raise ConfigError(f"out={out}: there is no folder {Path(out).parent}; make it first")


def take(uri: str, *, aligned: bool, face: str, detector: str) -> tuple["Photo", str]:
    """A photo with its face found, and the digest of its file. Raises ImageError and EditError naming the file."""
    from beholder.editing.faces.landmarks import load_detector
    from beholder.editing.faces.photo import Photo

    data = images.read(uri)
    try:
        photo = Photo.read(data, aligned=aligned, which=face, detector=lambda: load_detector(detector))
    except ImageError as error:
        raise ImageError(f"{uri}: {error}") from None
    except EditError as error:
        raise EditError(f"{uri}: {error}") from None
    if photo.square is not None:
        found = "one face" if photo.faces == 1 else f"{photo.faces} faces, of which number {photo.face} from the left is taken"
        print(f"{found}, in a square of {photo.square.side:.0f} pixels a side")
        if photo.turned:
            print(f"it stands upright in the photo turned by {photo.turned} degrees against the clock, and is edited as it lies")
        if photo.faces > 1:
            log.info("%s: %s", uri, found)
    return photo, images.digest(data)


def search(editor: "StyleGAN", pixels: "np.ndarray", refinement: "Refinement", *, force: bool) -> "Inversion":
    """The latent of one aligned picture, under a bar.

    Raises EditError, unless forced, where the generator can't redraw such pictures.
    """
    if refinement.steps == 0:
        found = editor.inversion(pixels[None], refinement=refinement)
    else:
        timed = refinement.seconds is not None
        with Progress("invert", total=100 if timed else refinement.steps, unit="%" if timed else "steps") as progress:

            def tell(step: "InversionStep") -> None:
                progress.advance((int(100 * step.spent) if timed else step.number) - progress.done)

            found = editor.inversion(pixels[None], refinement=refinement, progress=tell)
            progress.advance(progress.total - progress.done)
    said = f"loss {float(found.before):.3f} before, {float(found.after):.3f} after {found.steps} steps in {found.seconds:.1f} s"
    said = said if found.steps else f"loss {float(found.before):.3f} in one pass"
    log.info("%s", said)
    print(said)
    try:
        editor.check_kind(found)
    except EditError as error:
        if not force:
            raise EditError(f"{error}; force=true takes what came all the same") from None
        log.warning("%s", error)
    return found


def warn(generator: str) -> None:
    """The shipped generator draws avatars: say so before somebody is surprised."""
    from beholder.editing import generator_store

    if generator == generator_store.SHIPPED:
        print("the shipped generator knows drawn portraits only, so a photo comes back as one; generator=NAME takes another")


def keeps_transparency(out: str) -> bool:
    """Whether the format that a name ends in has transparency."""
    return Path(out).suffix.lower() in (".png", ".webp")


def format_of(out: str) -> str:
    """Return the format that a file's name ends in."""
    return FORMATS[Path(out).suffix.lower()]


def save(out: str, pixels: "np.ndarray") -> None:
    """Write a picture in the format that its name ends in."""
    Place.at(out).write_bytes(images.encode(pixels, format=format_of(out), quality=92))


def losses(found: "Inversion") -> dict[str, Any]:
    """An inversion's figures."""
    return {
        "loss.before": float(found.before),
        "loss.after": float(found.after),
        "steps": found.steps,
        "seconds": round(found.seconds, 3),
    }

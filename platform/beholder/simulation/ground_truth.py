"""Ground truth: a few images under every candidate, drawn, encoded and read once, and kept."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.editing.editor import Editor
from beholder.encoder import ImageEncoder
from beholder.recommending import edit_features
from beholder.recommending.candidates import Candidates
from beholder.storage import Place

Read = Callable[[np.ndarray], np.ndarray]  # uint8 RGB [N, R, R, 3] -> traits float32 [N, T]
_READ = 128  # pixels of a side that readers of traits see


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """I images under C candidates.

    seeds: of the images; latents: of the seeds, I rows. original_embeddings [I, E] and original_traits [I, T] are of the unedited
    images, embeddings [I, C, E] and traits [I, C, T] of the edited ones; all float32, the embeddings' rows of length 1 within
    float16, in which they are kept.
    """

    candidates: Candidates
    seeds: tuple[int, ...]
    latents: Any
    original_embeddings: np.ndarray
    original_traits: np.ndarray
    embeddings: np.ndarray
    traits: np.ndarray

    def __len__(self) -> int:
        return len(self.seeds)


def open_ground_truth(
    folder: Place,
    editor: Editor[Any],
    encoder: ImageEncoder,
    read: Read,
    *,
    candidates: Candidates,
    seeds: Sequence[int],
    made_for: str,
    latents: Callable[[Sequence[int]], Any] | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> GroundTruth:
    """Return the images of these seeds from `folder`; those that are not there yet are drawn and kept, one by one.

    made_for: names generator and encoder, and `latents` where it is given: pictures of another one are never mistaken for these.
    latents: seeds -> a latent for each; by default what the editor generates. progress: called with how many more pictures are
    done, those kept from before too.
    """
    rows = (latents or editor.generate)(list(seeds))
    own = folder / _key(candidates, made_for)
    for number, seed in enumerate(seeds):
        place = own / f"{seed}.npz"
        if place.is_file():
            progress(len(candidates) + 1)
        else:
            place.write_bytes(_dump(_draw(editor, encoder, read, candidates, rows[number : number + 1], progress)))
    return read_ground_truth(folder, candidates=candidates, seeds=seeds, made_for=made_for, latents=rows)


def read_ground_truth(folder: Place, *, candidates: Candidates, seeds: Sequence[int], made_for: str, latents: Any) -> GroundTruth:
    """Return images that `open_ground_truth` has drawn before. latents: of these seeds, a row each."""
    own = folder / _key(candidates, made_for)
    rows = [_parse((own / f"{seed}.npz").read_bytes()) for seed in seeds]
    embeddings, traits = (np.stack([row[name].astype(np.float32) for row in rows]) for name in ("embeddings", "traits"))
    return GroundTruth(candidates, tuple(seeds), latents, embeddings[:, 0], traits[:, 0], embeddings[:, 1:], traits[:, 1:])


def _draw(
    editor: Editor[Any], encoder: ImageEncoder, read: Read, candidates: Candidates, latent: Any, progress: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Return embeddings and traits, float16, of the unedited image and then under every candidate."""
    drawn = edit_features.draw(editor, encoder, latent, [{}, *candidates.edits()], size=max(encoder.size, _READ), progress=progress)
    return {"embeddings": drawn.embeddings.astype(np.float16), "traits": read(drawn.images).astype(np.float16)}


def _key(candidates: Candidates, made_for: str) -> str:
    """Return a folder's name that changes with generator, encoder, directions and alphas."""
    names = "\n".join([made_for, *candidates.directions]).encode()
    return hashlib.sha256(names + np.ascontiguousarray(candidates.alphas, "<f4").tobytes()).hexdigest()[:16]


def _dump(row: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **row)  # type: ignore[arg-type]
    return buffer.getvalue()


def _parse(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}

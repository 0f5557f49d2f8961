"""What a process of `apply` does with a photo: it is read, its best look is found, and it is developed and written beside its
record."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch

from beholder import images
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.editor import Edit
from beholder.editing.faces.landmarks import load_detector
from beholder.editing.looks import face_look, look_files
from beholder.editing.looks.contact_sheet import BeforeAfter
from beholder.editing.looks.full_size import render
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ImageError, StorageError
from beholder.images import ImageLimits
from beholder.recommending.candidates import Candidates
from beholder.recommending.edit_features import EditFeatures
from beholder.recommending.own_photos.drawn_embeddings import DrawnEmbeddings, editable
from beholder.recommending.own_photos.look_search import best_look
from beholder.recommending.rankers.ranker import Ranker
from beholder.storage import Place

_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",)}
_THUMBNAIL = 480  # pixels of the longer side of a picture on the contact sheet


@dataclass(frozen=True, eq=False)
class LookPlan:
    """Which look photos get: `look`, or the best for a person by their ranker. key: changes whenever pictures would."""

    out: str
    quality: int
    limits: ImageLimits
    key: str
    whose: str = ""  # as the contact sheet says it
    look: Edit | None = None
    user: str = ""
    ranker: Ranker | None = None
    candidates: Candidates | None = None
    encoder: EncoderConfig | None = None


class DevelopPhoto:
    """A process that develops photos one after the other; a row of uri and name -> what became of it."""

    def __init__(self, plan: LookPlan) -> None:
        torch.set_num_threads(1)
        self.plan = plan
        self.features: EditFeatures | None = None
        self.predictor: DrawnEmbeddings | None = None
        if plan.look is None:
            assert plan.encoder is not None
            assert plan.candidates is not None
            self.predictor = DrawnEmbeddings(Encoder.load(plan.encoder))
            self.features = EditFeatures(self.predictor, plan.candidates)

    def __call__(self, row: dict[str, str]) -> dict[str, Any]:
        began = time.time()
        result: dict[str, Any] = {
            "name": row["name"],
            "look": "",
            "probability": float("nan"),
            "seconds": 0.0,
            "error": "",
            "note": "",
        }
        try:
            data = images.read(row["uri"], limits=self.plan.limits)
            pixels, metadata = images.decode_photo(data, limits=self.plan.limits)
            look, probability = self.choose(pixels)
            faces, rest = face_look.split(look)
            developed, note = pixels, metadata.note
            if any(faces.values()):
                developed = face_look.render_faces(pixels, faces, load_detector().faces(pixels))
            developed = render(developed, rest)
            if metadata.transparency is not None and developed.shape == pixels.shape:
                developed = metadata.transparency.restore(pixels, developed)
            elif metadata.transparency is not None:
                note = ", ".join(filter(None, [note, "laid on white"]))
            drawn = images.encode_photo(developed, metadata, quality=self.plan.quality)
            name = written_name(row["name"], metadata.format)
            place = Place.at(self.plan.out) / name
            place.write_bytes(drawn)
            record = json.loads(look_files.preset(rest, name=name)) | {
                "look": dict(look),
                "key": self.plan.key,
                "source": row["uri"],
            }
            record["probability"] = probability if math.isfinite(probability) else None
            record_at(self.plan, row).write_bytes(json.dumps(record, indent=1).encode())
            result |= {"name": name, "look": json.dumps(dict(look)), "probability": probability, "note": note}
        except (ImageError, StorageError) as error:
            result["error"] = str(error)
        return result | {"seconds": time.time() - began}

    def choose(self, pixels: np.ndarray) -> tuple[Mapping[str, float], float]:
        """Return the look of a photo, and the probability that the person likes it better than the photo as it is."""
        if self.plan.look is not None:
            return self.plan.look, float("nan")
        assert self.features is not None
        assert self.predictor is not None
        assert self.plan.ranker is not None
        photo = editable("photo", pixels, self.predictor)
        best = best_look(self.plan.ranker, self.plan.user, [photo], self.features)
        return best.edit, best.probability


def is_done(plan: LookPlan, row: Mapping[str, str]) -> bool:
    """Tell whether a photo was developed by this plan before, and the picture is still there."""
    record = read_record(plan, row)
    return record is not None and record["key"] == plan.key and (Place.at(plan.out) / str(record["name"])).is_file()


def thumbnails(plan: LookPlan, row: Mapping[str, str]) -> BeforeAfter | None:
    """Return a photo before and after, small, with what was done; None where it was not developed."""
    record = read_record(plan, row)
    if record is None:
        return None
    try:
        before = images.decode(images.read(row["uri"], limits=plan.limits), limits=plan.limits)
        after = images.decode((Place.at(plan.out) / str(record["name"])).read_bytes())
    except (ImageError, StorageError):
        return None
    look, probability = record.get("look") or {}, record.get("probability")
    likely = f"{probability:.0%}: " if look and isinstance(probability, float) else ""
    words = Vocabulary.of(look).caption(look)
    return BeforeAfter(images.shrink(before, _THUMBNAIL), images.shrink(after, _THUMBNAIL), row["name"], f"{likely}{words}")


def written_name(name: str, format: str) -> str:
    """Return the name of a picture: the photo's, with another ending where its format is another."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in _SUFFIXES[format] else str(path.with_suffix(_SUFFIXES[format][0]))


def record_at(plan: LookPlan, row: Mapping[str, str]) -> Place:
    """Return where the record of a photo lies."""
    return Place.at(plan.out) / "looks" / f"{row['name']}.json"


def read_record(plan: LookPlan, row: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what was kept of a developed photo: a preset with the plan's key; None where it was not developed."""
    try:
        record = json.loads(record_at(plan, row).read_bytes(1 << 20))
    except (StorageError, ValueError):
        return None
    return record if isinstance(record, dict) and {"key", "name"} <= set(record) else None

"""`beholder apply`: the look that a person will like most, on every photo of a folder or bucket, with Ray Data.

Originals are only read. What is done is not done again: beside each picture lies what it was made of, and starting again goes on
where it was cut off. A photo is chosen for and developed by one process; several work at the same time.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray
from ray.data import ActorPoolStrategy

from beholder import identifiers, image_lists, images
from beholder.config import required, setting
from beholder.editing.directions.edit_text import parse, write
from beholder.editing.directions.vocabulary import Vocabulary
from beholder.editing.editor import Edit
from beholder.editing.faces.landmarks import load_detector
from beholder.editing.looks import face_look, look_files
from beholder.editing.looks.contact_sheet import contact_sheet
from beholder.editing.looks.face_look import FACE_DIRECTIONS
from beholder.editing.looks.look_directions import DIRECTIONS, check_range
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, EditError, ImageError
from beholder.images import ImageLimits
from beholder.jobs import _look_stages, _placement
from beholder.jobs._look_stages import DevelopPhoto, LookPlan
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect, quiet_data
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig, build_service
from beholder.recommending.own_photos.drawn_embeddings import DrawnEmbeddings, editable
from beholder.recommending.own_photos.look_search import best_look
from beholder.recommending.own_photos.look_service import look_encoder_key
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.runs import Run
from beholder.storage import Place

_SAMPLE = 24  # photos by which the one look of a set is chosen
_MOVES = 4  # directions that are told of
_SHEET = 60  # photos on the contact sheet
_TOLD = 10  # photos of a kind that are named
_READERS = 16  # records that are read at the same time
_TOGETHER, _BLOCKS = 4, 2000  # photos that are told of together, and parts of a list at most


@dataclass(frozen=True)
class ApplySettings:
    common: ClassVar[tuple[str, ...]] = (
        "user",
        "look",
        "images",
        "out",
        "one_look",
        "quality",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder apply user=anna images=holiday out=holiday-for-anna",
        'beholder apply "look=warmth=1.5,contrast=1" images=holiday out=warm',
    )
    user: str | None = setting(None, "the person whose choices decide (see beholder ask editor=looks)")
    look: str | None = setting(None, 'instead of a person: a preset (.json) or a look such as "warmth=1,fade=2", for all photos')
    images: str = required("the photos: a folder, a glob, s3:// prefix, or a list of URIs")
    out: str = required("where pictures go: a folder or s3:// prefix, other than that of the photos")
    one_look: bool = setting(False, "the same look for all photos, instead of the best for each")
    quality: int = setting(92, "of JPEG and WebP, 1..100")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    actors: int = setting(0, "processes that develop photos; 0 is one per core")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the looks that are drawn small and scored")
    encoder: EncoderConfig = setting(EncoderConfig(), "what looks are told apart by: looks, or a CLIP with encoder.looks=true")
    ranker: RankerConfig = setting(RankerConfig(), "the model of who would choose which look")
    choices: str | None = setting(None, "the store of choices; null: choices.db of the workspace")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    ray: RayConfig = setting(RayConfig(), "which Ray")

    def __post_init__(self) -> None:
        if (self.user is None) == (self.look is None):
            raise ConfigError("give either user=NAME, whose choices decide, or look=, a preset or a look for all photos")
        if self.user is not None:
            object.__setattr__(self, "user", identifiers.person_name(self.user, what="user", error=ConfigError))
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality must be between 1 and 100, got {self.quality}")
        if self.actors < 0:
            raise ConfigError(f"actors must be 0 or more, got {self.actors}")


def main(settings: ApplySettings, run: Run) -> None:
    began = time.time()
    photos = listed(settings.images, settings.out, settings.limits.roots)
    plan = planned(settings, photos)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="records") as pool:
        done = list(pool.map(partial(_look_stages.is_done, plan), photos))
    waiting = [row for row, is_done in zip(photos, done, strict=True) if not is_done]
    if len(waiting) < len(photos):
        print(f"{len(photos) - len(waiting)} of {len(photos)} photos are done already")
    rows = list(_develop(plan, waiting, settings)) if waiting else []
    _report(settings, plan, photos, rows, run, seconds=time.time() - began)


def listed(source: str, out: str, roots: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Return the photos as rows of uri and name, the path below `out`. Raises ConfigError where a picture would replace its
    photo."""
    target = Place.at(out)
    rows: list[dict[str, str]] = []
    taken: set[str] = set()
    for part in image_lists.iterate(source, roots=roots):
        for image_id, uri in zip(part["image_id"].to_pylist(), part["uri"].to_pylist(), strict=True):
            place = Place.at(uri)
            if place.uri.startswith(f"{target.uri.rstrip('/')}/"):
                raise ConfigError(
                    f"out={out} holds {uri}, which is to be read: originals are never written to; give another folder"
                )
            name = image_id if "://" not in image_id and not image_id.startswith("/") and ".." not in image_id else place.name
            if name in taken:
                name = f"{PurePosixPath(name).stem}-{len(rows)}{PurePosixPath(name).suffix}"
            taken.add(name)
            rows.append({"uri": uri, "name": name})
    return rows


def planned(settings: ApplySettings, photos: list[dict[str, str]]) -> LookPlan:
    """Return what decides the looks: one for all, or a person's ranker."""
    made = partial(LookPlan, settings.out, settings.quality, settings.limits)
    written = f"quality {settings.quality}"
    if settings.look is not None:
        look = _look_of(settings.look)
        if face_look.is_face_look(look):
            load_detector()  # says now which extra is missing, and not of every photo
        return made(f"look {write(look)} {written}", look_words(look), look=look)
    service_config = ServiceConfig(
        editor="looks",
        components=replace(Components(), candidates=settings.candidates),
        encoder=settings.encoder,
        ranker=settings.ranker,
        choices=settings.choices,
        workspace=settings.workspace,
    )
    service = build_service(service_config)
    try:
        user = str(settings.user)
        person = service.recommendations.posteriors.get(user)
        if not person.rounds:
            raise ConfigError(
                f"{user} has made no choices yet: ask first, as in beholder ask image={settings.images} user={user} editor=looks"
            )
        features = service.recommendations.features
        key = f"{user} {person.mark} {person.model} {len(features.candidates)} {written}"
        if service.encoder.config.looks:
            key += f" {look_encoder_key(service.encoder.config)}"
        whose = f"for {user}, after {person.rounds} choices"
        plan = made(key, whose, user=user, ranker=person.ranker, candidates=features.candidates, encoder=service.encoder.config)
        if not settings.one_look:
            return plan
        some = [photos[round(at)] for at in np.linspace(0, len(photos) - 1, min(_SAMPLE, len(photos)))]
        seen, predictor = [], DrawnEmbeddings(service.encoder)
        for row in some:
            try:
                pixels = images.decode(images.read(row["uri"]), limits=settings.limits)
                seen.append(editable(row["uri"], pixels, predictor))
            except ImageError:
                continue  # told when it is its turn
        if not seen:
            raise ImageError(f"{settings.images}: none of its files is a photo that can be read")
        best = best_look(person.ranker, user, seen, features)
        return made(f"{key} one {write(best.edit)}", f"{whose}: {look_words(best.edit)}", look=dict(best.edit))
    finally:
        service.close()


def look_words(look: Edit) -> str:
    """Return a look in words: warmer colours, slightly more open shadows."""
    return Vocabulary.of(look).caption(look)


def looks_in_words(looks: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what most photos got, in a line each: warmer colours on 180, brighter highlights on 64."""
    vocabulary = Vocabulary.of([*DIRECTIONS, *FACE_DIRECTIONS])
    moved = Counter((name, alpha > 0) for look in looks for name, alpha in look.items() if alpha)
    told = [f"{vocabulary.part(name, 1.5 if up else -1.5)} on {count:,}" for (name, up), count in moved.most_common(_MOVES)]
    untouched = sum(not any(look.values()) for look in looks)
    return [", ".join(told)] * bool(told) + [f"{untouched:,} left as they are: no look is surer to be liked"] * bool(untouched)


def _look_of(text: str) -> Edit:
    """Return the look of a preset's file, or of text. Raises EditError."""
    if text.endswith(".json"):
        return look_files.read_preset(Place.at(text).read_bytes(1 << 20).decode("utf-8", "replace"), source=text)
    look = parse(text, [*DIRECTIONS, *FACE_DIRECTIONS])
    faces, rest = face_look.split(look)
    for name, alpha in faces.items():
        low, high = FACE_DIRECTIONS[name].range
        if not low <= alpha <= high:
            raise EditError(f"{name}={alpha:g}: expected an alpha between {low:g} and {high:g}")
    check_range(rest)
    return look


def _develop(plan: LookPlan, rows: list[dict[str, str]], settings: ApplySettings) -> Iterator[dict[str, Any]]:
    with connect(settings.ray):
        quiet_data()
        nodes = _placement.nodes()
        cores = int(sum(node.get("CPU", 0) for node in nodes)) or 1
        actors = min(settings.actors or cores, len(rows))
        each: Any = DevelopPhoto  # Ray's types know functions only
        blocks = max(4 * actors, min(math.ceil(len(rows) / _TOGETHER), _BLOCKS))
        dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), blocks)).map(
            each, compute=ActorPoolStrategy(size=actors), num_cpus=0.9, fn_constructor_args=(plan,)
        )
        with Progress("apply", total=len(rows), unit="photos") as progress:
            for row in dataset.iter_rows():
                progress.advance(1)
                yield row


def _report(
    settings: ApplySettings, plan: LookPlan, photos: list[dict[str, str]], rows: list[dict[str, Any]], run: Run, *, seconds: float
) -> None:
    """Leave the contact sheet and the table, and print what was done."""
    failed = [row for row in rows if row["error"]]
    shown = [photos[round(at)] for at in np.linspace(0, len(photos) - 1, min(_SHEET, len(photos)))] if photos else []
    pairs = [pair for row in shown if (pair := _look_stages.thumbnails(plan, row)) is not None]
    sheet = Place.at(settings.out) / "contact-sheet.jpg"
    if pairs:
        sheet.write_bytes(images.encode(contact_sheet(pairs, title=f"Before and after, {plan.whose}"), format="JPEG", quality=88))
    if plan.look is not None:
        look_files.write_files(Place.at(settings.out), face_look.split(plan.look)[1], title=plan.whose)
    table = pd.DataFrame([{key: row[key] for key in ("name", "look", "probability", "seconds", "error", "note")} for row in rows])
    run.results(table)
    done = len(rows) - len(failed)
    run.metrics({"photos": len(photos), "developed": done, "failed": len(failed), "seconds": round(seconds, 2)})
    before = len(photos) - len(rows)
    lines = [f"{done} photos developed, {before} done before, {len(failed)} refused, in {seconds:.1f} s -> {settings.out}"]
    lines += [f"  {each}" for each in looks_in_words([json.loads(row["look"]) for row in rows if row["look"]])]
    lines += [f"  {row['name']}: {row['error']}" for row in failed[:_TOLD]]
    lines += [f"  and {len(failed) - _TOLD} more, in results.csv"] * (len(failed) > _TOLD)
    noted = [row for row in rows if row["note"]]
    lines += [f"  {row['name']}: {row['note']}" for row in noted[:_TOLD]]
    lines += [f"  and {len(noted) - _TOLD} more with something lost, in results.csv"] * (len(noted) > _TOLD)
    lines += [f"  before and after: {sheet.uri}"] * bool(pairs)
    lines += ["  the look as files, beside it: look.json (a preset), look.cube, look.xmp"] * (plan.look is not None)
    run.summary("# Looks applied\n\n```\n" + "\n".join(lines) + "\n```\n")
    print("\n".join(lines))

"""A study as participants and the researcher use it: the store, the pictures, and the workspace's tables together."""

import hashlib
import re
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from beholder import image_index, images, tables
from beholder.embedding import embeddings
from beholder.errors import BeholderError, ImageError, StudyError, UnknownStudy
from beholder.images import ImageLimits
from beholder.importing.score_scale import ScoreScale, as_row
from beholder.progress import Progress
from beholder.runs import log
from beholder.storage import Place
from beholder.studies import judgement_log
from beholder.studies.population_utility import fit_utilities, pair_information, taste_prior
from beholder.studies.stored_study import StoredStudy
from beholder.studies.study_config import RATINGS, StudyConfig
from beholder.studies.study_records import RecordedTrial, StudySession, StudyStatus, TrialAnswer
from beholder.studies.study_store import StudyStore
from beholder.studies.trial_assignment import Informations
from beholder.taste import taste_registry
from beholder.taste.gaussian import Gaussian
from beholder.workspace import Workspace

_FRESH_S = 3.0  # that a fit of all answers is used, at least


class StudyService:
    """Implements what the API's study routes ask. Safe to share between threads."""

    def __init__(self, store: StudyStore, workspace: Workspace) -> None:
        self.store, self.workspace = store, workspace
        self._fits: dict[str, tuple[float, Informations]] = {}
        self._priors: dict[str, dict[str, Gaussian]] = {}  # by study and attribute
        self._importing = threading.Lock()

    def describe(self, name: str) -> tuple[StoredStudy, str]:
        """Return a study, and whether it is new, open or closed."""
        return self.store.study(name), self.store.state(name)

    def join(self, name: str, event_id: str, lang: str, external_id: str) -> str:
        """Let somebody join; returns their token."""
        return self.store.join(name, event_id=event_id, lang=lang, external_id=external_id, now=_now())

    def session(self, name: str, token: str) -> StudySession:
        """Return where a participant is."""
        return self.store.session(name, token, now=_now(), information=self._information(name))

    def consent(self, name: str, token: str, lang: str) -> StudySession:
        """Keep a participant's consent."""
        self.store.consent(name, token, lang=lang, now=_now())
        return self.session(name, token)

    def form(self, name: str, token: str, part: str, answers: dict[str, str]) -> StudySession:
        """Keep a questionnaire."""
        return self.store.form(name, token, part=part, answers=answers, now=_now(), information=self._information(name))

    def answer(self, name: str, token: str, event_id: str, trial_id: str, answers: list[TrialAnswer], ago_ms: int) -> RecordedTrial:
        """Keep the answers to a trial, given so many milliseconds ago; when this returns, they are on disk."""
        now = _now()
        return self.store.answer(
            name, token, event_id=event_id, trial_id=trial_id, answers=answers, answered_at=now - timedelta(milliseconds=ago_ms),
            now=now, information=self._information(name),
        )  # fmt: skip

    def withdraw(self, name: str, token: str) -> int:
        """Remove everything of a participant, from the store, the tables and the tastes; returns how many answers there were."""
        with self._importing:
            user_id, trials = self.store.withdraw(name, token, now=_now())
            judgement_log.remove_answers(self.workspace, trials)
        taste_registry.forget(self.workspace.models, user_id)
        return sum(len(trial.answers) for trial in trials)

    def picture(self, name: str, token: str, picture: str) -> bytes:
        """Return a picture of the study as WebP, to somebody who takes part."""
        self.store.check_token(name, token)
        if not re.fullmatch(r"[0-9a-f]{24}", picture):
            raise UnknownStudy("there is no such picture")
        return (self._pictures(name) / f"{picture}.webp").read_bytes()

    def status(self, name: str) -> StudyStatus:
        """Return how far a study is."""
        return self.store.status(name, now=_now())

    def import_answers(self) -> int:
        """Write answers into the workspace's tables that are not there yet; returns how many trials."""
        with self._importing:
            return judgement_log.import_answers(self.store, self.workspace)

    def create(self, config: StudyConfig, *, limits: ImageLimits | None = None) -> int:
        """Make a study: its pictures, the rows of its images, itself; returns how many images. Cut off, it can be made again.

        Raises StudyConflict where there is one of its name, StudyError where an image can't be used, there are too few, or the
        workspace has ratings of an attribute on another scale.
        """
        if config.name in self.store.names():
            raise StudyError(f"there is a study {config.name!r} already; give another name")
        found = image_index.find_images(self.workspace, config.images or None)
        ids, uris = found["image_id"].to_pylist(), found["uri"].to_pylist()
        config.check_images(len(ids))
        scales = self._scales(config)
        if config.pairs.taste:
            self._taste_priors(config, ids)
        rows, pictures = [], []
        with Progress("pictures", total=len(ids), unit="images") as progress:
            for image_id, uri in zip(ids, uris, strict=True):
                try:
                    data = images.read(uri, limits=limits)
                    pixels = images.decode(data, limits=limits)
                except ImageError as error:
                    raise StudyError(f"image {image_id} can't be shown: {error}") from None
                height, width = pixels.shape[:2]
                picture = hashlib.sha256(f"{config.name}\0{image_id}".encode()).hexdigest()[:24]
                small = images.shrink(pixels, config.picture_px)
                (self._pictures(config.name) / f"{picture}.webp").write_bytes(images.encode(small, format="WEBP"))
                rows.append({"image_id": image_id, "uri": uri, "sha256": images.digest(data), "width": width, "height": height})
                pictures.append((image_id, picture))
                progress.advance()
        self.workspace.upsert("images", pa.Table.from_pylist(rows, schema=tables.IMAGES))
        if scales:
            self.workspace.upsert("scales", pa.Table.from_pylist(scales, schema=tables.SCALES))
        self.store.add(config, pictures, at=_now())
        return len(rows)

    def _scales(self, config: StudyConfig) -> list[dict[str, Any]]:
        """Return the rows of the table `scales` that a study's ratings are on."""
        if RATINGS not in config.blocks:
            return []
        scale = ScoreScale(config.ratings.low, config.ratings.high)
        stored = {row["attribute"]: row for row in self.workspace.read("scales").to_pylist()}
        names = [question.attribute for question in config.questions]
        for name in names:
            row = stored.get(name)
            if row is None:
                continue
            same = (row["low"], row["high"]) == (scale.low, scale.high)
            within = scale.low <= row["low"] and row["high"] <= scale.high
            if not same and (row["declared"] or not within):
                raise StudyError(
                    f"{name} is on a scale of {row['low']:g}..{row['high']:g} in {self.workspace.place.uri}, and this study's "
                    f"ratings of {scale}: expected the same; change ratings.low and ratings.high, or take another workspace"
                )
        return [as_row(name, scale, declared=True) for name in names]

    def _pictures(self, name: str) -> Place:
        return self.workspace.place / "studies" / name / "pictures"

    def _taste_priors(self, config: StudyConfig, image_ids: Sequence[str]) -> dict[str, Gaussian]:
        """Return what the taste that a study names says of its images, by attribute.

        Raises TasteError where there is no such taste, StudyError where it does not know the study's attributes or images.
        """
        taste = taste_registry.read(self.workspace.models, config.pairs.taste).taste
        info, names = taste.info, [question.attribute for question in config.questions]
        if info.takes != "embeddings":
            raise StudyError(f"taste {config.pairs.taste} looks at pixels; pairs.taste needs one of embeddings")
        if strange := [name for name in names if name not in info.attributes]:
            raise StudyError(
                f"taste {config.pairs.taste} does not know {strange[0]}; it knows {', '.join(info.attributes)}: "
                "take another pairs.taste, or none"
            )
        table = embeddings.read(self.workspace.embeddings(info.encoder_id))
        row = {image_id: number for number, image_id in enumerate(table.image_ids)}
        if missing := [image_id for image_id in image_ids if image_id not in row]:
            raise StudyError(
                f"{len(missing)} of {len(image_ids)} images, such as {missing[0]}, have no embedding of {info.encoder_id}, which "
                f"pairs.taste={config.pairs.taste} needs; beholder embed images={config.images or 'FOLDER'} makes them"
            )
        vectors = table.vectors[[row[image_id] for image_id in image_ids]]
        return {name: taste_prior(taste, vectors, name) for name in names}

    def _prior(self, study: StoredStudy) -> dict[str, Gaussian]:
        """Return what a study's taste says of its images, by attribute; nothing where it has none, or the taste is gone by now."""
        if study.config.pairs.taste and study.name not in self._priors:
            try:
                self._priors[study.name] = self._taste_priors(study.config, [image_id for image_id, _ in study.images])
            except BeholderError as error:
                log.warning("study %s: pairs are chosen by its answers alone: %s", study.name, error)
                self._priors[study.name] = {}
        return self._priors.get(study.name, {})

    def _information(self, name: str) -> Informations | None:
        """Return by attribute how much each pair's answer would say, from all answers until a moment ago; None where no pair is
        chosen by it."""
        study = self.store.study(name)
        if study.config.pairs.choose != "active" or not study.config.pairs.per_person:
            return None
        fitted = self._fits.get(name)
        if fitted is None or time.monotonic() > fitted[0]:
            began = time.monotonic()
            said, prior = self.store.pair_answers(name), self._prior(study)
            information = {
                each.attribute: pair_information(
                    fit_utilities(len(study.images), said.get(each.attribute, ()), prior.get(each.attribute))
                )
                for each in study.config.questions
            }
            took = time.monotonic() - began
            fitted = self._fits[name] = (time.monotonic() + max(_FRESH_S, 20 * took), information)
        return fitted[1]


def _now() -> datetime:
    return datetime.now(UTC)

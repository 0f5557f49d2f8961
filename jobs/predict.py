"""`beholder predict`: a taste of the registry -> images scored and ranked for a person, on an attribute or a question in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import identifiers, image_index, images
from beholder.config import required, setting
from beholder.embedding import embeddings
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, ImageError, StorageError, TasteError
from beholder.images import ImageLimits
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect, quiet_data
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.taste import taste_factory, taste_registry
from beholder.taste.contract import Normal, Taste
from beholder.taste.image_effects import EffectEstimate
from beholder.taste.taste_registry import StoredTaste
from beholder.workspace import Workspace

_BATCH = 64  # images that are decoded and scored together


@dataclass(frozen=True)
class PredictSettings:
    common: ClassVar[tuple[str, ...]] = (
        "taste",
        "user",
        "attribute",
        "question",
        "images",
        "top",
        "sure",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder predict taste=bayes user=anna attribute=attractive",
        'beholder predict taste=lora images=photos "question=a face that I would trust" top=20',
    )
    taste: str = required("the taste's name in the registry")
    user: str | None = setting(None, "the person whose taste is asked; null, or one that it does not know: the population's")
    attribute: str | None = setting(None, "the attribute to score by, of those that the taste was fitted to")
    question: str | None = setting(None, 'instead of an attribute, any words such as "looks friendly", where the taste takes words')
    images: str | None = setting(
        None, "image ids with commas between, or a folder, glob, .parquet list or prefix; null: all of the workspace"
    )
    crowd: bool = setting(True, "add what other people's judgements say of an image, where the taste has learned it")
    sure: float | None = setting(
        None, "answer, yes or no, only for images that the person prefers to the median one, or not, with at least this probability"
    )
    top: int = setting(10, "how many of the best and of the worst are shown")
    cluster_from: int = setting(2000, "images from which on Ray Data spreads the work, where the taste needs pixels")
    actors: int = setting(0, "processes that then hold the model; 0 is one per GPU, or one per core where there is no GPU")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that the taste was trained with")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if (self.attribute is None) == (self.question is None):
            raise ConfigError('predict needs either attribute=NAME or question="any words"')
        if self.sure is not None and not 0.5 <= self.sure < 1:
            raise ConfigError(f"sure is a probability from 0.5 to below 1, got {self.sure}")
        if min(self.top, self.cluster_from) < 1 or self.actors < 0:
            raise ConfigError(f"expected top, cluster_from >= 1, actors >= 0; got {self.top}, {self.cluster_from}, {self.actors}")


@dataclass(frozen=True)
class ImageUtilities:
    """Images with their utilities and, where the taste knows it, the variance of their difference from the best one.

    reserved: what the processes that computed them had of Ray's cluster, if any did. effect: what others' judgements added to each
    utility; None where nothing was asked of them. spread: the variance of the difference from the image of the median utility.
    """

    image_ids: list[str]
    utility: np.ndarray
    variance: np.ndarray | None = None
    reserved: dict[str, float] = field(default_factory=dict)
    effect: EffectEstimate | None = None
    spread: np.ndarray | None = None

    def median(self) -> int:
        """Return the row of the image of the median utility."""
        return int(np.argsort(self.utility, kind="stable")[(len(self.utility) - 1) // 2])

    def probability(self) -> np.ndarray:
        """Return P(the person prefers each image to the median one), float64 [N]."""
        mean = np.asarray(self.utility - self.utility[self.median()], np.float64)
        return Normal(mean, np.zeros_like(mean) if self.spread is None else self.spread).probability()

    def warm(self, stored: StoredTaste, taste: Taste | None, user: str, asked: str) -> "ImageUtilities":
        """Return the utilities with the effects of images that others have judged; as they are where the taste has learned none.

        taste: the stored one; None for one that takes pixels.
        """
        if stored.effects is None:
            return self
        effect = stored.effects.of(self.image_ids, asked, taste, user)
        return replace(self, utility=self.utility + effect.mean, effect=effect)


def main(settings: PredictSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    check_question(settings, workspace.models)
    encoder_id = settings.encoder_id or settings.encoder.encoder_id()
    stored = taste_registry.stored(workspace.models, settings.taste, encoder_id=encoder_id)
    asked = str(settings.question if settings.attribute is None else settings.attribute)
    user = settings.user or ""
    if user and user not in stored.info.people:
        log.warning("taste %s does not know %s: these are the population's utilities", settings.taste, user)
    listed = find(workspace, settings.images, roots=settings.limits.roots)
    if stored.info.takes == "pixels":
        scored = from_pixels(stored, listed, user, asked, settings)
    else:
        scored = from_embeddings(stored, listed, user, asked, workspace, settings)
    report(run, scored, settings, asked, refused=listed.num_rows - len(scored.image_ids))


def check_question(settings: PredictSettings, models: Place) -> None:
    """Refuse an attribute the taste was not fitted to, and words where it takes none, naming the tastes that do."""
    info = taste_registry.info(models, settings.taste)
    if settings.attribute is not None:
        info.attribute(settings.attribute)
    elif info.kind not in taste_factory.QUESTION_KINDS:
        kinds = taste_factory.QUESTION_KINDS
        able = [name for name in taste_registry.names(models) if taste_registry.info(models, name).kind in kinds]
        known = f"here {', '.join(able)} can" if able else f"train one that can: beholder train taste={kinds[0]}"
        raise TasteError(
            f"taste {settings.taste!r} ({info.kind}) knows the attributes {', '.join(info.attributes)} and can't answer "
            f"a question in words; {known}"
        )


def find(workspace: Workspace, source: str | None, *, roots: Sequence[str] | None = None) -> pa.Table:
    """image_id and uri of the images meant: ids of the workspace with commas between, or whatever `image_index.find` takes."""
    if source is not None:
        known = workspace.read("images").select(["image_id", "uri"])
        names = [name.strip() for name in source.split(",")]
        rows = {image_id: row for row, image_id in enumerate(known["image_id"].to_pylist())}
        if all(name in rows for name in names):
            return known.take(pa.array([rows[name] for name in dict.fromkeys(names)], pa.int64()))
    return image_index.find_images(workspace, source, roots=roots)


def from_embeddings(
    stored: StoredTaste, listed: pa.Table, user: str, asked: str, workspace: Workspace, settings: PredictSettings
) -> ImageUtilities:
    """Return utilities from the table of embeddings; the few images that are not in it are embedded here."""
    taste = stored.load().taste
    folder = workspace.embeddings(taste.info.encoder_id)
    ids = listed["image_id"].to_pylist()
    vectors: dict[str, np.ndarray] = {}
    if embeddings.current(folder, workspace.read("images")):
        table = embeddings.read(folder)
        vectors = dict(zip(table.image_ids, table.vectors, strict=True))
    missing = listed.filter(pa.array([image_id not in vectors for image_id in ids], pa.bool_()))
    if missing.num_rows and settings.encoder_id:
        raise TasteError(f"{missing.num_rows} of {len(ids)} images have no embedding under {settings.encoder_id}")
    if missing.num_rows >= settings.cluster_from:
        raise TasteError(
            f"{missing.num_rows} of {len(ids)} images have no embedding; beholder embed makes them on all cores and GPUs"
        )
    if missing.num_rows:
        encoder = Encoder.load(settings.encoder)
        with Progress("embed", total=missing.num_rows, unit="images") as progress:
            for some, pixels in decoded(missing, settings):
                vectors.update(zip(some, encoder.images(pixels), strict=True))
                progress.advance(len(some))
    kept = [image_id for image_id in ids if image_id in vectors]
    if not kept:
        raise TasteError("none of the images could be read")
    items = np.stack([vectors[image_id] for image_id in kept])
    scored = ImageUtilities(kept, taste.utilities(items, [user], asked)[0])
    if settings.crowd:
        scored = scored.warm(stored, taste, user, asked)
    rows = int(np.argmax(scored.utility)), scored.median()
    best, median = (np.repeat(items[row : row + 1], len(items), axis=0) for row in rows)
    variance, spread = (taste.differences(items, each, user, asked).variance for each in (best, median))
    return replace(scored, variance=variance if variance.any() else None, spread=spread)


def from_pixels(stored: StoredTaste, listed: pa.Table, user: str, asked: str, settings: PredictSettings) -> ImageUtilities:
    """Return utilities by a taste that takes pixels: in this process, or with Ray Data where there are many images."""
    ids: list[str] = []
    utility: list[np.ndarray] = []
    reserved: dict[str, float] = {}
    with Progress("predict", total=listed.num_rows, unit="images") as progress:
        if listed.num_rows < settings.cluster_from:
            taste = stored.load(device=settings.encoder.device).taste
            for some, pixels in decoded(listed, settings):
                ids += some
                utility.append(taste.utilities(pixels, [user], asked)[0])
                progress.advance(len(some))
        else:
            with connect(settings.ray):
                for batch in spread(stored, listed, user, asked, settings):
                    ids += batch["image_id"].to_pylist()
                    utility.append(batch["utility"].to_numpy())
                    had = {f"reserved.{name}": batch[name].to_pylist()[0] for name in ("cpus", "gpus") if batch.num_rows}
                    reserved |= {name: max(value, reserved.get(name, 0.0)) for name, value in had.items()}
                    progress.advance(batch.num_rows)
    if not ids:
        raise TasteError("none of the images could be read")
    scored = ImageUtilities(ids, np.concatenate(utility), reserved=reserved)
    if settings.crowd:
        scored = scored.warm(stored, None, user, asked)
    return scored


def spread(stored: StoredTaste, listed: pa.Table, user: str, asked: str, settings: PredictSettings) -> Iterator[pa.Table]:
    """Yield batches of image_id and utility, and of what was reserved, from actors that hold the taste.

    Raises ConfigError where the encoder's device is a GPU and no node has one.
    """
    import ray.data
    from ray.data import ActorPoolStrategy

    from beholder.jobs import _placement

    quiet_data()
    device = settings.encoder.device
    nodes = _placement.nodes()
    if device not in ("auto", "cpu") and not _placement.gpus(nodes, device):
        raise ConfigError(
            f"encoder.device={device} needs a GPU, but none of the {len(nodes)} nodes of this Ray has one; "
            "set encoder.device=cpu, or name a Ray with GPUs by ray.address"
        )
    placement = _placement.Placement.of(nodes, device=device, items=math.ceil(listed.num_rows / _BATCH), actors=settings.actors)
    dataset = ray.data.from_arrow(listed).map_batches(
        ScoreImages,
        batch_size=_BATCH,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=placement.actors),
        num_cpus=placement.num_cpus,
        num_gpus=placement.num_gpus,
        fn_constructor_args=(placement.threads, ray.put(stored), user, asked, settings),
    )
    yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow")


class ScoreImages:
    """An actor: rows of image_id and uri -> image_id and utility; unreadable images are left out."""

    def __init__(self, threads: int, stored: Any, user: str, asked: str, settings: PredictSettings):
        import ray
        import torch

        from beholder.jobs import _reservation

        reserved = _reservation.begin()
        torch.set_num_threads(threads)
        device = settings.encoder.device.partition(":")[0] if reserved.num_gpus else "cpu"
        self.taste: Taste = ray.get(stored).load(device=device).taste
        self.user, self.asked, self.settings = user, asked, settings
        self.reserved = {"cpus": reserved.num_cpus, "gpus": reserved.num_gpus}

    def __call__(self, batch: pa.Table) -> pa.Table:
        rows: dict[str, list[Any]] = {"image_id": [], "utility": []}
        for some, pixels in decoded(batch, self.settings):
            rows["image_id"] += some
            rows["utility"] += self.taste.utilities(pixels, [self.user], self.asked)[0].tolist()
        had = {name: [value] * len(rows["image_id"]) for name, value in self.reserved.items()}
        reserved = [(name, pa.float64()) for name in had]
        return pa.table(rows | had, schema=pa.schema([("image_id", pa.string()), ("utility", pa.float32()), *reserved]))


def decoded(listed: pa.Table, settings: PredictSettings) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield batches of image_ids and pixels uint8 [N, S, S, 3], as the encoder takes them; unreadable ones are left out."""
    fit = settings.encoder.resolved().fit
    for start in range(0, listed.num_rows, _BATCH):
        ids, pixels = [], []
        for row in listed.slice(start, _BATCH).to_pylist():
            try:
                data = images.read(row["uri"], limits=settings.limits)
                pixels.append(images.decode_fit(data, fit, limits=settings.limits))
                ids.append(row["image_id"])
            except (ImageError, StorageError) as error:
                log.warning("%s is left out: %s", row["image_id"], error)
        if ids:
            yield ids, np.stack(pixels)


def report(run: Run, scored: ImageUtilities, settings: PredictSettings, asked: str, *, refused: int) -> None:
    """results.csv, best first; summary.md with both ends; the best on the terminal."""
    frame = pd.DataFrame({"image_id": scored.image_ids, "utility": scored.utility})
    if scored.variance is not None:
        frame["variance"] = scored.variance
    if settings.sure is not None:
        chance = scored.probability()
        frame["probability"] = chance
        frame["answer"] = np.select([chance >= settings.sure, chance <= 1 - settings.sure], ["yes", "no"], "")
    if scored.effect is not None:
        frame["effect"], frame["judges"] = scored.effect.mean, scored.effect.people
    frame = frame.sort_values(["utility", "image_id"], ascending=[False, True], ignore_index=True)
    frame.insert(2, "rank", np.arange(1, len(frame) + 1))
    run.results(frame)
    spread_of = float(frame["utility"].std(ddof=0))
    run.metrics({"images": len(frame), "images.refused": refused, "utility.spread": spread_of, **scored.reserved})
    who = settings.user or "the population"
    lines = [
        f"# {asked}, as {who} sees it",
        "",
        f"{len(frame)} images by taste `{settings.taste}`. A difference of 1 in utility is",
    ]
    lines[-1] += " odds of e to 1." + (" variance: of the difference from the best image." if scored.variance is not None else "")
    if settings.sure is not None:
        counts = frame["answer"].value_counts()
        lines += [
            "",
            f"Preferred to the median image with a probability of {settings.sure:.0%} or more: {counts.get('yes', 0)} yes, "
            f"{counts.get('no', 0)} no, {counts.get('', 0)} without an answer.",
        ]
    if scored.effect is not None:
        judged = int((scored.effect.people > 0).sum())
        lines += [
            "",
            f"{judged} of them were judged by others: effect is what that adds to the utility, judges how many these are.",
        ]
    shown = min(settings.top, len(frame))
    for title, part in ((f"Top {shown}", frame.head(shown)), (f"Bottom {shown}", frame.tail(shown))):
        cells = zip(part["rank"], part["image_id"], part["utility"].map("{:.3f}".format), strict=True)
        lines += ["", f"## {title}", "", *markdown_table(["rank", "image", "utility"], cells, align="rlr")]
    run.summary("\n".join(lines) + "\n")
    print(identifiers.shown(f"{asked}, as {who} sees it: the best {shown} of {len(frame)}"))
    print(identifiers.shown(frame.head(shown).round(4).to_string(index=False)))

"""FittedTaste: everybody's taste as a program uses it: utilities, probabilities, one more choice, a folder to keep it in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import artifacts, tables
from beholder.encoder import EncoderConfig
from beholder.errors import InputError, TasteError, nearest
from beholder.interface.embedding_input import EmbeddedImages, image_text, read_embeddings, read_items
from beholder.interface.judgement_input import read_judgements
from beholder.interface.labels import Labels, text_of, texts_of, unknown
from beholder.interface.table_input import frame
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.taste.contract import OnlineTaste, Taste
from beholder.taste.person_shards import ShardedPeople
from beholder.taste.shrinkage import POPULATION, ShrunkTaste, Weights

_NOT_SURE = "taste={!r} does not say how sure it is; taste='bayes' does"
_IMAGES = "images.parquet"  # the embeddings beside a taste
_CHOICES = {tables.LEFT: 1.0, tables.RIGHT: 0.0, tables.TIE: 0.5}


class FittedTaste:
    """Everybody's taste, as `bh.fit` returns it and `bh.load` reads it back.

    people, attributes: whom and what it was fitted to; images: those that it has embeddings of. Utilities are in logits: a
    difference of 1 between two images is odds of e to 1 that the person chooses the first.
    """

    def __init__(
        self,
        taste: Taste,
        images: EmbeddedImages | None,
        people: Labels,
        *,
        trust: Weights | None = None,
        judgements: int = 0,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """trust: how far each person is served their own taste, by attribute; config: what it was fitted with, for its card."""
        self.taste: Taste = taste
        self.trust: Weights = trust or {}
        self.judgements = judgements
        self._images, self._people, self._config = images, people, dict(config or {})

    @property
    def kind(self) -> str:
        """The kind of taste: bayes, population, mlp, ..."""
        return self.taste.info.kind

    @property
    def people(self) -> list[Any]:
        """The people whom it knows, by the ids that were given."""
        return self._people.all(self.taste.info.people)

    @property
    def attributes(self) -> list[str]:
        """What was judged."""
        return list(self.taste.info.attributes)

    @property
    def images(self) -> list[Any]:
        """The images that it has embeddings of, by the ids that were given."""
        return [] if self._images is None else self._images.labels.all(self._images.ids)

    @property
    def embeddings(self) -> pd.DataFrame:
        """The embeddings of these images, a row each. Raises TasteError where it was loaded without any, or looks at pixels."""
        if self._takes_pixels:
            raise TasteError(f"taste={self.kind!r} looks at pixels and has no embeddings: bh.embed(images) makes some")
        return self._known().frame()

    def predict(self, user: Any = None, images: Any = None, *, attribute: str | None = None) -> Any:
        """Return the utility of images for people.

        user: an id, or a list of them; None: what everybody shares. images: an id or a list of them, or embeddings of any images
        (an array [M, D] or a DataFrame), for taste="lora" pictures; None: all that the taste knows. attribute: needed where several
        things were judged.

        Returns a Series by image; for a list of people a DataFrame with a column for each; for one person and one id a float.
        Raises InputError for somebody or an image that it does not know, naming the nearest.
        """
        vectors, index = self._items(images)
        name = self._attribute(attribute)
        several = isinstance(user, (list, tuple, set, np.ndarray, pd.Series, pd.Index))
        users = list(user) if several else [user]
        utilities = self._served.utilities(vectors, [self._person(each) for each in users], name).astype(np.float64)
        if several:
            return pd.DataFrame(utilities.T, index=index, columns=pd.Index(users, name="user_id"))
        if _is_one(images) and index is not None:
            return float(utilities[0, 0])
        return pd.Series(utilities[0], index=index, name=name)

    def probability(self, user: Any, left: Any, right: Any, *, attribute: str | None = None) -> Any:
        """Return the probability that a person chooses the left image, allowing for how sure the taste is.

        left, right: an id each, or as many; or embeddings. user: None: of somebody unknown. Returns a float for two ids, else an
        array [N] in 0..1.
        """
        one, _ = self._items(left)
        other, _ = self._items(right)
        if len(one) != len(other) and 1 not in (len(one), len(other)):
            raise InputError(f"left has {len(one)} images, right {len(other)}: expected as many, or one")
        count = max(len(one), len(other))
        one, other = (np.broadcast_to(each, (count, *each.shape[1:])) for each in (one, other))
        name = self._attribute(attribute)
        chance = self._served.differences(one, other, self._person(user), name).probability().astype(np.float64)
        return float(chance[0]) if _is_one(left) and _is_one(right) else chance

    def uncertainty(self, user: Any = None, images: Any = None, *, attribute: str | None = None) -> Any:
        """Return how unsure the taste is of each image: the standard deviation of its utility beside that of an average image.

        Arguments and what is returned are those of `predict`, for one person. Raises TasteError for a kind that does not know it.
        """
        if self._takes_pixels:
            raise TasteError(_NOT_SURE.format(self.kind))
        vectors, index = self._items(images)
        middle = (vectors if self._images is None else self._images.vectors).mean(axis=0, keepdims=True)
        name, person = self._attribute(attribute), self._person(user)
        variance = self._served.differences(vectors, np.broadcast_to(middle, vectors.shape), person, name).variance
        if not variance.any():
            raise TasteError(_NOT_SURE.format(self.kind))
        spread = np.sqrt(variance.astype(np.float64))
        return float(spread[0]) if _is_one(images) else pd.Series(spread, index=index, name=name)

    def choose(self, event: Any = None, **fields: Any) -> "FittedTaste":
        """Learn one more choice, in place, and return the taste itself; or several: a table of comparisons.

        event: a dict with user_id, left_id, right_id, choice (left, right, tie or the chosen image's id) and attribute where there
        are several; or the same as keywords. Somebody new is known from then on. Raises TasteError for a kind that can't learn on.
        """
        if not isinstance(self.taste, OnlineTaste):
            raise TasteError(f"taste={self.kind!r} is fitted in one go: fit it again with the new choices, or take taste='bayes'")
        if event is not None and fields:
            raise InputError("expected one event, or its fields as keywords, got both")
        one = event is None or (isinstance(event, Mapping) and isinstance(event.get("choice"), (str, int)))
        if event is None and not fields:
            raise InputError("expected a choice: .choose(user_id=..., left_id=..., right_id=..., choice='left')")
        table = frame([event if event is not None else fields] if one else event, name="event")
        if "attribute" not in table.columns:
            table = table.assign(attribute=self._attribute(None))
        judged = read_judgements(comparisons=table)
        known, learned = self._known(), judged.comparisons.to_pylist()
        rows = [known.rows([row["left_id"], row["right_id"]]) for row in learned]
        for row in learned:
            self._attribute(row["attribute"])  # all is checked before any of it is learned
        for row, (left, right) in zip(learned, rows, strict=True):
            self._meet(row["user_id"])
            choice = _CHOICES[row["choice"]]
            self.taste.update(known.vectors[left], known.vectors[right], choice, row["user_id"], row["attribute"])
        self._people = self._people.join(judged.people)
        self.judgements += len(judged)
        return self

    def save(self, path: str | Path, *, embeddings: bool = True) -> Path:
        """Write the taste into a folder, in the place of one that is there, and return its path.

        In a workspace's models/ it can be served (`beholder serve components.taste=NAME`). embeddings: also those of its images, so
        that `bh.load` knows them (pixels are not kept). Names of people are in it. Raises StorageError where it can't be written.
        """
        if isinstance(self.taste.info.people, ShardedPeople):
            raise TasteError("this taste's people lie in shards of the workspace that it was loaded from, and stay there")
        folder = Place.at(str(path).rstrip("/"))
        models = Place.at(folder.uri.rpartition("/")[0] or "/")
        if folder.is_local and Path(folder.path).is_dir() and not (folder / artifacts.CARD).is_file() and any(folder.files()):
            raise InputError(f"{path} is a folder with other files in it, and no taste; name a new folder")
        given = {"people": self._people.numbers, "images": self._images is not None and self._images.labels.numbers}
        config = {**self._config, "judgements": self.judgements, "numbers": given}
        taste_registry.write(models, folder.name, self.taste, figures={}, config=config, commit=None, trust=self.trust)
        if embeddings and self._images is not None and not self._takes_pixels:
            tables.write(folder / _IMAGES, _embedding_table(self._images), metadata={"encoder_id": self._images.encoder_id})
        return Path(path)

    def __repr__(self) -> str:
        people, images = len(self.taste.info.people), len(self.images)
        counts = f"{people:,} {'person' if people == 1 else 'people'}, {images:,} image{'s' * (images != 1)}"
        return f"<FittedTaste {self.kind}: {counts}, {', '.join(self.attributes)}>"

    def _repr_html_(self) -> str:
        trust = [weight for people in dict(self.trust).values() if isinstance(people, dict) for weight in people.values()]
        rows = {
            "people": f"{len(self.taste.info.people):,}",
            "images": f"{len(self.images):,}",
            "attributes": ", ".join(self.attributes),
            "judgements": f"{self.judgements:,}",
            "embeddings": self.taste.info.encoder_id,
            **({"served their own taste": f"{np.mean(trust):.0%} on average"} if trust else {}),
        }
        cells = "".join(f"<tr><th style='text-align:left'>{key}</th><td>{escape(text)}</td></tr>" for key, text in rows.items())
        return f"<table><caption>Taste <b>{escape(self.kind)}</b></caption>{cells}</table>"

    @property
    def _served(self) -> Taste:
        return ShrunkTaste(self.taste, self.trust) if self.trust else self.taste

    @property
    def _takes_pixels(self) -> bool:
        return self.taste.info.takes == "pixels"

    def _known(self) -> EmbeddedImages:
        if self._images is None and self._takes_pixels:
            raise TasteError("this taste was loaded without its images: bh.load(path, images=FOLDER), or ask it of pictures")
        if self._images is None:
            raise TasteError("this taste was loaded without embeddings of images: bh.load(path, embeddings=bh.embed(images))")
        return self._images

    def _attribute(self, name: str | None) -> str:
        known = self.attributes
        if name is None and len(known) > 1:
            raise InputError(f"this taste has {len(known)} attributes: give attribute={known[0]!r} (or {', '.join(known[1:])})")
        if name is not None and name not in known:
            raise InputError(f"attribute={name!r} was not judged{nearest(str(name), known)}")
        return name or known[0]

    def _person(self, user: Any) -> str:
        """Return the text of a person's id; of None, the population's. Raises InputError for somebody unknown."""
        if user is None:
            return POPULATION
        text = text_of(user, what="user")
        if self.taste.info.rows([text])[0] < 0:
            raise InputError(
                f"{unknown(text, list(self.taste.info.people), what='person', whom='this taste')}; "
                "user=None is what everybody shares, .choose(...) makes somebody new known"
            )
        return text

    def _meet(self, text: str) -> None:
        """Let somebody new be known."""
        info = self.taste.info
        if info.rows([text])[0] >= 0:
            return
        people = info.people.joined((text,)) if isinstance(info.people, ShardedPeople) else (*info.people, text)
        self.taste.info = replace(info, people=people)  # type: ignore[misc]  # an attribute of those that learn on

    def _items(self, images: Any) -> tuple[np.ndarray, pd.Index | None]:
        """Return the embeddings [M, D] of ids, of embeddings themselves, or of all, and their index."""
        if images is None:
            known = self._known()
            return known.vectors, pd.Index(known.labels.all(known.ids), name="image_id")
        if self._takes_pixels and not self._are_ids(images):
            shown = _read_pixels(self.taste, images)
            return shown.vectors, pd.Index(shown.labels.all(shown.ids), name="image_id")
        width = self._images.vectors.shape[1] if self._images is not None else _width(images)
        found = None if self._takes_pixels else read_items(images, width)
        if found is not None:
            return found
        known = self._known()
        labels = [images] if _is_one(images) else list(images)
        if not labels:
            raise InputError("images: expected at least one, got none")
        texts = texts_of(labels, what="images") if len(labels) > 1 else [image_text(labels[0])]
        return known.vectors[known.rows(texts)], pd.Index(labels, name="image_id")

    def _are_ids(self, images: Any) -> bool:
        """Tell whether ids of known images were given, where pictures may be given as well."""
        labels = [images] if _is_one(images) else images if isinstance(images, (list, tuple)) else []
        plain = bool(labels) and all(isinstance(each, (str, int)) for each in labels)
        return plain and self._images is not None and {str(each) for each in labels} <= set(self._images.ids)


def load(path: str | Path, *, embeddings: Any = None, images: Any = None) -> FittedTaste:
    """Read a taste that `FittedTaste.save` or `beholder train` wrote.

    path: its folder, such as "my-taste" or "workspace/models/bayes". embeddings, images: of the images to ask it about, as `bh.fit`
    takes them, where they were not saved with it. Raises TasteError where there is no readable taste, and for embeddings of another
    encoder than it was fitted to.

    >>> import tempfile, numpy as np
    >>> from beholder.interface.fitting import fit
    >>> rows = [dict(user_id="ana", image_id=number, score=number) for number in range(10)]
    >>> taste = fit(rows, embeddings=np.eye(10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = load(taste.save(folder + "/taste"))
    >>> back
    <FittedTaste bayes: 1 person, 10 images, preference>
    """
    folder = Place.at(str(path).rstrip("/"))
    if not (folder / artifacts.CARD).is_file():
        raise TasteError(
            f"{path} holds no taste: expected a folder that FittedTaste.save or beholder train wrote, with a {artifacts.CARD}"
        )
    entry = taste_registry.read(Place.at(folder.uri.rpartition("/")[0] or "/"), folder.name)
    served = entry.taste
    inner, trust = (served.taste, served.weights) if isinstance(served, ShrunkTaste) else (served, {})
    numbers = entry.card.get("config", {}).get("numbers", {})
    known: EmbeddedImages | None
    if inner.info.takes == "pixels":
        if embeddings is not None:
            raise InputError(f"{path} holds a taste that looks at pixels: give images=, pictures, and no embeddings")
        known = None if images is None else _read_pixels(inner, images)
    elif embeddings is not None:
        known = read_embeddings(embeddings, images)
    else:
        known = _read_images(folder, numbers=bool(numbers.get("images")))
    if known is not None and known.encoder_id not in (inner.info.encoder_id, "given") and inner.info.encoder_id != "given":
        raise TasteError(f"{path} was fitted to embeddings of {inner.info.encoder_id}, not of {known.encoder_id}")
    people = Labels(numbers=bool(numbers.get("people")))
    config = entry.card.get("config", {})
    return FittedTaste(inner, known, people, trust=trust, judgements=int(config.get("judgements", 0)), config=config)


def _is_one(images: Any) -> bool:
    """Tell whether one id was given, and not several or embeddings."""
    return images is not None and (isinstance(images, (str, Path)) or not hasattr(images, "__len__"))


def _read_pixels(taste: Taste, images: Any) -> EmbeddedImages:
    """Return pictures as the encoder of a taste of pixels is shown them."""
    from beholder.interface.image_embedding import read_pixels

    return read_pixels(images, EncoderConfig(**dict(taste.settings())["encoder"]))


def _width(images: Any) -> int:
    shape = getattr(images, "shape", None)
    return int(shape[-1]) if shape else 0


def _embedding_table(images: EmbeddedImages) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(images.vectors.reshape(-1)), images.vectors.shape[1])
    columns: Sequence[pa.Array] = (pa.array(images.ids, pa.string()), vectors)
    return pa.table(dict(zip(("image_id", "embedding"), columns, strict=True)))


def _read_images(folder: Place, *, numbers: bool) -> EmbeddedImages | None:
    place = folder / _IMAGES
    if not place.is_file():
        return None
    with place.open() as file:
        table = tables.open_parquet(file, place.uri).read()
    ids = tuple(table["image_id"].to_pylist())
    column = table["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), -1).astype(np.float32)
    encoder_id = (table.schema.metadata or {}).get(b"encoder_id", b"given").decode()
    return EmbeddedImages(ids, vectors, Labels(numbers=numbers), encoder_id)

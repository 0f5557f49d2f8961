"""Estimators: tastes as scikit-learn has regressors and classifiers, for its pipelines, searches and cross-validation.

They follow its conventions without inheriting from it: this module doesn't import scikit-learn, which is imported where matrices
are checked as it checks them, and where it asks for an estimator's tags.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from beholder.errors import InputError
from beholder.interface.embedding_input import EmbeddedImages
from beholder.interface.fitted_taste import FittedTaste
from beholder.interface.fitting import fit_dataset, known_images
from beholder.interface.judgement_input import read_judgements
from beholder.interface.labels import Labels, text_of
from beholder.interface.named_settings import TASTE, Settings, taste_config
from beholder.interface.table_input import frame
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.shrinkage import POPULATION
from beholder.taste.taste_factory import TasteConfig

ME = "me"  # who judged, where no column says so
_CLASSES = np.array(["left", "right"])


class _Estimator:
    """What both have: parameters by name, as scikit-learn's `clone` and searches read and set them."""

    taste_: FittedTaste

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name and return the estimator. Raises InputError (a ValueError) for one that it has not got."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(f"Invalid parameter {name!r} for estimator {self!r}; known: {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "taste_")

    def __repr__(self) -> str:
        defaults = {name: each.default for name, each in inspect.signature(type(self)).parameters.items()}
        given = {name: value for name, value in self.get_params().items() if value is not defaults[name]}
        words = [f"{name}={'...' if name == 'embeddings' else repr(value)}" for name, value in given.items()]
        return f"{type(self).__name__}({', '.join(words)})"

    def _check_fitted(self) -> None:
        if not hasattr(self, "taste_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit(X, y) first")

    def _tags(self, kind: str) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=True),
            regressor_tags=RegressorTags() if kind == "regressor" else None,
            classifier_tags=ClassifierTags(multi_class=False) if kind == "classifier" else None,
            input_tags=InputTags(),
        )


class TasteRegressor(_Estimator):
    """A taste as a regressor of scores: X says who rated which image, y is the score.

    X is one of two things. A table (of pandas, polars, ...) with image_id, and user_id and attribute where there are several; then
    `embeddings` has those images, as `bh.fit` takes them. Or a matrix [n, D] of what is known of each image, for use behind other
    steps of a pipeline; then all scores are one person's. Somebody who is not in the training data gets what everybody shares.

    embeddings: of the images. taste: bayes, population, mlp, ...; settings: what differs from it. held_out: the share of images
    whose judgements choose settings. random_state: of that choice. After `fit`, `taste_` is the FittedTaste.

    Of scikit-learn's estimator checks all that apply to regressors pass for matrices. `sample_weight` is not taken (people have
    weights, see `bh.fit`), and with tables of ids there is no `n_features_in_`, because ids are no features.

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(80, 5))
    >>> X = pd.DataFrame({"user_id": "ana", "image_id": range(80)})
    >>> y = np.round(2.5 + vectors[:, 0]).clip(1, 4)
    >>> model = TasteRegressor(embeddings=vectors).fit(X[:60], y[:60])
    >>> model.score(X[60:], y[60:]) > 0.5
    True
    """

    def __init__(
        self,
        embeddings: Any = None,
        taste: str | TasteConfig = TASTE,
        settings: Settings | None = None,
        held_out: float = 0.2,
        random_state: int | None = 0,
    ) -> None:
        self.embeddings = embeddings
        self.taste = taste
        self.settings = settings
        self.held_out = held_out
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to scores y [n] of the rows of X. Raises InputError or another ValueError for what can't be used."""
        table = _as_table(X, ("image_id",))
        if table is None:
            people, attributes, dataset, known = self._matrix(X, y)
        else:
            rows = _with_user(table).assign(score=np.asarray(_column(y, len(table))))
            judged = read_judgements(ratings=rows)
            known = known_images(self.embeddings, None)
            dataset, people = judged.on(list(known.ids)), judged.people
            attributes = dataset.attributes
        config = taste_config(self.taste, self.settings)
        fitted = fit_dataset(dataset, known, config, held_out=self.held_out, seed=self.random_state or 0)
        self.taste_ = FittedTaste(fitted.taste, known, people, trust=fitted.trust, judgements=len(dataset))
        self.scores_ = {name: _ScoreScale.of(self.taste_, dataset.on_attribute(row), name) for row, name in enumerate(attributes)}
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the expected scores of the rows of X, float64 [n]."""
        self._check_fitted()
        table = _as_table(X, ("image_id",))
        served = self.taste_._served
        if table is None:
            from sklearn.utils.validation import validate_data

            vectors = validate_data(self, X, reset=False, dtype=np.float64).astype(np.float32)
            name = self.taste_.attributes[0]
            return self.scores_[name].scores(ME, served.utilities(vectors, [ME], name)[0])
        rows = _with_user(table)
        known = self.taste_._known()
        result = np.empty(len(rows))
        for user_id, name, where in _groups(rows, self.taste_):
            items = known.vectors[known.rows([text_of(each, what="image_id") for each in rows["image_id"].to_numpy()[where]])]
            result[where] = self.scores_[name].scores(user_id, served.utilities(items, [user_id], name)[0])
        return result

    def score(self, X: Any, y: Any) -> float:
        """Return R^2, the coefficient of determination, of what is predicted for the rows of X."""
        true = np.asarray(y, np.float64)
        off = ((true - self.predict(X)) ** 2).sum()
        whole = ((true - true.mean()) ** 2).sum()
        return float(1 - off / whole) if whole else float(off == 0)

    def __sklearn_tags__(self) -> Any:
        return self._tags("regressor")

    def _matrix(self, X: Any, y: Any) -> tuple[Labels, tuple[str, ...], JudgementDataset, EmbeddedImages]:
        """Return a matrix and its scores as one person's judgements of as many images."""
        from sklearn.utils.validation import validate_data

        vectors, score = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        count, none = len(vectors), np.zeros(0, np.int64)
        first = np.zeros(count, np.int64)
        ids = tuple(map(str, range(count)))
        ratings = RatingTable(first, np.arange(count), first, score.astype(np.float32))
        compared = ComparisonTable(none, none, none, none, np.zeros(0, np.float32))
        dataset = JudgementDataset((ME,), ids, ("score",), ratings, compared)
        return Labels(), ("score",), dataset, EmbeddedImages(ids, vectors.astype(np.float32), Labels(numbers=True))


class TasteClassifier(_Estimator):
    """A taste as a classifier of comparisons: X says who compared which two images, y which one they chose.

    X: a table with left_id, right_id, and user_id and attribute where there are several. y: left, right or tie (ties are learned
    from, and never predicted). The other parameters are those of TasteRegressor. `classes_` is ["left", "right"].

    scikit-learn's estimator checks don't apply, since X holds ids and no features; `clone`, `cross_val_score`, searches,
    pipelines of steps that leave tables as they are, and `partial_fit` work.

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(60, 5))
    >>> left, right = rng.integers(0, 30, 400), rng.integers(30, 60, 400)
    >>> X = pd.DataFrame({"user_id": "ana", "left_id": left, "right_id": right})
    >>> y = np.where(vectors[left, 0] > vectors[right, 0], "left", "right")
    >>> model = TasteClassifier(embeddings=vectors).fit(X[:300], y[:300])
    >>> model.score(X[300:], y[300:]) > 0.85
    True
    """

    def __init__(
        self,
        embeddings: Any = None,
        taste: str | TasteConfig = TASTE,
        settings: Settings | None = None,
        held_out: float = 0.2,
        random_state: int | None = 0,
    ) -> None:
        self.embeddings = embeddings
        self.taste = taste
        self.settings = settings
        self.held_out = held_out
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to choices y [n] between the rows' two images. Raises InputError for what can't be used."""
        judged = read_judgements(comparisons=self._rows(X).assign(choice=np.asarray(_column(y, len(self._rows(X))), object)))
        known = known_images(self.embeddings, None)
        dataset = judged.on(list(known.ids))
        config = taste_config(self.taste, self.settings)
        fitted = fit_dataset(dataset, known, config, held_out=self.held_out, seed=self.random_state or 0)
        self.taste_ = FittedTaste(fitted.taste, known, judged.people, trust=fitted.trust, judgements=len(dataset))
        self.classes_ = _CLASSES.copy()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn some more choices, one after the other; the first time as `fit` does. Raises TasteError for kinds that can't."""
        if not hasattr(self, "taste_"):
            return self.fit(X, y)
        rows = self._rows(X)
        self.taste_.choose(rows.assign(choice=np.asarray(_column(y, len(rows)), object)))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of left and of right, float64 [n, 2]."""
        self._check_fitted()
        rows, known = self._rows(X), self.taste_._known()
        left = np.empty(len(rows))
        for user_id, name, where in _groups(rows, self.taste_):
            one, other = (
                known.vectors[known.rows([text_of(each, what=side) for each in rows[side].to_numpy()[where]])]
                for side in ("left_id", "right_id")
            )
            left[where] = self.taste_._served.differences(one, other, user_id, name).probability()
        return np.stack([left, 1 - left], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the likelier choices, "left" or "right" [n]."""
        return np.asarray(self.classes_[(self.predict_proba(X)[:, 0] < 0.5).astype(int)])

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy over the rows of X that are no ties; nan where all are."""
        true = np.asarray(y, object)
        decided = true != "tie"
        return float((self.predict(X) == true)[decided].mean()) if decided.any() else float("nan")

    def __sklearn_tags__(self) -> Any:
        return self._tags("classifier")

    def _rows(self, X: Any) -> pd.DataFrame:
        table = _as_table(X, ("left_id", "right_id"))
        if table is None:
            raise InputError(
                "X: expected a table with left_id and right_id (and user_id), got a matrix; TasteRegressor takes those"
            )
        return _with_user(table)


class _ScoreScale:
    """How utilities become scores: each person's mean, and one slope. The slope is that of least squares within people."""

    def __init__(self, means: Mapping[str, tuple[float, float]], usual: tuple[float, float], slope: float) -> None:
        """means: of score and utility by person; usual: of everybody's."""
        self.means, self.usual, self.slope = means, usual, slope

    @classmethod
    def of(cls, taste: FittedTaste, dataset: JudgementDataset, attribute: str) -> "_ScoreScale":
        rated, vectors = dataset.ratings, taste._known().vectors
        utility, score = np.zeros(len(rated)), rated.score.astype(np.float64)
        for person in np.unique(rated.person):
            mine = np.flatnonzero(rated.person == person)
            utility[mine] = taste._served.utilities(vectors[rated.image[mine]], [dataset.people[person]], attribute)[0]
        count = np.maximum(np.bincount(rated.person, minlength=len(dataset.people)), 1)
        means = [np.bincount(rated.person, each, minlength=len(dataset.people)) / count for each in (score, utility)]
        centred = utility - means[1][rated.person]
        size = (centred**2).sum()
        slope = float((centred * (score - means[0][rated.person])).sum() / size) if size > 0 else 0.0
        people = {dataset.people[each]: (float(means[0][each]), float(means[1][each])) for each in np.unique(rated.person)}
        return cls(people, (float(score.mean()), float(utility.mean())) if len(score) else (0.0, 0.0), slope)

    def scores(self, user_id: str, utilities: np.ndarray) -> np.ndarray:
        """Return the expected scores of utilities [n], float64."""
        score, utility = self.means.get(user_id, self.usual)
        return np.asarray(score + self.slope * (utilities.astype(np.float64) - utility))


def _as_table(X: Any, wanted: Sequence[str]) -> pd.DataFrame | None:
    """Return X as a table where it has the columns of one; None for a matrix. Raises InputError for a table without them."""
    if isinstance(X, list):
        tabular = bool(X) and isinstance(X[0], Mapping)
    else:
        sparse = hasattr(X, "toarray")
        tabular = not sparse and (hasattr(X, "columns") or hasattr(X, "column_names") or isinstance(X, Mapping))
    if not tabular:
        return None
    table = frame(X, name="X")
    if all(name in table.columns for name in wanted):
        return table
    if any(str(name).endswith("_id") for name in table.columns):
        raise InputError(f"X has no column {wanted[0]!r}; found: {', '.join(map(str, table.columns))}")
    return None


def _with_user(table: pd.DataFrame) -> pd.DataFrame:
    return table if "user_id" in table.columns else table.assign(user_id=ME)


def _column(y: Any, rows: int) -> Any:
    """Return a target with a value for each row. Raises InputError for another number of them."""
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    values = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if values.ndim != 1 or len(values) != rows:
        raise InputError(f"y: expected {rows:,} values, one for each row of X, got shape {list(values.shape)}")
    return values


def _groups(rows: pd.DataFrame, taste: FittedTaste) -> list[tuple[str, str, np.ndarray]]:
    """Return person, attribute and row numbers of each group of rows; whoever is unknown counts as the population."""
    people = [text_of(each, what="user_id") for each in rows["user_id"]]
    known = taste.taste.info.rows(people) >= 0
    people = [each if is_known else POPULATION for each, is_known in zip(people, known, strict=True)]
    names = [taste._attribute(str(each)) for each in rows["attribute"]] if "attribute" in rows.columns else None
    names = names or [taste._attribute(None)] * len(rows)
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(people, names, strict=True)):
        rows_of.setdefault(key, []).append(row)
    return [(user_id, name, np.array(where)) for (user_id, name), where in rows_of.items()]

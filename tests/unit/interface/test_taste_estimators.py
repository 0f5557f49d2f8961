"""Tastes as scikit-learn has estimators: its own checks, its cross-validation, its pipelines."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import beholder as bh


def checks():
    """Every check of scikit-learn's that applies to a regressor of matrices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does not inherit from theirs
        found = list(estimator_checks_generator(bh.TasteRegressor()))
    return [pytest.param(model, check, id=getattr(check, "func", check).__name__) for model, check in found]


@pytest.mark.parametrize(("model", "check"), checks())
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks_pass(model, check):
    check(model)


def test_scores_are_predicted_for_new_images_of_known_people(study):
    X, y = study.ratings[["user_id", "image_id"]], study.ratings["score"]
    folds = GroupKFold(4)
    scores = cross_val_score(bh.TasteRegressor(embeddings=study.vectors), X, y, cv=folds, groups=X["image_id"])
    assert scores.mean() > 0.6


def test_choices_are_predicted(study):
    X, y = study.comparisons[["user_id", "left_id", "right_id"]], study.comparisons["choice"]
    model = bh.TasteClassifier(embeddings=study.vectors)
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9
    assert cross_val_score(model, X, y, cv=2, scoring="roc_auc").mean() > 0.95
    model.fit(X, y)
    assert model.classes_.tolist() == ["left", "right"]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_it_is_a_step_of_a_pipeline():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 8))
    y = X @ rng.normal(size=8)
    assert make_pipeline(PCA(8), bh.TasteRegressor()).fit(X[:90], y[:90]).score(X[90:], y[90:]) > 0.7


def test_settings_are_searched(study):
    X, y = study.ratings[["user_id", "image_id"]], study.ratings["score"]
    search = GridSearchCV(bh.TasteRegressor(embeddings=study.vectors), {"taste": ["population", "bayes"]}, cv=3)
    assert search.fit(X, y).best_params_ == {"taste": "bayes"}


def test_parameters_are_set_and_cloned(study):
    model = bh.TasteClassifier(embeddings=study.vectors, held_out=0.3)
    assert clone(model).get_params()["held_out"] == 0.3
    assert model.set_params(held_out=0.1).held_out == 0.1
    assert repr(model) == "TasteClassifier(embeddings=..., held_out=0.1)"
    with pytest.raises(ValueError, match="Invalid parameter 'held'"):
        model.set_params(held=1)
    assert is_classifier(model)
    assert is_regressor(bh.TasteRegressor())


def test_choices_are_learned_one_after_the_other(study):
    X, y = study.comparisons[["user_id", "left_id", "right_id"]], study.comparisons["choice"]
    model = bh.TasteClassifier(embeddings=study.vectors).partial_fit(X[:200], y[:200])
    before = model.score(X[300:], y[300:])
    model.partial_fit(X[200:300], y[200:300])
    assert model.score(X[300:], y[300:]) > before - 0.02
    assert model.taste_.judgements == 300


def test_somebody_unknown_gets_what_everybody_shares(study):
    X, y = study.ratings[["user_id", "image_id"]], study.ratings["score"]
    model = bh.TasteRegressor(embeddings=study.vectors).fit(X, y)
    shared = model.predict(pd.DataFrame({"user_id": "nobody", "image_id": range(40)}))
    assert np.isfinite(shared).all()
    assert shared.std() < model.predict(X[:40]).std()


def test_one_person_needs_no_column(study):
    model = bh.TasteRegressor(embeddings=study.vectors).fit(pd.DataFrame({"image_id": range(40)}), study.vectors[:, 0])
    assert model.score(pd.DataFrame({"image_id": range(40)}), study.vectors[:, 0]) > 0.9


def test_a_fitted_one_is_pickled(study):
    X, y = study.ratings[["user_id", "image_id"]], study.ratings["score"]
    model = bh.TasteRegressor(embeddings=study.vectors).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (pd.DataFrame({"user_id": ["ana"]}), [1.0], "X has no column 'image_id'"),
        (pd.DataFrame({"image_id": [1, 2]}), [1.0], "y: expected 2 values, one for each row of X"),
        (pd.DataFrame({"image_id": [1, 2]}), None, "requires y to be passed"),
        (pd.DataFrame({"image_id": [1, 200]}), [1.0, 2.0], "'200' is no image"),
        (np.zeros((3, 2)), [1.0, np.nan, 2.0], "NaN"),
    ],
)
def test_what_can_not_be_fitted_is_a_value_error(study, X, y, says):
    with pytest.raises(ValueError, match=says):
        bh.TasteRegressor(embeddings=study.vectors).fit(X, y)


def test_a_matrix_is_no_table_of_pairs(study):
    with pytest.raises(bh.InputError, match="expected a table with left_id and right_id"):
        bh.TasteClassifier(embeddings=study.vectors).fit(study.vectors, study.vectors[:, 0])

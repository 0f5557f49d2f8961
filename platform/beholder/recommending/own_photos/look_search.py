"""Look search: the looks that a person will like most, of one photo or on average over several; all are drawn small and scored
exactly."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.editing.directions.vocabulary import check_range
from beholder.editing.looks.look_directions import ASKED
from beholder.recommending import ranking
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.ranking import PROBABILITY, UNEDITED, ScoredEdit
from beholder.recommending.service import Recommendation, RecommendationService, Shortlist
from beholder.recommending.steering import JUDGED, Steering, spread, spread_edits, variations
from beholder.recommending.store.question import taste_key

_BEAM = 6  # looks that are taken further
_STRIDES = (1.0, 1.0, 0.5)  # by steps along each direction, in turn


@dataclass(frozen=True, eq=False)
class ScoredLooks:
    """Looks, rows of alphas [C, K], with the means over photos, [C] each, of their gain over the photo as it is, of its standard
    deviation, and of the probability that the look is preferred."""

    alphas: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    probability: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> "ScoredLooks":
        return ScoredLooks(self.alphas[rows], self.mean[rows], self.deviation[rows], self.probability[rows])

    def __add__(self, other: "ScoredLooks") -> "ScoredLooks":
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return ScoredLooks(*(np.concatenate(parts) for parts in both))

    def edits(self, directions: Sequence[str]) -> list[ScoredEdit]:
        """Return them as scored edits, in order."""
        return [
            ScoredEdit(
                {name: round(float(alpha), 3) for name, alpha in zip(directions, row, strict=True) if alpha},
                float(mean),
                float(deviation),
                float(probability),
            )
            for row, mean, deviation, probability in zip(*vars(self).values(), strict=True)
        ]


def score(ranker: Ranker, user_id: str, edit_sets: Sequence[EditSet]) -> ScoredLooks:
    """Score the same looks of one or more photos for a person. edit_sets: the looks of each photo."""
    gains = [ranker.gain_over(user_id, edits, edits.unedited) for edits in edit_sets]
    mean, deviation, probability = (
        np.mean(parts, axis=0)
        for parts in zip(*((gain.mean, np.sqrt(gain.variance), gain.probability) for gain in gains), strict=True)
    )
    return ScoredLooks(edit_sets[0].alphas, mean, deviation, probability)


def search(
    ranker: Ranker,
    user_id: str,
    photos: Sequence[EditableImage],
    features: EditFeatures,
    edit_sets: Sequence[EditSet],
    *,
    by: str | None = PROBABILITY,
    movable: Collection[str] = tuple(ASKED),
) -> ScoredLooks:
    """Return looks that a person most probably prefers to photos as they are, best first, on average over photos, the best of them
    taken further.

    by: as in RankingConfig. Each of the best is joined with every step along every movable direction, a few times
    over. edit_sets: of each photo under the looks to begin with.
    """
    names = features.candidates.directions
    low, high = (np.array([ASKED[name].range[side] for name in names], np.float32) for side in (0, 1))
    steps = np.eye(len(names))[[name in movable for name in names]]
    found = _sorted(score(ranker, user_id, edit_sets), by)
    for stride in _STRIDES:
        moves = stride * np.concatenate([steps, -steps])
        best = found.alphas[:_BEAM]
        joined = np.clip((best[:, None] + moves[None]).reshape(-1, len(names)).astype(np.float32), low, high)
        known = {row.tobytes() for row in found.alphas.round(3)}
        new = [row for row in np.unique(joined.round(3), axis=0) if row.tobytes() not in known and row.any()]
        if new:
            pool = np.stack(new)
            found += score(ranker, user_id, [features.edit_set(photo, pool) for photo in photos])
        found = _sorted(found, by)
    return found


def best_look(ranker: Ranker, user_id: str, photos: Sequence[EditableImage], features: EditFeatures) -> ScoredEdit:
    """Return the look that a person most probably prefers, on average over photos; `UNEDITED` where none is better than none.

    Probability and uncertainty are the means over the photos.
    """
    found = search(ranker, user_id, photos, features, [features.edit_set(photo) for photo in photos])
    best = found[:1].edits(features.candidates.directions)[0]
    return best if best.utility > 0 else UNEDITED


@dataclass(frozen=True, eq=False)
class LookShortlist(Shortlist):
    """Looks scored as they are drawn, best first: nothing is left to be drawn. known: whether anything is known of the person."""

    ranked: tuple[ScoredEdit, ...] = ()
    known: bool = True


class LookRecommendationService(RecommendationService):
    """Recommends looks, of one photo or one for several (`Steering.shared_with`), scored exactly in one step."""

    def shortlist(self, user_id: str, image_id: str, *, attribute: str = "", steering: Steering | None = None) -> LookShortlist:
        """Return the looks that are most probably preferred, scored. Raises as `RecommendationService.shortlist` does."""
        steering = steering or Steering()
        check_range(steering.like, self.sliders)
        shared = list(dict.fromkeys([image_id, *steering.shared_with]))
        photos = [self.image(shared[round(at)]) for at in np.linspace(0, len(shared) - 1, min(JUDGED, len(shared)))]
        candidates, rows = self.features.candidates, self._rows(steering)
        person = self.posteriors.get(taste_key(user_id, attribute, self.attribute))
        ranker, by = person.ranker, self.ranking.by
        if steering.like:
            pool = variations(steering.like, candidates, rows)
            edit_sets = [self.features.edit_set(photo, pool) for photo in photos]
            found = _sorted(score(ranker, person.user_id, edit_sets), by)
        else:
            edit_sets = [self._edit_set(photo)[rows] for photo in photos]
            if not ranking.is_known(ranker, person.user_id, edit_sets[0], rounds=person.rounds):
                return LookShortlist(person, photos[0], (), steering, known=False)
            movable = steering.movable(self.vocabulary, self.offered)
            found = search(ranker, person.user_id, photos, self.features, edit_sets, by=by, movable=movable)
        base = np.array([steering.like.get(name, 0.0) for name in candidates.directions], np.float32)
        chosen = np.array(spread(found.alphas - base, range(len(found.mean)), self.ranking.exact, steering.diversity))
        edits = found[chosen].edits(candidates.directions)
        ranked = edits if edits and edits[0].utility > 0 else [UNEDITED, *edits]
        return LookShortlist(person, photos[0], (), steering, tuple(ranked))

    def recommend(self, shortlist: Shortlist, embeddings: np.ndarray | None, *, count: int | None = None) -> Recommendation:
        """Return the best `count` of a shortlist's looks, which span as many directions as the steering wants."""
        assert isinstance(shortlist, LookShortlist)
        if not shortlist.known:
            return super().recommend(shortlist, None)
        return self._recommendation(shortlist, spread_edits(shortlist.ranked, count, shortlist.steering))


def _sorted(looks: ScoredLooks, by: str | None) -> ScoredLooks:
    """Return looks best first; of those that are liked the same, the one that changes less."""
    value = np.round(looks.probability if by == PROBABILITY else looks.mean, 6)
    return looks[np.lexsort((np.abs(looks.alphas).sum(axis=1).round(6), -value))]

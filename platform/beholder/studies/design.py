"""The design of a study: which image or pair is shown next, on which side, and where repetitions and attention checks come.

Nothing is planned ahead for people who may never come. Each trial is chosen when it is asked for, from what has been shown so far
and is either answered or being looked at: the image that was shown least comes next (minimisation, as trials with patients are
balanced: Pocock and Simon 1975). So whoever drops out leaves a gap that the next person fills, whatever the order of arrivals.
A trial that would leave some image more than SPREAD showings behind another is not made.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

SPREAD = 2  # showings between the image shown most and the one shown least
_POOL = 64  # images of which the pair with the most information is sought
MAIN, REPEAT, CHECK = "main", "repeat", "check"
Pair = tuple[int, int]  # of images, the lower number first


@dataclass
class ShownCounts:
    """How often each image of a block was shown, int [N]; in pairs also how often on the left, and each pair.

    pairs: (low, high) -> (times shown, times with the low one on the left).
    """

    shown: np.ndarray
    left: np.ndarray
    pairs: dict[Pair, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def none(cls, count: int) -> "ShownCounts":
        """Return the counts of so many images before anything was shown."""
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64))

    def add(self, left: int, right: int | None, by: int = 1) -> None:
        """Count a trial (by=1), or take it back (by=-1)."""
        self.shown[left] += by
        if right is None:
            return
        self.shown[right] += by
        self.left[left] += by
        pair = pair_of(left, right)
        times, low_left = self.pairs.get(pair, (0, 0))
        self.pairs[pair] = times + by, low_left + by * (left == pair[0])

    @property
    def spread(self) -> int:
        """The number of showings between the image shown most and the one shown least."""
        return int(self.shown.max() - self.shown.min()) if len(self.shown) else 0

    def allows(self, *images: int) -> bool:
        """Tell whether showing these images keeps all within SPREAD of each other, or leaves them as they are."""
        before = self.spread
        after = self.shown.copy()
        for image in images:
            after[image] += 1
        return bool(after.max() - after.min() <= max(SPREAD, before))


def pair_of(one: int, other: int) -> Pair:
    """Return two images as a pair, whichever way round."""
    return (one, other) if one < other else (other, one)


def next_image(counts: ShownCounts, seen: set[int], rng: np.random.Generator, *, bounded: bool = True) -> int | None:
    """Return the image to be rated next by a person who has seen these: of those shown least often, one at random.

    bounded: return None where showing any would leave others too far behind. None as well where the person has seen all.
    """
    free = np.ones(len(counts.shown), bool)
    free[list(seen)] = False
    if not free.any():
        return None
    least = counts.shown[free].min()
    image = int(rng.choice(np.flatnonzero(free & (counts.shown == least))))
    return image if not bounded or counts.allows(image) else None


def next_pair(
    counts: ShownCounts,
    seen: set[Pair],
    rng: np.random.Generator,
    *,
    strategy: str = "random",
    information: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> tuple[int, int] | None:
    """Return the left and the right image of the pair that a person who has seen these pairs is to see next.

    strategy: random (of the images shown least, the pair shown least), round_robin (pairs in the order of a tournament in which
    everybody meets everybody), active (the pair of most `information`, which maps two arrays of images to an array). None where
    any pair would leave other images too far behind, or the person has seen all.
    """
    if strategy == "round_robin":
        pair = _round_robin(counts, seen)
    elif strategy == "active" and information is not None:
        pair = _most_informative(counts, seen, rng, information) or _least_shown(counts, seen, rng)
    else:
        pair = _least_shown(counts, seen, rng)
    return None if pair is None else sides(counts, pair, rng)


def sides(counts: ShownCounts, pair: Pair, rng: np.random.Generator) -> tuple[int, int]:
    """Return the left and the right image of a pair: left is the one that was there less often; where both were, or it is even, by
    the pair's own past, and then at random."""
    low, high = pair
    surplus = [2 * int(counts.left[each]) - int(counts.shown[each]) for each in pair]
    times, low_left = counts.pairs.get(pair, (0, 0))
    lean = surplus[0] - surplus[1] or 2 * low_left - times or int(rng.integers(2)) * 2 - 1
    return (low, high) if lean < 0 else (high, low)


def _least_shown(counts: ShownCounts, seen: set[Pair], rng: np.random.Generator) -> Pair | None:
    count = len(counts.shown)
    chance = rng.random(count)
    near = counts.shown <= counts.shown.min() + 1
    for first in np.lexsort((chance, counts.shown)):
        met = np.array([counts.pairs.get(pair_of(int(first), other), (0, 0))[0] for other in range(count)])
        for second in np.lexsort((chance, counts.shown, met, ~near)):
            pair = pair_of(int(first), int(second))
            if first != second and pair not in seen and counts.allows(*pair):
                return pair
    return None


def _round_robin(counts: ShownCounts, seen: set[Pair]) -> Pair | None:
    schedule, place = tournament(len(counts.shown))
    times = np.zeros(len(schedule), np.int64)
    for pair, (shown, _) in counts.pairs.items():
        times[place[pair]] = shown
    for level in np.unique(times):
        for at in np.flatnonzero(times == level):
            pair = schedule[at]
            if pair not in seen and counts.allows(*pair):
                return pair
    return None


@functools.lru_cache(maxsize=8)
def tournament(count: int) -> tuple[list[Pair], Mapping[Pair, int]]:
    """Return all pairs in the order of a round-robin tournament (the circle method), and the place of each.

    In each round every image is in one pair; with an odd number, one image rests.
    """
    ring = list(range(count + count % 2))
    schedule = []
    for _ in range(len(ring) - 1):
        half = len(ring) // 2
        games = zip(ring[:half], reversed(ring[half:]), strict=True)
        schedule += [pair_of(*game) for game in games if max(game) < count]
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return schedule, {pair: at for at, pair in enumerate(schedule)}


def _most_informative(
    counts: ShownCounts,
    seen: set[Pair],
    rng: np.random.Generator,
    information: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Pair | None:
    near = np.lexsort((rng.random(len(counts.shown)), counts.shown))[:_POOL]
    near = near[counts.shown[near] <= counts.shown.min() + 1]
    rows, columns = np.triu_indices(len(near), 1)
    first, second = near[rows], near[columns]
    for at in np.argsort(-information(first, second), kind="stable"):
        pair = pair_of(int(first[at]), int(second[at]))
        if pair not in seen and counts.allows(*pair):
            return pair
    return None


@functools.lru_cache(maxsize=64)
def balanced_orders(count: int) -> tuple[tuple[int, ...], ...]:
    """Return the orders of `count` blocks of trials over which participants are spread (a Williams design, Williams 1949).

    Over all of them each block is equally often at each place, and equally often straight after each other one, so that neither
    fatigue nor what came before falls on some blocks more than on others. There are `count` orders for an even count, twice as many
    for an odd one.
    """
    first = [(step + 1) // 2 if step % 2 else (count - step // 2) % count for step in range(count)]  # 0, 1, count - 1, 2, ...
    square = [tuple((each + row) % count for each in first) for row in range(count)]
    return tuple(square if count % 2 == 0 or count == 1 else square + [order[::-1] for order in square])


def session_roles(main: int, *, repeats: int, checks: int, gap: int, rng: np.random.Generator) -> list[str]:
    """Return the role of each trial of a block, MAIN, REPEAT or CHECK, in a random order in which there is something to repeat.

    Before the r-th repetition (from 0) there are at least gap + r + 1 main trials; checks are spread over the whole.
    """
    after: list[tuple[float, str]] = []
    for number, place in enumerate(np.sort(rng.uniform(0, 1, repeats))):
        least = gap + number + 1
        after.append((least + place * (main - least), REPEAT))
    for number in range(checks):
        after.append((1 + (number + rng.uniform()) * max(main - 1, 0) / checks, CHECK))
    after.sort()
    roles = []
    for number in range(main + 1):
        while after and after[0][0] < number + 1:
            roles.append(after.pop(0)[1])
        roles += [MAIN] * (number < main)
    return roles + [role for _, role in after]

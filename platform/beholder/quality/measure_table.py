"""Measure table: the counts of `measures` as shares with intervals and p-values; nan where there are too few to say.

Intervals of shares are Wilson's (1927), of 95 %. p-values are those of single people; `verdict` corrects them for how many there
are.
"""

import numpy as np
import pandas as pd
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no types

from beholder.quality import transitivity
from beholder.statistics import benjamini_hochberg, wilson

_USUAL = 0.6  # share of a person's most frequent score that is usual at most, where more people's is not known


def measure_table(counts: pd.DataFrame, *, fewest: int, regular: float) -> pd.DataFrame:
    """Return a row for each person, in the order of `counts`, a frame of `measures.measure`.

    fewest: pairs, repeats, triads, ratings or times below which a measure says nothing; regular: spread of the logarithm of
    response times below which they are too regular.
    """
    c = {name: counts[name].to_numpy() for name in counts.columns}
    table: dict[str, np.ndarray] = {
        "user_id": c["user_id"],
        "judgements": c["ratings"] + c["comparisons"],
        "ratings": c["ratings"],
        "comparisons": c["comparisons"],
        "ties": c["ties"],
    }

    def share(name: str, successes: np.ndarray, count: np.ndarray, of: str) -> None:
        low, high = wilson(successes, count)
        table[f"{name}.{of}"] = count
        for suffix, values in (("", successes / np.maximum(count, 1e-12)), (".low", low), (".high", high)):
            table[name + suffix] = np.where(count >= fewest, values, np.nan)

    def tested(name: str, values: np.ndarray, count: np.ndarray) -> None:
        table[name] = np.where(count >= fewest, values, np.nan)

    right, tosses = c["predictability.right"], c["predictability.tosses"]
    share("predictability", right, tosses, "tosses")
    with np.errstate(invalid="ignore", divide="ignore"):
        tested("predictability.p", stats.norm.sf((2 * right - tosses) / np.sqrt(tosses)), tosses)
    table["predictability.q"] = benjamini_hochberg(table["predictability.p"])
    share("agreement", c["agreement.right"], c["agreement.tosses"], "tosses")
    table["gain"] = table["predictability"] - table["agreement"]
    share("consistency", c["consistency.right"], c["consistency.pairs"], "pairs")
    table |= {name: c[name] for name in ("consistency.equal", "consistency.ties")}
    share("retest", c["retest.same"], c["retest.repeats"], "repeats")
    share("retest.swapped", c["retest.swapped_same"], c["retest.swapped"], "repeats")
    pairs = np.rint(c["left.pairs"])
    share("left", c["left"], pairs, "pairs")
    more = np.maximum(c["left"], pairs - c["left"])
    tested("left.p", np.minimum(1.0, 2 * stats.binom.sf(np.floor(more) - 1, pairs, 0.5)), pairs)
    rated = c["same_score.ratings"]
    share("same_score", c["same_score"], rated, "ratings")
    usual = max(_USUAL, float(np.nanmedian(table["same_score"]))) if np.isfinite(table["same_score"]).any() else _USUAL
    tested("same_score.p", stats.binom.sf(c["same_score"] - 1, rated, usual), rated)
    tested("entropy", c["entropy.sum"] / np.maximum(rated, 1), rated)
    tested("run", c["run"], rated)
    tested("run.p", np.exp(c["run.log_p"]), rated)
    share("cyclic", c["triads.cyclic"], c["triads"], "triads")
    tested("cyclic.p", _triad_p(c["triads.cyclic"], c["triads"], transitivity.CHANCE, above=False), c["triads"])
    usual_share = transitivity.NOISY * (1 - transitivity.NOISY)
    tested("cyclic.noisy_p", _triad_p(c["triads.cyclic"], c["triads"], usual_share, above=True), c["triads"])
    table["error_rate"] = transitivity.error_rate(table["cyclic"])
    count = c["seconds.count"]
    for name in ("seconds", "seconds.quarter", "seconds.three_quarters", "seconds.spread"):
        tested(name, c[name], count)
    square = (count - 1) * (c["seconds.spread"] / regular) ** 2
    tested("seconds.spread.p", stats.chi2.cdf(square, np.maximum(count - 1, 1)), count)
    share("fast", c["seconds.fast"], count, "times")
    tested("fast.p", stats.binom.sf(c["seconds.fast"] - 1, count, 0.5), count)
    table["sittings"] = c["sittings"]
    return pd.DataFrame(table)


def _triad_p(cyclic: np.ndarray, triads: np.ndarray, share: float, *, above: bool) -> np.ndarray:
    """Return P of as few cyclic triads, or as many where `above`, under this share of them; by the normal, [P]."""
    spread = np.sqrt(np.maximum(triads, 1) * share * (1 - share))
    distance = (cyclic - triads * share) / spread
    return np.asarray(stats.norm.sf(distance) if above else stats.norm.cdf(distance))

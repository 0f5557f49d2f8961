"""Verdict: what a person's judgements are worth, in words and as a weight, from their measures.

random: the answers can't be predicted; the probability of chance is that of `chance_mixture`. Too fast or too regular times
multiply the odds, and decide nothing alone: whoever answers fast and well is believed. biased: always the same side, or always the
same score: binomial tests, corrected for the number of people by Holm 1979, of an effect that is also surely large. doubtful:
chance is likelier than not, or one score runs on for longer than chance explains (Holm). weight: P(no chance) given the person's
own counts as a share of that before them, at most 1; 0 for the biased.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special  # type: ignore[import-untyped]  # scipy ships no types

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.quality import chance_mixture
from beholder.quality.chance_mixture import ChanceMixture
from beholder.quality.measure_table import measure_table
from beholder.statistics import holm

VERDICTS = ("believed", "doubtful", "random", "biased", "too few")
_WINNER_FIRST = 0.9  # share of left choices of everybody from which on sides are taken to say who won


@dataclass(frozen=True)
class VerdictConfig:
    """From when on what is said of a person."""

    fewest: int = setting(30, "judgements below which a person has too few for a verdict")
    pairs: int = setting(10, "pairs, repeats, triads, ratings or response times below which a measure says nothing")
    level: float = setting(0.01, "family-wise error rate of each test of bias and of response times, over all people (Holm)")
    random: float = setting(0.9, "probability of answers by chance from which on a person is called random")
    doubtful: float = setting(0.5, "probability of answers by chance from which on a person is doubtful")
    share: float = setting(0.1, "share of people who answer by chance, before anybody is known")
    side: float = setting(0.7, "share of one side that a biased person's surely exceeds")
    same: float = setting(0.75, "share of one score that a biased person's surely exceeds")
    regular: float = setting(0.15, "standard deviation of the logarithm of response times below which they are too regular")
    fast_odds: float = setting(20.0, "how many times likelier too fast or too regular times are by chance than from one who looks")

    def __post_init__(self) -> None:
        if self.fewest < 1 or self.pairs < 2:
            raise ConfigError(f"expected verdict.fewest >= 1 and verdict.pairs >= 2, got {self.fewest} and {self.pairs}")
        for name in ("level", "random", "doubtful", "share", "side", "same"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"verdict.{name} must be between 0 and 1, got {getattr(self, name)}")
        if self.doubtful > self.random or self.fast_odds < 1 or self.regular <= 0:
            raise ConfigError("expected verdict.doubtful <= verdict.random, verdict.fast_odds >= 1 and verdict.regular > 0")


def decide(counts: pd.DataFrame, config: VerdictConfig) -> tuple[pd.DataFrame, ChanceMixture]:
    """Return the verdict on each person with its measures, a row a person in the order of `counts`, and what it followed from.

    counts: a frame of `measures.measure`. The columns: user_id, verdict, weight, reasons, then the measures.
    """
    table = measure_table(counts, fewest=config.pairs, regular=config.regular)
    right, tosses = counts["predictability.right"].to_numpy(), counts["predictability.tosses"].to_numpy()
    fast, regular = (_below(table[name], config.level) for name in ("fast.p", "seconds.spread.p"))
    evidence = np.where(fast | regular, np.log(config.fast_odds), 0.0)
    mixture = chance_mixture.fit_mixture(right, tosses, evidence, table["predictability.q"].to_numpy(), share=config.share)
    told = mixture.log_odds(right, tosses) if mixture.usable else 0.0
    chance = special.expit(special.logit(mixture.share) + evidence + told)
    flags = {
        "side": _sided(table, config),
        "same": _below(table["same_score.p"], config.level) & (table["same_score.low"] > config.same).to_numpy(),
        "run": _below(table["run.p"], config.level),
        "fast": fast,
        "regular": regular,
    }
    few = (table["judgements"] < config.fewest).to_numpy()
    biased = (flags["side"] | flags["same"]) & ~few
    doubtful = (chance >= config.doubtful) | flags["run"]
    cases = {"too few": few, "biased": biased, "random": chance >= config.random, "doubtful": doubtful}
    verdict = np.select(list(cases.values()), list(cases), "believed")
    weight = np.where(biased, 0.0, np.minimum(1.0, (1 - chance) / (1 - mixture.share)))
    table.insert(1, "verdict", verdict)
    table.insert(2, "weight", weight.round(4))
    table.insert(3, "reasons", _reasons(table, chance, flags, mixture, config))
    table.insert(4, "chance", chance)
    return table, mixture


def _below(p: pd.Series, level: float) -> np.ndarray:
    """Return whose p-value is below a level after Holm's correction, bool [P]; nobody's who was not tested."""
    with np.errstate(invalid="ignore"):
        return np.asarray(holm(p.to_numpy()) < level)


def _sided(table: pd.DataFrame, config: VerdictConfig) -> np.ndarray:
    """Return who clicks a side, bool [P]; nobody where everybody does, as in tables that list winners first."""
    pairs = table["left.pairs"].to_numpy()
    left = (table["left"].fillna(0.5) * pairs).sum() / max(pairs[table["left"].notna()].sum(), 1)
    if len(table) > 2 and max(left, 1 - left) > _WINNER_FIRST:
        return np.zeros(len(table), bool)
    surely = np.maximum(table["left.low"], 1 - table["left.high"]) > config.side
    return np.asarray(_below(table["left.p"], config.level) & surely)


def _reasons(
    table: pd.DataFrame, chance: np.ndarray, flags: dict[str, np.ndarray], mixture: ChanceMixture, config: VerdictConfig
) -> list[str]:
    """Return for each person why, in words."""
    reasons = []
    for number, row in enumerate(table.itertuples(index=False, name=None)):
        own = dict(zip(table.columns, row, strict=True))
        words = []
        if own["verdict"] == "too few":
            words.append(f"{own['judgements']} judgements, {config.fewest} are needed")
        if flags["side"][number]:
            side, share = ("left", own["left"]) if own["left"] > 0.5 else ("right", 1 - own["left"])
            words.append(f"chose the {side} image in {share:.0%} of {own['left.pairs']:.0f} pairs")
        if flags["same"][number]:
            words.append(f"gave the same score in {own['same_score']:.0%} of {own['same_score.ratings']:.0f} ratings")
        if flags["run"][number] and not flags["same"][number]:
            words.append(f"gave one score {own['run']:.0f} times in a row")
        if np.isfinite(own["predictability"]) and own["verdict"] != "too few":
            share, low, high = (own[f"predictability{end}"] for end in ("", ".low", ".high"))
            words.append(
                f"predicted right in {share:.0%} ({low:.0%} to {high:.0%}); chance is 50%, people who look {mixture.mean:.0%}"
                if mixture.usable
                else "hardly anybody here can be predicted, so chance can't be told"
            )
        if own["verdict"] in ("random", "doubtful"):
            words.append(f"answers by chance with probability {chance[number]:.2f}")
        if flags["fast"][number]:
            words.append(f"too fast: {own['seconds']:.2g} s a judgement, {own['fast']:.0%} of them fast")
        if flags["regular"][number]:
            words.append(f"too regular: times spread by {own['seconds.spread']:.0%}")
        reasons.append("; ".join(words) or "nothing speaks against it")
    return reasons

"""Quality: which people's judgements can be believed, from a table of them, in this process."""

from typing import Any

import numpy as np
import pandas as pd

from beholder.errors import InputError
from beholder.interface.judgement_input import read_judgements
from beholder.interface.table_input import Columns
from beholder.quality import measures, verdict
from beholder.quality.measures import MeasuresConfig
from beholder.quality.verdict import VERDICTS, VerdictConfig
from beholder.taste.dataset import timed_judgements

_SHOWN = ["verdict", "weight", "judgements", "reasons"]
_MOST = 1_000_000  # judgements that are looked at in one process; Ray takes more


class QualityTable(pd.DataFrame):
    """A row for each person, by user_id: verdict, weight, reasons, and the measures behind them. A DataFrame like others."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        shown = pd.DataFrame(self)[_SHOWN].to_string(max_rows=20, max_colwidth=80)
        return f"{self.sentence()}\n{shown}"

    def _repr_html_(self) -> str:
        shown = pd.DataFrame(self)[_SHOWN]
        return f"<p>{self.sentence()}</p>{shown.to_html(max_rows=50, notebook=True)}"

    def sentence(self) -> str:
        """Return how many people got which verdict, in words."""
        counts = self["verdict"].value_counts()
        parts = [f"{counts[name]} {name}" for name in VERDICTS if name in counts]
        return f"{len(self)} {'person' if len(self) == 1 else 'people'}: {', '.join(parts)}"


def quality(
    judgements: Any = None,
    *,
    ratings: Any = None,
    comparisons: Any = None,
    columns: Columns | None = None,
    attribute: str | None = None,
    seed: int = 0,
) -> QualityTable:
    """Tell which people's judgements can be believed, and why.

    Tables are those of `bh.fit`; a column `at` with times also tells who answers too fast. Returns a row for each person: verdict
    (believed, doubtful, random, biased or too few), weight (what `bh.fit(weights=...)` multiplies their judgements by, 0..1),
    reasons in words, and every measure with its interval. People with fewer than 30 judgements get "too few". Raises InputError
    for tables that can't be used.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> left, right = rng.integers(0, 30, 300), rng.integers(30, 60, 300)
    >>> def judge(name, choices):
    ...     return [dict(user_id=name, left_id=a, right_id=b, choice=c) for a, b, c in zip(left, right, choices)]
    >>> same_side = judge("ben", ["left"] * 300)
    >>> by_number = judge("ana", ["left" if (7 * a) % 60 > (7 * b) % 60 else "right" for a, b in zip(left, right)])
    >>> quality(same_side + by_number)["verdict"].to_dict()["ben"]
    'biased'
    """
    judged = read_judgements(judgements, ratings=ratings, comparisons=comparisons, columns=columns, attribute=attribute)
    if len(judged) > _MOST:
        raise InputError(
            f"{len(judged):,} judgements are more than one process should look at: beholder import, then beholder quality"
        )
    timed = timed_judgements(judged.ratings, judged.comparisons)
    counts = measures.measure_alone(timed, len(timed.dataset.images), MeasuresConfig(), seed=seed)
    table, _ = verdict.decide(counts, VerdictConfig())
    table["user_id"] = judged.people.all(table["user_id"])
    order = np.argsort([VERDICTS[::-1].index(name) for name in table["verdict"]], kind="stable")
    return QualityTable(table.iloc[order].set_index("user_id"))

"""Quality of judgements: which people can be believed. Arrays in, a row per person out; jobs/quality.py maps it over people on Ray.

judgement_rows  ratings and comparisons as rows that all measures share
consistency     comparisons beside the same person's ratings, and items judged again
response_times  seconds between judgements: too fast, too regular
response_bias   always left or right, always the same score
transitivity    circles among a person's comparisons
predictability  cross-validated completion of the matrix of people and images
agreement       Krippendorff's alpha, and people's tastes beside each other
measures        all of them for a block of people, a row per person
verdict         believed, doubtful, random, biased or too few: in words and as a weight
person_weights  the weights as fits use them
"""

import inspect
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """This package, which `bh.quality(judgements)` calls: its name in `beholder` is the function's as well."""

    @property
    def function(self) -> Any:
        """The function that is called; the top of the package knows it, because this room knows none that use it."""
        return sys.modules["beholder"].__getattr__("_quality")

    @property
    def __signature__(self) -> Any:
        return inspect.signature(self.function)

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Tell which people's judgements can be believed; help(bh.quality.function) says how."""
        return self.function(*arguments, **settings)


sys.modules[__name__].__class__ = _CallablePackage

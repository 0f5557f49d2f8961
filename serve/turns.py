"""Turns: so many at a time; whoever finds no room is told when to come again."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from beholder.serve.graph import Busy

_LONGEST = 30.0  # seconds that anybody is sent away
_EAGER = 2.0  # turns for each place that comes free: some never come, and a place that nobody takes is lost
_NEWS = 0.1  # the weight of the latest in how long things take


class Turns:
    """At most `most` inside at a time.

    Whoever is refused comes again. If all were told the same second, all would come at once, and turning them away would take the
    time of those inside. So each gets a turn, one after the other, at twice the pace at which those inside leave: by Little's law,
    `most` in the mean time that one takes.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.inside, self._clock = most, 0, clock
        self._mean = 1.0  # seconds
        self._last = -math.inf  # the latest turn that was given

    @contextlib.contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Inside. Raises Busy of this name, with the seconds to stay away, where there is no room."""
        if self.inside >= self.most:
            raise Busy(what, seconds=self._away())
        self.inside += 1
        began = self._clock()
        try:
            yield
            self._mean += _NEWS * (self._clock() - began - self._mean)
        finally:
            self.inside -= 1

    def _away(self) -> int:
        now = self._clock()
        self._last = min(max(self._last, now) + self._mean / self.most / _EAGER, now + _LONGEST)
        return max(1, min(math.ceil(self._last - now), int(_LONGEST)))

"""How many calls may be in flight: additive increase, multiplicative decrease."""

from __future__ import annotations

from tablero.dashboard.answer import Answer, Outcome

#: Answers quicker than this are steady whatever they vary by, in seconds.
_QUICK = 0.25

#: A call that takes this many times the usual one says that the dashboard is at its limit.
_SLOWER = 2.0

#: Weight of a new answer in the usual latency.
_WEIGHT = 0.1

#: The answer of a server that wants fewer calls.
_TOO_MANY = {429, 503}


class Throttle:
    """Starts with one call; one more for each prompt answer until the first trouble, then one more a round.

    Halved by 429, 503 and calls without an answer; answers of calls that were in flight at that moment do not halve it again.

    :param ceiling: never more than this (``concurrency``).
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._limit = 1.0
        self._cautious = False
        self._usual: float | None = None
        self._ignore = 0

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    def learn(self, answer: Answer, in_flight: int) -> None:
        """Learn from an answer.

        :param in_flight: calls that were still under way when it came.
        """
        if answer.status in _TOO_MANY or answer.outcome is Outcome.UNKNOWN:
            if self._ignore == 0:
                self._limit = max(1.0, self._limit / 2)
                self._cautious = True
                self._ignore = in_flight
            else:
                self._ignore -= 1
            return
        self._ignore = max(0, self._ignore - 1)
        if answer.outcome is not Outcome.DELIVERED:
            return
        if self._steady(answer.seconds):
            self._limit = min(float(self._ceiling), self._limit + (1.0 / self._limit if self._cautious else 1.0))

    def _steady(self, seconds: float) -> bool:
        usual = self._usual if self._usual is not None else seconds
        self._usual = usual + _WEIGHT * (seconds - usual)
        return seconds <= max(_QUICK, _SLOWER * usual)

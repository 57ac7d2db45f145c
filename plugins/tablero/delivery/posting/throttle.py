"""Limits the calls in flight: additive increase, multiplicative decrease."""

from __future__ import annotations

from tablero.dashboard.answer import Answer, Outcome

#: Response times below this, in seconds, never count as slow.
_QUICK = 0.25

#: Multiple of the usual response time from which the dashboard counts as saturated.
_SLOWER = 2.0

#: Weight of a new response time in the moving average.
_WEIGHT = 0.1

#: Status codes of a server that wants fewer calls.
_TOO_MANY = {429, 503}


class Throttle:
    """Starts with one call; grows by one per prompt answer until the first problem, then by one per round.

    Halved by 429, 503 and unknown outcomes; answers to calls that were in flight at that time do not halve it again.

    :param ceiling: upper limit (``concurrency``).
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
        """Adjust the limit to an answer.

        :param in_flight: calls still in flight when it arrived.
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

"""The retry policy of every task, and the exception by which our errors end a task."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy
from tablero.errors import PermanentError, TableroError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

_REASON_LENGTH = 500

#: Maximum random share of the delay that is added to it.
_SPREAD = 0.25


class Ended(SystemExit):
    """Ends a task with one of our errors. Airflow consults the retry policy as for any exception, but prints no traceback.

    :ivar error: the reason.
    """

    def __init__(self, error: TableroError) -> None:
        super().__init__(1)
        self.error = error

    def __str__(self) -> str:
        return str(self.error)


def reason_of(error: BaseException) -> BaseException:
    """What an exception that ended a task stands for: for :class:`Ended`, the error that it carries."""
    return error.error if isinstance(error, Ended) else error


class TableroRetryPolicy(RetryPolicy):
    """Fails permanent errors at once; retries others after a delay that doubles, is capped and is spread.

    The delay before try n+1 is ``min(retry_delay * 2**(n-1), max_retry_delay)``, but at least the server's ``Retry-After``
    (capped as well). Up to a quarter is added, so that institutions do not all call in the same second, and one second per map
    index, so that mapped months do not either: Airflow's own jitter ignores ``map_index``. Exceptions of other classes count as
    transient.

    :param retries: tries after the first.
    :param retry_delay: seconds before the first retry.
    :param max_retry_delay: longest delay in seconds, before the spread is added.
    :param seed: identifies the institution.
    """

    def __init__(self, retries: int, retry_delay: float, max_retry_delay: float, seed: str) -> None:
        self.retries = retries
        self.retry_delay = retry_delay
        self.max_retry_delay = max_retry_delay
        self.seed = seed

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about an exception; called by Airflow in the process of the task."""
        exception = reason_of(exception)
        cause = type(exception).__name__
        if isinstance(exception, TableroError):  # the words of others may quote a row
            cause = f"{cause}: {exception}"[:_REASON_LENGTH]
        if isinstance(exception, PermanentError):
            return RetryDecision.fail(cause)
        ti = context.get("ti") if context else None
        map_index = getattr(ti, "map_index", -1)
        run = f"{getattr(ti, 'dag_id', '')}/{getattr(ti, 'run_id', '')}/{getattr(ti, 'task_id', '')}"
        asked = exception.retry_after if isinstance(exception, TransientError) else None
        # A cleared task keeps counting its tries and gets as many again: the delays start over.
        since_clear = try_number - max(0, max_tries - self.retries)
        return RetryDecision.retry(timedelta(seconds=self.delay(max(1, since_clear), map_index, run, asked)), cause)

    def delay(self, try_number: int, map_index: int, run: str, retry_after: float | None) -> float:
        """Seconds to wait after try number ``try_number`` (from 1)."""
        doubled = self.retry_delay * 2.0 ** min(try_number - 1, 60)
        waited = min(max(doubled, retry_after or 0.0), self.max_retry_delay)
        digest = hashlib.blake2b(f"{self.seed}/{run}/{try_number}".encode(), digest_size=4).digest()
        share = int.from_bytes(digest, "big") / 2**32
        return float(waited * (1 + _SPREAD * share) + max(map_index, 0))

"""When a failed task is tried again: the policy that stands on every task."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy
from tablero.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

_REASON_LENGTH = 500

#: Fraction of the delay by which two institutions, or two runs, may differ.
_SPREAD = 0.25


class TableroRetryPolicy(RetryPolicy):
    """Permanent errors fail at once; others are tried again after a delay that doubles, is capped, and is no one else's.

    The delay before try n+1 is ``min(retry_delay * 2**(n-1), max_retry_delay)``, and never less than the other side's
    ``Retry-After`` (itself capped). Added to it are up to a quarter, so that not all institutions call at the same
    second, and one second for each month before this one, so that mapped months do not: Airflow's own jitter leaves
    ``map_index`` out. Errors of no kind of ours are taken to be transient.

    :param retries: tries after the first.
    :param retry_delay: seconds before the first retry.
    :param max_retry_delay: longest seconds, before the spread is added.
    :param seed: tells this institution from others.
    """

    def __init__(self, retries: int, retry_delay: float, max_retry_delay: float, seed: str) -> None:
        self.retries = retries
        self.retry_delay = retry_delay
        self.max_retry_delay = max_retry_delay
        self.seed = seed

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide; called by Airflow in the task's process."""
        exception = getattr(exception, "error", exception)  # what ``operators.Ended`` stands for
        cause = f"{type(exception).__name__}: {exception}"[:_REASON_LENGTH]
        if isinstance(exception, PermanentError):
            return RetryDecision.fail(cause)
        ti = context.get("ti") if context else None
        map_index = getattr(ti, "map_index", -1)
        run = f"{getattr(ti, 'dag_id', '')}/{getattr(ti, 'run_id', '')}/{getattr(ti, 'task_id', '')}"
        asked = exception.retry_after if isinstance(exception, TransientError) else None
        # After a clear Airflow counts on, and grants as many tries again: the delays begin anew with them.
        since_clear = try_number - max(0, max_tries - self.retries)
        return RetryDecision.retry(timedelta(seconds=self.delay(max(1, since_clear), map_index, run, asked)), cause)

    def delay(self, try_number: int, map_index: int, run: str, retry_after: float | None) -> float:
        """Seconds to wait after try number ``try_number`` (from 1)."""
        doubled = self.retry_delay * 2.0 ** min(try_number - 1, 60)
        waited = min(max(doubled, retry_after or 0.0), self.max_retry_delay)
        digest = hashlib.blake2b(f"{self.seed}/{run}/{try_number}".encode(), digest_size=4).digest()
        share = int.from_bytes(digest, "big") / 2**32
        return float(waited * (1 + _SPREAD * share) + max(map_index, 0))
